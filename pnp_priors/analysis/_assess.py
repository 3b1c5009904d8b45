"""All measures of a prior together; what each one means is in docs/assess.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from pnp_priors.analysis import convergence
from pnp_priors.analysis.levels import FACTORS, over_levels, with_wrong_sigma
from pnp_priors.analysis.lipschitz import PowerIteration
from pnp_priors.analysis.model import Assessment, Equivariance, LipschitzBounds
from pnp_priors.analysis.regimes import (
    LevelRange,
    Regime,
    left_out,
    regime_of,
    standard_noise,
)
from pnp_priors.analysis.scenes import SMALLEST, default_images, middle
from pnp_priors.analysis.symmetry import shift_errors, symmetry_errors
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.symmetries import NAMES

#: called with the name of a measure, what is done of it and how much there is
Progress = Callable[[str, int, int], None]

#: true noise levels on 0..255 of the wrong sigma, where trained for
WRONG_AT = (15.0, 50.0)
#: sides of the squares on which bounds are searched and solvers run
LIPSCHITZ_SIDE, SOLVER_SIDE = 64, 96
POWER_ITERATIONS = 20
ITERATIONS = 200


def assess(
    prior: Prior,
    images: Mapping[str, Tensor] | None = None,
    device: str | torch.device | None = None,
    seed: int = 0,
    iterations: int = ITERATIONS,
    progress: Progress = lambda measure, done, total: None,
) -> Assessment:
    """Measure how far a prior can be trusted.

    PSNR and mean drift over the level of noise (of compression, for JPEG), inside and beyond the
    trained range; PSNR with a wrong sigma; equivariance under flips, rotations and shifts by a
    pixel; lower bounds of the Lipschitz constants of D and I - D; convergence of HQS, ADMM and PGD
    on a standard problem. What makes no sense for the prior's task is left out, and said to be.

    :param prior: in eval mode, its parameters frozen, as :func:`pnp_priors.load` gives it.
    :param images: clean images by name, ``[1, C, H, W]`` in [0, 1] of the prior's channels, 32
        pixels a side or more; by default those of
        :func:`pnp_priors.analysis.scenes.default_images`. All serve the levels; equivariance,
        bounds and solvers take the first, the latter two its middle 64×64 and 96×96 pixels.
    :param device: where to compute; the prior is moved there. By default, where it is.
    :param seed: of the noise and of the directions that power iterations start with.
    :param iterations: of each solver.
    :param progress: called after each step.
    :raises InputError: no images or impossible ones, no iterations, or a prior of another task.
    """
    task, regime = regime_of(prior)
    if iterations < 1:
        raise InputError(f"iterations must be at least 1, got {iterations}")
    if device is not None:
        prior = prior.to(device)
    reference = next(prior.parameters())
    chosen = default_images(prior.channels) if images is None else dict(images)
    _check(chosen, prior.channels)
    clean = [image.to(reference) for image in chosen.values()]
    levels, omitted = regime.levels(prior), left_out(prior)

    def counter(measure: str, total: int) -> Callable[[], None]:
        count = 0
        progress(measure, 0, total)

        def done() -> None:
            nonlocal count
            count += 1
            progress(measure, count, total)

        return done

    done = counter("levels", len(levels.all))
    result = Assessment(
        images=list(chosen),
        task=task,
        trained=levels.trained,
        blind=prior.blind,
        levels=over_levels(prior, clean, regime, levels.all, seed, done),
        left_out=omitted,
    )
    if "wrong sigma" not in omitted:
        true = sorted({levels.nearest(level) for level in WRONG_AT})
        done = counter("wrong sigma", len(true) * len(FACTORS))
        result.wrong_sigma = with_wrong_sigma(prior, clean, true, FACTORS, seed, done)
    if "equivariance" not in omitted:
        done = counter("equivariance", len(NAMES))
        result.equivariance = _equivariance(prior, clean[0], regime, levels, seed, done)
    if "lipschitz" not in omitted:
        done = counter("Lipschitz bounds", 2 * POWER_ITERATIONS * len(_searched(levels)))
        result.lipschitz = _lipschitz(prior, clean[0], regime, levels, seed, done)
    if "convergence" not in omitted:
        problem = convergence.standard_problem(middle(clean[0], SOLVER_SIDE), seed)
        result.iterations, result.convergence, result.curves = iterations, {}, {}
        for name in convergence.SOLVERS:
            done = counter(name.upper(), iterations)
            end, curve = convergence.run(name, prior, problem, iterations, done)
            result.convergence[name], result.curves[name] = end, curve
    return result


def _check(images: Mapping[str, Tensor], channels: int) -> None:
    if not images:
        raise InputError("an assessment needs at least one image")
    for name, image in images.items():
        shape = list(image.shape)
        if image.ndim != 4 or shape[:2] != [1, channels] or min(shape[2:]) < SMALLEST:
            raise InputError(
                f"image {name!r} has shape {shape}; expected [1, {channels}, H, W] with H and W of "
                f"{SMALLEST} or more"
            )
        if not (image.is_floating_point() and image.min() >= 0 and image.max() <= 1):
            raise InputError(f"image {name!r}: expected floating point values in [0, 1]")


def _equivariance(
    prior: Prior,
    clean: Tensor,
    regime: Regime,
    levels: LevelRange,
    seed: int,
    done: Callable[[], None],
) -> Equivariance:
    level = levels.nearest(regime.usual)
    x = regime.degrade(clean, level, standard_noise(clean, seed))

    def restore(degraded: Tensor) -> Tensor:
        return regime.restore(prior, degraded, level)

    symmetries = symmetry_errors(restore, x, done)
    shifts = shift_errors(restore, x)
    done()
    return Equivariance(level=f"{level:g}", symmetries=symmetries, shifts=shifts)


def _searched(levels: LevelRange) -> Sequence[float]:
    """The levels of the Lipschitz bounds: those inside, and the next one on each side."""
    first, last = levels.inside[0], levels.inside[-1]
    below = [level for level in levels.beyond if level < first][-1:]
    above = [level for level in levels.beyond if level > last][:1]
    return [*below, *levels.inside, *above]


def _lipschitz(
    prior: Prior,
    clean: Tensor,
    regime: Regime,
    levels: LevelRange,
    seed: int,
    done: Callable[[], None],
) -> LipschitzBounds:
    image = middle(clean, LIPSCHITZ_SIDE)
    noise = standard_noise(image, seed)
    found: dict[str, dict[str, float]] = {"denoiser": {}, "residual": {}}
    for name, row in found.items():
        start = None
        for level in _searched(levels):

            def function(x: Tensor, level: float = level, name: str = name) -> Tensor:
                restored = regime.restore(prior, x, level)
                return restored if name == "denoiser" else x - restored

            x = regime.degrade(image, level, noise)
            # Directions of neighbouring levels are alike: the search goes on from there.
            power = PowerIteration(function, x, start, seed)
            for _ in range(POWER_ITERATIONS):
                power.advance()
                done()
            row[f"{level:g}"], start = power.bound, power.best
    return LipschitzBounds(**found)
