"""The schedule of a pipeline's solver: tuned for its prior where somebody did, or the default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.pipelines.settings import Pipeline
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

if TYPE_CHECKING:
    from pnp_priors.card import Card

#: pipelines with a preset to choose
WithPreset = Deconvolution | JpegDeblocking | SuperResolution


def check(pipeline: Pipeline, card: Card) -> None:
    """Read the preset's file that a pipeline names, if it does, and refuse one for something else.

    With a file of weights (``prior.weights``) the preset of any prior is taken: only who has them
    knows which it suits.

    :param card: of the pipeline's prior.
    :raises MissingFileError, ConfigError: there is no such file, or it is no preset.
    :raises InputError: it is for another task, prior or solver; one line that begins with the key.
    """
    if not isinstance(pipeline, WithPreset) or pipeline.solver.own is None:
        return
    own, name = pipeline.solver.own, pipeline.solver.name
    known = card.name == own.prior or registry.fingerprint(card) == own.tuned.weights
    wrong = None
    if own.task != pipeline.task:
        wrong = f"is for {own.task}, the pipeline's task is {pipeline.task}"
    elif not (known or pipeline.prior.weights):
        wrong = f"was tuned for the prior {own.prior}; prior.name is {pipeline.prior.name}"
    elif own.solver != name:
        wrong = f"was tuned for the solver {own.solver}; solver.name is {name}"
    elif isinstance(pipeline, SuperResolution) and pipeline.kernel is not None:
        wrong = "is for photos reduced bicubically, and kernel.file is set"
    if wrong is not None:
        raise InputError(f"solver.preset: {pipeline.solver.preset}: it {wrong}")


def settings(pipeline: Pipeline) -> dict[str, Any]:
    """What a pipeline says, as plain values; of a preset's file not where it lies, which differs
    from machine to machine, but :attr:`Preset.identity`.
    """
    plain = pipeline.model_dump(mode="json")
    if isinstance(pipeline, WithPreset) and pipeline.solver.own is not None:
        plain["solver"]["preset"] = pipeline.solver.own.identity
    return plain


def preset_of(pipeline: WithPreset) -> Preset | None:
    """The preset that a pipeline uses: its own (``solver.preset``), which :func:`check` has seen,
    or the shipped one. None of these was tuned for other weights than the released ones.
    """
    choice = pipeline.solver
    if choice.own is not None:
        return choice.own
    if choice.schedule != "preset" or choice.name not in TUNED_SOLVERS or pipeline.prior.weights:
        return None
    if isinstance(pipeline, SuperResolution) and pipeline.kernel is not None:
        return None
    return find(pipeline.task, pipeline.prior.name, choice.name)


def iterations(pipeline: WithPreset) -> int:
    """As the pipeline says, or its preset, or :data:`pnp_priors.solvers.presets.ITERATIONS`."""
    preset = preset_of(pipeline)
    return pipeline.solver.iterations or (
        ITERATIONS[pipeline.task] if preset is None else preset.iterations
    )


def chosen(pipeline: WithPreset, noise: float) -> Tuned:
    """What to build the solver of, at a noise level in [0, 1] units.

    :raises InputError: an impossible noise level.
    """
    choice, preset, count = pipeline.solver, preset_of(pipeline), iterations(pipeline)
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
    preset, name = preset_of(pipeline), pipeline.solver.name
    found = default_values(pipeline.task, name) if preset is None else preset.at(scale / 255)
    return super_resolution(noise, scale, iterations(pipeline), **found)


def words(pipeline: WithPreset) -> str:
    """Which schedule that is, for people."""
    choice, prior = pipeline.solver, pipeline.prior
    if choice.schedule != "preset":
        return f"schedule {choice.schedule}"
    if choice.preset is not None:
        return f"schedule of {Path(choice.preset).name}"
    if isinstance(pipeline, SuperResolution) and pipeline.kernel is not None:
        return "default schedule"
    if preset_of(pipeline) is not None:
        return f"schedule tuned for {prior.name}"
    whose = f"{prior.name} with other weights" if prior.weights else prior.name
    return f"default schedule, none is tuned for {whose} with {choice.name}"
