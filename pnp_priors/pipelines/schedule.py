"""The schedule of a pipeline's solver: tuned for its prior where somebody did, or the default."""

from __future__ import annotations

from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.solvers import SCHEDULES
from pnp_priors.solvers.presets import (
    ITERATIONS,
    TUNED_SOLVERS,
    Tuned,
    at,
    default,
    default_values,
    find,
)
from pnp_priors.solvers.schedules import Schedule, super_resolution
from pnp_priors.tuning.schema import Preset

#: pipelines with a preset to choose
WithPreset = Deconvolution | JpegDeblocking | SuperResolution


def shipped(pipeline: WithPreset) -> Preset | None:
    """The preset that a pipeline uses; none was tuned for other weights than the released ones."""
    choice = pipeline.solver
    if choice.schedule != "preset" or choice.name not in TUNED_SOLVERS or pipeline.prior.weights:
        return None
    if isinstance(pipeline, SuperResolution) and pipeline.kernel is not None:
        return None
    return find(pipeline.task, pipeline.prior.name, choice.name)


def iterations(pipeline: WithPreset) -> int:
    """As the pipeline says, or its preset, or :data:`pnp_priors.solvers.presets.ITERATIONS`."""
    preset = shipped(pipeline)
    return pipeline.solver.iterations or (
        ITERATIONS[pipeline.task] if preset is None else preset.iterations
    )


def chosen(pipeline: WithPreset, noise: float) -> Tuned:
    """What to build the solver of, at a noise level in [0, 1] units.

    :raises InputError: an impossible noise level.
    """
    choice, preset, count = pipeline.solver, shipped(pipeline), iterations(pipeline)
    if choice.schedule in SCHEDULES:
        return Tuned(choice.name, SCHEDULES[choice.schedule](noise, count))
    if preset is None:
        return default(pipeline.task, choice.name, noise, count)
    return at(preset, noise, count)


def enlarging(pipeline: SuperResolution, noise: float, scale: float) -> Schedule:
    """What to enlarge photos with.

    :param noise: of the small one, in [0, 1] units.
    :param scale: 1 or more; a preset's knots are by it.
    :raises InputError: an impossible noise level.
    """
    preset, name = shipped(pipeline), pipeline.solver.name
    found = default_values(pipeline.task, name) if preset is None else preset.at(scale / 255)
    return super_resolution(noise, scale, iterations(pipeline), **found)


def words(pipeline: WithPreset) -> str:
    """Which schedule that is, for people."""
    choice, prior = pipeline.solver, pipeline.prior
    if choice.schedule != "preset":
        return f"schedule {choice.schedule}"
    if isinstance(pipeline, SuperResolution) and pipeline.kernel is not None:
        return "default schedule"
    if shipped(pipeline) is not None:
        return f"schedule tuned for {prior.name}"
    whose = f"{prior.name} with other weights" if prior.weights else prior.name
    return f"default schedule, none is tuned for {whose} with {choice.name}"
