"""Presets: the solver and schedule that were tuned for a prior and a task, in one call.

Files are ``pnp_priors/presets/TASK/SOLVER/PRIOR.yaml``, see :mod:`pnp_priors.tuning.schema`;
``pnp-priors tune`` makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pnp_priors.errors import UnknownNameError
from pnp_priors.solvers.schedules import (
    RESTORING_WIDTH,
    Schedule,
    deblocking_schedule,
    dpir,
    super_resolution,
)
from pnp_priors.tuning.schema import Preset, check_task, read

FOLDER = Path(__file__).parents[1] / "presets"

#: solvers with a proximal data step, whose parameters presets hold
TUNED_SOLVERS = ("hqs", "admm", "drs")


@dataclass(frozen=True)
class Tuned:
    """What to build a solver of.

    :param solver: its name, for :func:`pnp_priors.solvers.solver`.
    :param width: of the quantisation intervals, in JPEG deblocking.
    :param preset: where it comes from; ``None``: the default, nobody tuned it.
    """

    solver: str
    schedule: Schedule
    width: float | None = None
    preset: Preset | None = None


def _deconvolution(
    solver: str, noise: float, iterations: int, start: float, end: float, weight: float
) -> Tuned:
    return Tuned(solver, dpir(noise, iterations, start, weight, end))


def _deblocking(
    solver: str, noise: float, iterations: int, first: float, last: float, width: float
) -> Tuned:
    return Tuned(solver, deblocking_schedule(noise, iterations, first, last), width)


def _super_resolution(
    solver: str, noise: float, iterations: int, start: float, end: float, weight: float
) -> Tuned:
    # Of noise-free small images, whose presets go by the scale.
    return Tuned(solver, super_resolution(0.0, max(255 * noise, 1), iterations, start, end, weight))


#: per task: solver, noise level, iterations and the parameters of its knots to what they mean
MEANINGS: dict[str, Callable[..., Tuned]] = {
    "deconvolution": _deconvolution,
    "jpeg-deblocking": _deblocking,
    "super-resolution": _super_resolution,
}

#: iterations without a preset
ITERATIONS = {"deconvolution": 8, "jpeg-deblocking": 8, "super-resolution": 16}

_DEFAULTS = {
    "deconvolution": {"start": 49 / 255, "end": 1.0, "weight": 0.23},
    "jpeg-deblocking": {"first": 2.0, "last": 0.5, "width": RESTORING_WIDTH},
    "super-resolution": {"start": 49 / 255, "end": 0.5, "weight": 0.23},
}
#: where a solver needs others: docs/presets.md has the measurement
_DEFAULTS_OF_SOLVERS = {
    ("deconvolution", "admm"): {"weight": 1.0},
    ("deconvolution", "drs"): {"weight": 1.0},
}


def default_values(task: str, solver: str) -> dict[str, float]:
    """The parameters that are used without a preset."""
    return _DEFAULTS[task] | _DEFAULTS_OF_SOLVERS.get((task, solver), {})


def default(task: str, solver: str, noise: float, iterations: int | None = None) -> Tuned:
    """What is used without a preset.

    :param iterations: those of :data:`ITERATIONS`, if not given.
    :raises InputError: an impossible noise level.
    """
    count = iterations or ITERATIONS[task]
    return MEANINGS[task](solver, noise, count, **default_values(task, solver))


def available(task: str | None = None) -> list[Path]:
    """The files of all presets, or of a task's."""
    return sorted(FOLDER.glob(f"{task or '*'}/*/*.yaml"))


def find(task: str, prior: str, solver: str = "hqs") -> Preset | None:
    """The preset that was shipped for a prior; ``None`` where there is none.

    :param prior: a released prior's name; for others, such as a card's path, there is none.
    :raises UnknownNameError: lists the tasks or solvers that there can be presets of.
    """
    if solver not in TUNED_SOLVERS:
        raise UnknownNameError("solver with presets", solver, list(TUNED_SOLVERS))
    path = FOLDER / check_task(task) / solver / f"{Path(prior).name}.yaml"
    return _read(path) if path.is_file() and Path(prior).name == prior else None


#: files of the package do not change while it runs
_read = lru_cache(read)


def preset(task: str, prior: str, noise: float, solver: str = "hqs") -> Tuned:
    """The solver and the schedule for a prior, a task and a noise level.

    :param task: ``deconvolution``, ``jpeg-deblocking`` or ``super-resolution``.
    :param prior: its name; where nobody tuned it for that task and solver, the default schedule is
        returned: :func:`pnp_priors.solvers.schedules.dpir`, with a weight of 1 for ``admm`` and
        ``drs``, :func:`pnp_priors.solvers.schedules.deblocking_schedule`, or
        :func:`pnp_priors.solvers.schedules.super_resolution`.
    :param noise: noise level of the observation, or
        :func:`pnp_priors.solvers.deblocking.quantisation_noise`, in [0, 1] image units; in
        super-resolution the scale over 255.
    :param solver: ``hqs``, ``admm`` or ``drs``.
    :raises UnknownNameError: another task or solver.
    :raises InputError: an impossible noise level.
    """
    found = find(task, prior, solver)
    return default(task, solver, noise) if found is None else at(found, noise)


def at(preset: Preset, noise: float, iterations: int | None = None) -> Tuned:
    """What a preset, such as one from :func:`pnp_priors.tuning.schema.read`, says at a noise level.

    :param iterations: other than those that it was tuned for.
    :raises InputError: an impossible noise level.
    """
    meant = MEANINGS[preset.task](
        preset.solver, noise, iterations or preset.iterations, **preset.at(max(noise, 1e-6))
    )
    return Tuned(meant.solver, meant.schedule, meant.width, preset)
