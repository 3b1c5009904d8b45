r"""Whether solvers settle with a prior: 200 iterations of a standard problem, nothing scheduled.

Gaussian blur of 1.6 pixels, circular, and white noise of :math:`\sigma_n = 7.65/255`, restored by
HQS, ADMM and PGD with :math:`\sigma = \sigma_n` and step 1 in every iteration: for all three that
is the same weight of the data, :math:`\gamma = (\sigma / \sigma_n)^2 = 1`, and for PGD the step of
a gradient whose Lipschitz constant is 1. A falling sigma, as :func:`pnp_priors.solvers.dpir` has
it, restores better and hides whether the iteration itself settles.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from deepinv.models import Denoiser
from deepinv.physics import BlurFFT
from deepinv.physics.functional import gaussian_blur
from torch import Tensor

from pnp_priors.analysis.model import Convergence, Curve, Verdict
from pnp_priors.analysis.regimes import standard_noise
from pnp_priors.errors import BlindPriorWarning
from pnp_priors.solvers import Schedule, solver

#: the standard problem: standard deviation of the blur in pixels, noise level and step
BLUR, NOISE, STEPSIZE = 1.6, 7.65 / 255, 1.0
SOLVERS = ("hqs", "admm", "pgd")

#: converged: the relative change was below this in each of the last so many iterations
SETTLED, LAST = 1e-4, 10
#: diverged: not finite, or the norm of the last iterate is more than so many times the truth's
BLOWN_UP = 10.0


@dataclass(frozen=True)
class Problem:
    """A clean image, its blurred and noisy observation ``y``, and the blur."""

    clean: Tensor
    y: Tensor
    physics: BlurFFT


def standard_problem(clean: Tensor, seed: int = 0) -> Problem:
    """The standard problem of an image ``[1, C, H, W]`` in [0, 1]."""
    kernel = gaussian_blur(sigma=BLUR).to(clean)
    physics = BlurFFT(tuple(clean.shape[1:]), filter=kernel, device=clean.device)
    return Problem(clean, physics.A(clean) + NOISE * standard_noise(clean, seed), physics)


def run(
    name: str,
    prior: Denoiser,
    problem: Problem,
    iterations: int = 200,
    done: Callable[[], None] = lambda: None,
) -> tuple[Convergence, Curve]:
    """Run a solver with fixed step and sigma and judge how it ends.

    :param name: one of :data:`SOLVERS`.
    :param done: called after each iteration.
    :returns: the verdict, and every iteration.
    """
    schedule = Schedule((NOISE,) * iterations, (STEPSIZE,) * iterations)
    watch = prior.register_forward_hook(lambda *_: done())
    try:
        with warnings.catch_warnings():
            # What a blind prior does in a solver is what is measured here.
            warnings.simplefilter("ignore", BlindPriorWarning)
            # Mirroring would make it another operator in each iteration.
            model = solver(name, prior, schedule, mirror=False)
        last, metrics = model(problem.y, problem.physics, x_gt=problem.clean, compute_metrics=True)
    finally:
        watch.remove()
    changes, scores = metrics["residual"][0], metrics["psnr"][0]
    growth = float(last.double().norm() / problem.clean.double().norm())
    return judge(changes, scores, growth)


def judge(changes: list[float], scores: list[float], growth: float) -> tuple[Convergence, Curve]:
    """The verdict on a run, by :data:`SETTLED`, :data:`LAST` and :data:`BLOWN_UP`.

    :param changes: relative change of each iteration.
    :param scores: PSNR in dB of the start and of each iteration.
    :param growth: norm of the last iterate, relative to the truth's.
    """
    finite = all(map(math.isfinite, (*changes, *scores, growth)))
    verdict: Verdict = "did not settle"
    if not finite or growth > BLOWN_UP:
        verdict = "diverged"
    elif len(changes) >= LAST and max(changes[-LAST:]) < SETTLED:
        verdict = "converged"
    curve = Curve(relative_change=_finite(changes), psnr=_finite(scores))
    best = max(range(len(curve.psnr)), key=curve.psnr.__getitem__)
    end = Convergence(
        verdict=verdict,
        relative_change=changes[-1] if math.isfinite(changes[-1]) else None,
        psnr=scores[-1] if math.isfinite(scores[-1]) else None,
        best_psnr=curve.psnr[best],
        best_iteration=best,
    )
    return end, curve


def _finite(values: list[float]) -> list[float]:
    """The values up to the first that is not finite."""
    ends = (index for index, value in enumerate(values) if not math.isfinite(value))
    return values[: next(ends, len(values))]
