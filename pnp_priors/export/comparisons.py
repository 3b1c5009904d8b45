"""Inputs of a given size for an exported file, and torch's way with the same, on any device."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.example import Example, Task
from pnp_priors.export.graphs.priors import SigmaForm, graph_of
from pnp_priors.export.inputs import Size, inputs_of, scene
from pnp_priors.export.restorations import ITERATIONS, TASKS
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.build import build
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.deconvolution import Kernel
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.session import Session
from pnp_priors.runtime.verify import Problem


class Comparison(NamedTuple):
    """What both engines are given.

    :param problem: inputs of the graph, and what torch in float64 on the device makes of them.
    :param by_torch: in float32, of the same inputs as tensors on the device.
    """

    problem: Problem
    by_torch: Callable[[Mapping[str, Tensor]], Tensor]


def of_prior(session: Session, side: int, device: torch.device) -> Comparison:
    """A noisy scene, or a JPEG image."""
    passport = session.passport
    check_weights(passport, session.path.name)
    prior = registry.load(passport.name, device=device)
    exact = registry.load(passport.name, device=device, dtype=torch.float64)
    graph = graph_of(prior, sigma_form(session))
    low, high = passport.sigma_range or prior.sigma_range
    level = min(max(25 / 255, low), high)
    size = (1, prior.channels, side, side)
    inputs = inputs_of(graph, size, seed=0, level=level)

    def in_float64() -> np.ndarray:
        given = {k: torch.from_numpy(v).to(device, torch.float64) for k, v in inputs.items()}
        with torch.no_grad():
            return exact(**given).cpu().numpy()

    noise = None if "table" in inputs else 255 * level
    problem = Problem("a scene", inputs, in_float64, clean=scene(size), level=noise)
    return Comparison(problem, lambda given: prior(**given))


def of_restoration(session: Session, side: int, device: torch.device) -> Comparison:
    """A photo with what the task removes."""
    # Two of them: a module becomes float64 in place.
    ours, theirs = (
        example(session, restorer_of(session), (1, 3, side, side), task_of(session).LEVEL)
        for _ in range(2)
    )
    ours.restorer.to(device)
    theirs.restorer.to(device)
    problem = Problem(ours.label, ours.inputs, theirs.in_float64, clean=ours.clean)
    return Comparison(problem, lambda given: ours.restored(given["x"]))


#: by the kind in a passport
KINDS = {"prior": of_prior, "restoration": of_restoration}


def comparison(session: Session, side: int, device: torch.device) -> Comparison:
    """For one image, or photo, of ``side`` squared.

    :raises InputError: the prior is not installed, or has got other weights since; or a task that
        has no comparison.
    """
    return KINDS[session.passport.kind](session, side, device)


def task_of(session: Session) -> Task:
    """What draws a restoration's inputs.

    :raises InputError: a task that no graph is for.
    """
    task = session.passport.task
    if task not in TASKS:
        raise InputError(f"{session.path.name}: nothing to compare the task {task} with")
    return cast(Task, importlib.import_module(TASKS[task].partition(":")[0]))


def restorer_of(session: Session) -> Restorer:
    """The torch restorer of a restoration's passport, in float32 on the CPU.

    :raises InputError: a task that no graph is for, other weights than the installed ones, no
        settings in the passport, or a preset of one's own among them.
    :raises ConfigError: settings that this version does not know.
    """
    passport = session.passport
    task_of(session)
    check_weights(passport, session.path.name)
    if passport.settings is None:
        raise InputError(f"{session.path.name}: its passport has no settings to restore by")
    if (passport.settings.get("solver") or {}).get("preset") is not None:
        # The passport has its identity, not where it lies.
        raise InputError(
            f"{session.path.name}: its schedule is that of a preset's file, which it does not "
            "have with it; --reference compares with the reference beside it"
        )
    settings = {key: value for key, value in passport.settings.items() if key != "task"}
    restorer = build(files.read(files.find(passport.task), settings))
    if "kernel" in session.inputs:
        # Passports leave out files; that there is a kernel changes the schedule.
        stated: Any = {"kernel": Kernel(file="an input of the graph")}
        restorer.pipeline = restorer.pipeline.model_copy(update=stated)
    return restorer


def example(
    session: Session, restorer: Restorer, size: Size, level: float, seed: int = 0
) -> Example:
    """Inputs of this size, as far as the graph takes it: channels may be fixed, and the batch.

    :param level: of what is removed: noise in [0, 1], or a quality.
    """
    fixed = session.inputs["x"].shape
    fitted: Any = tuple(
        own if isinstance(own, int) else given for own, given in zip(fixed, size, strict=True)
    )
    found = task_of(session).example(restorer, fitted, level, seed)
    if ITERATIONS in session.inputs:
        pipeline: Any = restorer.pipeline
        found.inputs[ITERATIONS] = np.array(schedule.iterations(pipeline), np.int64)
    return found


def sigma_form(session: Session) -> SigmaForm | None:
    """How a prior's graph takes sigma."""
    if "sigma" not in session.inputs:
        return None
    return "level" if len(session.inputs["sigma"].shape) == 1 else "map"


def check_weights(passport: Passport, file: str) -> None:
    """Refuse a file that was exported from other weights than those installed.

    :raises InputError: says what each has.
    """
    if passport.prior not in registry.available():
        raise InputError(
            f"{file}: its prior {passport.prior!r} is not installed; --reference compares with the "
            "reference beside it"
        )
    installed = registry.fingerprint(registry.describe(passport.prior))
    if installed != passport.weights_sha256:
        raise InputError(
            f"{file}: exported from weights {passport.weights_sha256[:12]}…, {passport.prior} has "
            f"{installed[:12]}… now: export it again, or compare with --reference"
        )
