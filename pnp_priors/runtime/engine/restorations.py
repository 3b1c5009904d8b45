"""Graphs of whole restorations: which settings are part of them, and how one is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.runtime.engine.graphs import Wanted, takes
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.session import Session

#: of every solver; the number of iterations may be an input
_SOLVER = ("solver.name", "solver.schedule", "solver.preset", "solver.mirror")
#: by task, the keys whose values are in the graph, besides the prior
KEYS: dict[str, tuple[str, ...]] = {
    "deconvolution": (*_SOLVER, "boundary", "color", "strength"),
    "jpeg-deblocking": (*_SOLVER, "width", "subsampling", "strength"),
    "super-resolution": ("factor", "alignment", *_SOLVER, "color", "strength"),
}
#: where a preset's file is; a graph states the preset's identity instead
_PRESET = "solver.preset"
#: where the number of iterations is
_ITERATIONS = "solver.iterations"
#: equal to no value
_UNSAID = object()


def restoration_graph(
    pipeline: Pipeline, card: Card, iterations: int | None, axes: Mapping[str, int]
) -> Wanted:
    """The graph of a pipeline.

    :param card: of its prior.
    :param iterations: as the pipeline, or its preset, says; ``None``: there are none.
    :param axes: of the inputs besides the photo, their number. A graph that also takes
        ``iterations`` is for any number of them.
    """
    plain = schedule.settings(pipeline)
    keys, weights = KEYS[pipeline.task], registry.fingerprint(card)

    def fits(passport: Passport) -> bool:
        told = (passport.kind, passport.task, passport.prior, passport.weights_sha256)
        if told != ("restoration", pipeline.task, card.name, weights):
            return False
        settings = passport.settings or {}
        # A file from before a key existed says nothing of it, and may do anything.
        return all(_at(settings, key, _UNSAID) == _at(plain, key) for key in keys)

    def suits(session: Session) -> bool:
        inside = _at(session.passport.settings or {}, _ITERATIONS)
        # Of none it has as many as the preset says, and so has a pipeline that says none.
        same = inside == (iterations if inside is not None else _at(plain, _ITERATIONS))
        return takes(session, axes) and (
            iterations is None or "iterations" in session.inputs or same
        )

    name = pipeline.task.replace("-", "_")
    shipped = files.read(files.find(name)).model_dump(mode="json")
    every = ("prior.name", *keys, *(() if iterations is None else (_ITERATIONS,)))
    changed = {key: _at(plain, key) for key in every if _at(plain, key) != _at(shipped, key)}
    told = [_in_file_name(key, value) for key, value in changed.items() if key in every[1:]]
    if _PRESET in changed:
        changed[_PRESET] = _at(pipeline.model_dump(mode="json"), _PRESET)
    if plain.get("kernel") and not shipped.get("kernel"):
        changed["kernel.file"] = plain["kernel"]["file"]

    def export(path: Path) -> None:
        from pnp_priors.export.restorations import export_pipeline

        export_pipeline(name, path, changed)

    sets = [word for key, value in changed.items() for word in ("--set", f"{key}={_yaml(value)}")]
    file = "-".join([name, card.name, *(["kernel"] if "kernel.file" in changed else []), *told])
    words = f"{pipeline.task} with {card.name} and these settings"
    return Wanted(words, f"{file}.onnx", fits, suits, (name, *sets), export)


def _yaml(value: Any) -> str:
    """As a pipeline's file has it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _in_file_name(key: str, value: Any) -> str:
    """The value; of yes or no, what it is about."""
    about = f"{key.rpartition('.')[2]}-" if isinstance(value, bool) else ""
    return about + _yaml(value)


def _at(settings: Mapping[str, Any], dotted: str, missing: Any = None) -> Any:
    """The value at a dotted key; ``missing`` where there is none."""
    level: Any = settings
    for part in dotted.split("."):
        if not isinstance(level, Mapping) or part not in level:
            return missing
        level = level[part]
    return level
