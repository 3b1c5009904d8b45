"""What computes: torch, or ONNX Runtime with exported graphs; imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.settings import Pipeline

    #: makes a restorer of checked settings
    Make = Callable[[Pipeline], RestorerBase]


def chosen(engine: str, device: str, graphs: Path | None) -> Make:
    """What makes the restorers of an engine.

    :param engine: ``torch`` or ``onnxruntime``.
    :param device: torch's, or the name of one of ONNX Runtime's providers.
    :param graphs: the folder of exported graphs; of ONNX Runtime alone.
    :raises UnknownNameError: lists the engines.
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, sorted(ENGINES))
    return partial(ENGINES[engine], device=device, graphs=graphs)


def _torch(pipeline: Pipeline, device: str, graphs: Path | None) -> RestorerBase:
    from pnp_priors.pipelines.build import build

    if device == "tensorrt":
        raise InputError("--device tensorrt is of --engine onnxruntime")
    return build(pipeline, device)


def _onnxruntime(pipeline: Pipeline, device: str, graphs: Path | None) -> RestorerBase:
    from pnp_priors.runtime.engine.build import build
    from pnp_priors.runtime.engine.graphs import FOLDER, Graphs

    return build(pipeline, Graphs(graphs or FOLDER, device, announce=print))


ENGINES = {"torch": _torch, "onnxruntime": _onnxruntime}
