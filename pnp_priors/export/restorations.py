"""Exports a pipeline as one graph: photo in, restored photo out, the prior inside."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.graphs.restorations.solvers import PriorModel
from pnp_priors.export.prior import prior_passport
from pnp_priors.export.writer import Axes, finish, to_model, write
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.build import build
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.reference import RESTORED, Case, write_reference

if TYPE_CHECKING:
    import onnx

    from pnp_priors.pipelines.restorer import Restorer
    from pnp_priors.pipelines.settings import Pipeline
    from pnp_priors.priors.base import Prior

#: name and axes of the optional input of iterations
ITERATIONS = "iterations"
#: keys that say what is done with files, and nothing of a graph
_OF_FILES = ("input", "output", "example", "report", "scale", "tiles", "kernel", "mask", "noise")

#: by task, what the bench calls it
_MEASURED_AS = {
    "deconvolution": "deconvolution",
    "super-resolution": "super-resolution",
    "jpeg-deblocking": "deblocking",
    "denoising": "denoising",
}
#: ways of the bench to use a prior that are those of its one-pass graph
_ONE_PASS = ("", "direct")

#: by task, the function that makes a :class:`Restoration` of checked settings and a prior
TASKS = {
    "deconvolution": "pnp_priors.export.tasks.deconvolution:restoration",
    "super-resolution": "pnp_priors.export.tasks.super_resolution:restoration",
    "jpeg-deblocking": "pnp_priors.export.tasks.jpeg_deblocking:restoration",
    "denoising": "pnp_priors.export.tasks.denoising:restoration",
}


@dataclass(frozen=True)
class Restoration:
    """What a task's graph takes and does.

    :param inputs: axes of every input, ``x`` first; all are float32.
    :param output: axes of the restored photo.
    :param tolerance: largest difference to the torch engine, image in [0, 1].
    :param iterations: of its solver; ``None``: there is none.
    :param restore: writes the graph, from the prior, the iterations and the inputs by name.
    :param cases: inputs and what the torch engine makes of them.
    """

    inputs: Mapping[str, Axes]
    output: Axes
    tolerance: float
    iterations: int | None
    restore: Callable[..., Value]
    cases: Callable[[Restorer], list[Case]]


def export_pipeline(
    name_or_path: str | Path,
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    iterations: str = "fixed",
    opset: int = 18,
    channels: int | None = None,
    tolerance: float | None = None,
) -> Path:
    """Export a pipeline as ``FILE.onnx``, with ``FILE.reference.safetensors`` beside it.

    Settings of the pipeline (prior, solver, schedule, boundary, colours, strength) are in the
    graph; what belongs to a photo (itself, a kernel, its noise level, tables) are its inputs. The
    docstrings of :mod:`pnp_priors.export.graphs.restorations` have them for each task.

    :param name_or_path: a shipped pipeline's name, or a YAML file.
    :param path: of the file, which must end in ``.onnx``.
    :param overrides: values by dotted key, as for :func:`pnp_priors.pipelines.load`.
    :param iterations: ``fixed``: as the pipeline says; ``input``: an input ``iterations``, int64.
    :param opset: version of ONNX's operators; 18.
    :param channels: of JPEG photos, whose planes differ: 3, by default, or 1. Other graphs that are
        for gray photos are for colours, too.
    :param tolerance: largest difference to torch that the passport is to state, if not the task's.
    :returns: the path.
    :raises UnknownNameError, ConfigError, MissingFileError, InputError: one line each.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: the name of an exported file ends in .onnx")
    if opset != Graph.OPSET:
        raise InputError(f"restorations are written for opset {Graph.OPSET}, got {opset}")
    pipeline = files.read(files.find(name_or_path), overrides)
    restorer = build(pipeline)
    prior: Prior = restorer.prior  # type: ignore[assignment]
    restoration = restoration_of(pipeline, prior, channels)
    if tolerance is not None:
        restoration = replace(restoration, tolerance=tolerance)
    passport = pipeline_passport(pipeline, prior, restoration)
    model = to_restoration(restoration, prior, passport, iterations)
    write(model, path)
    cases = restoration.cases(restorer)
    if iterations == "input":
        count = torch.tensor(restoration.iterations).numpy()
        cases = [Case({**case.inputs, ITERATIONS: count}, case.restored) for case in cases]
    write_reference(path, cases, restoration.tolerance)
    return path


