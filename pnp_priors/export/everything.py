"""``pnp-priors export --all``: every row of a table of targets as a file in a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from pathlib import Path

import onnx

from pnp_priors import registry
from pnp_priors.errors import InputError, PnpPriorsError
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.prior import export_prior, prior_passport
from pnp_priors.export.restorations import (
    ITERATIONS,
    export_pipeline,
    pipeline_passport,
    restoration_of,
)
from pnp_priors.export.targets import PriorTarget, RestorationTarget, Targets
from pnp_priors.pipelines import files
from pnp_priors.pipelines.build import build
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.passport import Passport, read_passport
from pnp_priors.runtime.reference import read_reference, reference_path
from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import against_reference

#: a row of a table
Row = PriorTarget | RestorationTarget
#: what a row may fail with while the rest goes on
_FAILURES = (
    PnpPriorsError,
    OSError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
)
#: what is measured when a file is made, so that it does not tell whether a file is up to date
_MEASURED = {"psnr_difference": {}, "tolerance": 1.0}


def export_all(
    targets: Targets,
    folder: Path,
    precision: str | None = None,
    calibration: Path | None = None,
    announce: Callable[[str], None] = print,
) -> list[str]:
    """Export what is not there, or not up to date; check each file by its reference.

    :param precision: rows of this one alone.
    :param calibration: folder of clean images, for int8.
    :param announce: told what was done, a line for each row.
    :returns: what failed, a line for each; the other files are there.
    """
    failed = []
    for row in targets.rows:
        if precision not in (None, row.precision):
            continue
        path = folder / row.file
        try:
            if _up_to_date(row, path):
                announce(f"{path}: up to date")
                continue
            _write(row, path, calibration)
            verdict = against_reference(open_session(path, threads=1))
            if not verdict.passed:
                path.unlink()
                reference_path(path).unlink()
                worst = verdict.worst
                raise InputError(
                    f"{worst.difference:.1e} from its reference, the table allows {worst.allowed:g}"
                )
            announce(f"{path} ({path.stat().st_size:,} bytes)")
        except _FAILURES as error:
            failed.append(f"{row.file}: {' '.join(str(error).split())}")
            announce(f"{path}: FAILED")
    return failed


def _up_to_date(row: Row, path: Path) -> bool:
    """Whether the file is of these weights, settings and versions, with its own reference."""
    try:
        found = read_passport(path)
        read_reference(path)
    except PnpPriorsError:
        return False
    passport, axes = _expected(row)
    if found.model_copy(update=_MEASURED) != passport.model_copy(update=_MEASURED):
        return False
    graph = onnx.load(path, load_external_data=False).graph
    # An optional input has its value among the initializers; rows do not say which there are.
    optional = {tensor.name for tensor in graph.initializer}
    inputs = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in optional
    }
    return found.tolerance == row.tolerance and inputs == axes


@singledispatch
def _expected(row: Row) -> tuple[Passport, dict[str, int]]:
    """What a row's file says of itself, and how many axes each of its inputs has."""
    raise TypeError(row)


@_expected.register
def _(row: PriorTarget) -> tuple[Passport, dict[str, int]]:
    card, prior = registry.describe(row.prior), registry.load(row.prior)
    graph = graph_of(prior, row.sigma)
    passport = prior_passport(card, prior, graph, row.precision, row.opset)
    return passport, {name: len(axes) for name, axes in graph.inputs.items()}


@_expected.register
def _(row: RestorationTarget) -> tuple[Passport, dict[str, int]]:
    pipeline = files.read(files.find(row.pipeline), row.set)
    prior: Prior = build(pipeline).prior  # type: ignore[assignment]
    restoration = restoration_of(pipeline, prior, row.channels)
    axes = {name: len(axes) for name, axes in restoration.inputs.items()}
    counted = {ITERATIONS: 0} if row.iterations == "input" else {}
    return pipeline_passport(pipeline, prior, restoration), axes | counted


@singledispatch
def _write(row: Row, path: Path, calibration: Path | None) -> None:
    raise TypeError(row)


@_write.register
def _(row: PriorTarget, path: Path, calibration: Path | None) -> None:
    images = calibration if row.precision == "int8" else None
    export_prior(row.prior, path, row.sigma, row.precision, row.opset, row.tolerance, images)


@_write.register
def _(row: RestorationTarget, path: Path, calibration: Path | None) -> None:
    choices = row.iterations, row.opset, row.channels, row.tolerance
    export_pipeline(row.pipeline, path, row.set, *choices)
