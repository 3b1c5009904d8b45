"""The tasks that can be tuned, each as one entry of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.build import solver
from pnp_priors.solvers.deblocking import deblock
from pnp_priors.solvers.presets import MEANINGS, Tuned
from pnp_priors.solvers.super_resolution import LARGEST, Enlargement, super_resolve
from pnp_priors.tuning.problems import KERNEL_SIDE, Crop, Problem, blurred, compressed, reduced
from pnp_priors.tuning.search import Parameter


@dataclass(frozen=True)
class Task:
    """What is degraded how, and which parameters restore it.

    :param what: a level is, for messages.
    :param levels: those that are tuned for unless asked.
    :param allowed: the levels that there can be, first and last.
    :param degrade: crops, level and seed to problems.
    :param restore: with a prior and what a preset says.
    :param kernels: in words, where there are any.
    :param whole: levels are whole numbers.
    """

    what: str
    levels: tuple[float, ...]
    allowed: tuple[float, float]
    parameters: tuple[Parameter, ...]
    degrade: Callable[[list[Crop], float, int], list[Problem]]
    restore: Callable[[Problem, Prior, Tuned], Tensor]
    kernels: str | None = None
    whole: bool = False

    def check(self, level: float) -> None:
        """Refuse a level that cannot be.

        :raises InputError: says which there can be.
        """
        low, high = self.allowed
        if not low <= level <= high or (self.whole and level != int(level)):
            raise InputError(f"level {level:g}: expected a {self.what} from {low:g} to {high:g}")


def _deconvolve(problem: Problem, prior: Prior, tuned: Tuned) -> Tensor:
    return solver(tuned.solver, prior, tuned.schedule)(problem.y, problem.physics)


def _deblock(problem: Problem, prior: Prior, tuned: Tuned) -> Tensor:
    assert isinstance(problem.physics, JPEG)
    assert tuned.width is not None
    return deblock(
        problem.y, problem.physics, prior, tuned.schedule, name=tuned.solver, width=tuned.width
    )


def _enlarge(problem: Problem, prior: Prior, tuned: Tuned) -> Tensor:
    assert isinstance(problem.physics, BicubicReduction)
    assert isinstance(problem.y, Tensor)
    init = resize(problem.y, *problem.clean.shape[-2:]).clamp(0, 1)
    task = Enlargement(problem.physics, problem.y, init)
    return super_resolve(task, prior, tuned.schedule, tuned.solver)


#: names as in :data:`pnp_priors.tuning.schema.PRESETS` and
#: :data:`pnp_priors.solvers.presets.MEANINGS`
TASKS: dict[str, Task] = {
    "deconvolution": Task(
        "noise level, 0..255 scale,",
        (2.55, 5.10, 10.20),
        (0.5, 100),
        (
            Parameter("start", 2 / 255, 0.8),
            Parameter("end", 0.1, 10.0),
            Parameter("weight", 0.005, 50.0),
        ),
        blurred,
        _deconvolve,
        f"deepinv's MotionBlurGenerator, {KERNEL_SIDE}x{KERNEL_SIDE}, one per crop; circular blur",
    ),
    "jpeg-deblocking": Task(
        "quality, a whole number",
        (10, 20, 30, 40),
        (1, 100),
        (
            Parameter("first", 0.1, 10.0),
            Parameter("last", 0.05, 5.0),
            Parameter("width", 0.1, 0.998),
        ),
        compressed,
        _deblock,
        whole=True,
    ),
    "super-resolution": Task(
        "scale",
        (2, 3, 4),
        (1.25, LARGEST),
        (
            Parameter("start", 2 / 255, 0.8),
            Parameter("end", 0.05, 5.0),
            Parameter("weight", 0.005, 50.0),
        ),
        reduced,
        _enlarge,
    ),
}


def candidate(
    task: str, solver: str, iterations: int, values: Mapping[str, float], noise: float
) -> Tuned:
    """What a preset of these values would say at a noise level."""
    return MEANINGS[task](solver, noise, iterations, **values)