def restoration_of(pipeline: Pipeline, prior: Prior, channels: int | None = None) -> Restoration:
    """What a pipeline's graph takes and does.

    :param channels: of JPEG photos, 1 or 3.
    :raises InputError: a task without a graph; lists those with one. Channels of another task.
    """
    if pipeline.task not in TASKS:
        raise InputError(
            f"pipelines of task {pipeline.task!r} cannot be exported; "
            f"those that can: {', '.join(sorted(TASKS))}"
        )
    if channels is not None and (pipeline.task != "jpeg-deblocking" or channels not in (1, 3)):
        raise InputError(f"channels: 1 or 3, of jpeg-deblocking alone; got {channels}")
    module, _, name = TASKS[pipeline.task].partition(":")
    choice = {} if channels is None else {"channels": channels}
    return getattr(importlib.import_module(module), name)(pipeline, prior, **choice)


def to_restoration(
    restoration: Restoration, prior: Prior, passport: Passport, iterations: str = "fixed"
) -> onnx.ModelProto:
    """The checked model, without a file.

    :raises InputError: iterations as an input of what has none, or neither ``fixed`` nor ``input``.
    """
    if iterations not in ("fixed", "input"):
        raise InputError(f"iterations is 'fixed' or 'input', got {iterations!r}")
    if iterations == "input" and restoration.iterations is None:
        raise InputError("iterations: this restoration has no iterations that could be an input")
    graph = Graph()
    values = {name: graph.input(name, axes) for name, axes in restoration.inputs.items()}
    count: Value | int | None = restoration.iterations
    if iterations == "input":
        count = graph.input(ITERATIONS, [], "int64")
    restored = restoration.restore(prior_model(prior), count, **values)
    model = graph.model(passport.name, RESTORED, restored, restoration.output)
    return finish(model, passport)


def prior_model(prior: Prior) -> PriorModel:
    """The graph of a prior, to be put into a restoration."""
    graph = graph_of(prior)
    passport = prior_passport(registry.describe(prior.name or ""), prior, graph)
    model = to_model(graph, passport)
    return PriorModel(model, prior.channels)


def pipeline_passport(pipeline: Pipeline, prior: Prior, restoration: Restoration) -> Passport:
    """What a restoration's file says of itself.

    Measured PSNR is what the prior's card has of this task by this solver; Lipschitz bounds are the
    prior's. Of a file of other weights none of it is known.
    """
    card = registry.describe(pipeline.prior.name)
    inside = prior_passport(card, prior, graph_of(prior))
    stated = schedule.settings(pipeline)
    settings = {key: value for key, value in stated.items() if key not in _OF_FILES}
    settings["prior"].pop("weights", None)
    about: dict[str, Any] = {"psnr": _measured(card, pipeline, restoration)}
    if pipeline.prior.weights is not None:
        content = Path(pipeline.prior.weights).read_bytes()
        about = {
            "weights_sha256": hashlib.sha256(content).hexdigest(),
            "psnr": {},
            "lipschitz_lower_bound": None,
            "training_data": [],
            "licence": "that of the weights that were given",
        }
    return inside.model_copy(
        update={
            "kind": "restoration",
            "name": pipeline.task,
            "title": f"{pipeline.task.capitalize()} with {pipeline.prior.name}",
            "task": pipeline.task,
            "prior_version": about.get("weights_sha256", inside.weights_sha256)[:12],
            "sigma_range": (0.0, 1.0) if "noise" in restoration.inputs else None,
            "sigma_outside": "",
            # Halo and cells stay the prior's: what tiles of a whole restoration start from.
            "receptive_field": "whole image",
            "tolerance": restoration.tolerance,
            "settings": settings,
            **about,
        }
    )


def _measured(
    card: Card, pipeline: Pipeline, restoration: Restoration
) -> dict[str, dict[str, float]]:
    """Mean PSNR in dB by data set, with the method behind it (``levin, hqs-preset``), and level."""
    ways: tuple[str, ...] = _ONE_PASS
    if restoration.iterations is not None:
        solver = pipeline.solver  # type: ignore[attr-defined]
        # Nothing was measured with a preset of one's own.
        ways = (solver.name,) if solver.preset is None else ()
    found = {}
    for result in card.results:
        _, *how = result.dataset.split(", ")
        way = how[0].removesuffix("-preset") if how else ""
        if result.task == _MEASURED_AS[pipeline.task] and way in ways:
            found[result.dataset] = result.psnr
    return found
