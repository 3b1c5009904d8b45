"""Graphs of whole restorations: which settings are part of them, and how one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.pipelines import files
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.runtime.engine.graphs import Wanted, takes
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.session import Session

#: by task, the keys whose values are in the graph, besides the prior
KEYS: dict[str, tuple[str, ...]] = {
    "deconvolution": ("solver.name", "solver.schedule", "boundary", "color", "strength"),
    "jpeg-deblocking": ("solver.name", "solver.schedule", "width", "subsampling", "strength"),
    "super-resolution": (
        "factor",
        "alignment",
        "solver.name",
        "solver.schedule",
        "color",
        "strength",
    ),
}
#: where the number of iterations is
_ITERATIONS = "solver.iterations"


def restoration_graph(
    pipeline: Pipeline, card: Card, iterations: int | None, axes: Mapping[str, int]
) -> Wanted:
    """The graph of a pipeline.

    :param card: of its prior.
    :param iterations: as the pipeline, or its preset, says; ``None``: there are none.
    :param axes: of the inputs besides the photo, their number. A graph that also takes
        ``iterations`` is for any number of them.
    """
    plain = pipeline.model_dump(mode="json")
    keys, weights = KEYS[pipeline.task], registry.fingerprint(card)

    def fits(passport: Passport) -> bool:
        told = (passport.kind, passport.task, passport.prior, passport.weights_sha256)
        if told != ("restoration", pipeline.task, card.name, weights):
            return False
        settings = passport.settings or {}
        return all(_at(settings, key) == _at(plain, key) for key in keys)

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
    if plain.get("kernel") and not shipped.get("kernel"):
        changed["kernel.file"] = plain["kernel"]["file"]

    def export(path: Path) -> None:
        from pnp_priors.export.restorations import export_pipeline

        export_pipeline(name, path, changed)

    sets = [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]
    told = [str(value) for key, value in changed.items() if key in every[1:]]
    file = "-".join([name, card.name, *(["kernel"] if "kernel.file" in changed else []), *told])
    words = f"{pipeline.task} with {card.name} and these settings"
    return Wanted(words, f"{file}.onnx", fits, suits, (name, *sets), export)


def _at(settings: Mapping[str, Any], dotted: str) -> Any:
    """The value at a dotted key; ``None`` where there is none."""
    level: Any = settings
    for part in dotted.split("."):
        level = level.get(part) if isinstance(level, Mapping) else None
    return level
