"""In which numbers a prior's file has its weights and computes; its inputs are float32 in all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.export.half import rounded
from pnp_priors.export.inputs import Size, in_torch, inputs_of
from pnp_priors.export.writer import finish, serialised, to_graph
from pnp_priors.runtime.passport import INT8_LOWEST, Passport, Precision
from pnp_priors.runtime.session import session_of

if TYPE_CHECKING:
    import onnx

    from pnp_priors.export.graphs.priors import PriorGraph
    from pnp_priors.priors.base import Prior

#: what is allowed beyond the largest difference that was measured, and what is at least
MARGIN, LEAST = 2.0, 1e-9
#: sizes of images that differences are measured on at every level, as for a gray prior; and at the
#: highest one alone
_EVERY: tuple[Size, ...] = ((1, 1, 64, 80),)
_HIGHEST: tuple[Size, ...] = ((1, 1, 96, 112), (2, 3, 17, 23), (1, 2, 3, 7), (1, 1, 1, 1))
#: noise levels in 1/255
_LEVELS = (5, 15, 25, 50)


@dataclass(frozen=True)
class Request:
    """A prior's file in the making.

    :param exact: the prior in float64.
    :param passport: of the file, as far as it is known before.
    :param tolerance: largest difference to torch that the passport is to state; ``None``: to be
        measured, and twice as much be stated.
    :param calibration: folder of clean images, for int8.
    """

    graph: PriorGraph
    exact: Prior
    passport: Passport
    tolerance: float | None = None
    calibration: Path | None = None


def single(request: Request) -> onnx.ModelProto:
    """In float32; the tolerance is that of the graph."""
    tolerance = request.graph.tolerance if request.tolerance is None else request.tolerance
    return _finished(request, tolerance)


def half(request: Request) -> onnx.ModelProto:
    """Networks in float16; of diffusions with tables, trained weights alone are stored in it.

    :raises InputError: a prior that has nothing which float16 would be of use for.
    """
    if not request.graph.halves:
        raise InputError(
            f"{request.passport.name} has no network to compute in float16, and "
            "too few weights to be worth storing in it; its precision is float32"
        )
    tolerance = request.tolerance
    if tolerance is None:
        model = _finished(request, request.graph.tolerance)
        with_rounding = largest_difference(rounded(model), request.graph, request.exact)
        tolerance = with_margin(
            max(with_rounding, largest_difference(model, request.graph, request.exact))
        )
    return _finished(request, tolerance)


def integers(request: Request) -> onnx.ModelProto:
    """Networks in int8; what it costs is measured on images that it is not calibrated on.

    :raises InputError: a prior that is no chain of convolutions, or trained for weak noise alone.
    """
    from pnp_priors.export import int8

    graph = request.graph
    if graph.percentile is None:
        raise InputError(
            f"{request.passport.name}: int8 is for chains of convolutions that are trained for "
            f"noise of sigma {255 * INT8_LOWEST:g}/255 or more"
        )
    calibrated, clean = int8.crops(request.calibration, graph.channels)
    plain = _finished(request, graph.tolerance)
    model = int8.quantised(plain, graph, calibrated)
    tolerance = request.tolerance
    if tolerance is None:
        tolerance = with_margin(
            largest_difference(model, graph, request.exact, int8.levels_of(graph))
        )
    passport = request.passport.model_copy(
        update={
            "tolerance": tolerance,
            "psnr_difference": int8.psnr_difference(model, plain, graph, clean),
        }
    )
    return finish(model, passport)


#: what makes the model of each
PRECISIONS: dict[Precision, Callable[[Request], onnx.ModelProto]] = {
    "float32": single,
    "float16": half,
    "int8": integers,
}


def _finished(request: Request, tolerance: float) -> onnx.ModelProto:
    passport = request.passport.model_copy(update={"tolerance": tolerance})
    return finish(to_graph(request.graph, passport), passport)


def largest_difference(
    model: onnx.ModelProto, graph: PriorGraph, exact: Prior, levels: Sequence[int] = _LEVELS
) -> float:
    """To the prior in torch, on drawn scenes; above the trained range in proportion to sigma.

    :param levels: of the noise, in 1/255.
    """
    session = session_of(serialised(model))
    problems = [(size, level) for level in levels for size in _EVERY]
    problems += [(size, max(levels)) for size in _HIGHEST]
    differences = []
    for number, (size, level) in enumerate(problems):
        size = (size[0], size[1] if graph.channels == 1 else graph.channels, *size[2:])
        inputs = inputs_of(graph, size, number, level / 255)
        (found,) = session.run(None, inputs)
        difference = np.abs(found - in_torch(exact, inputs)).max()
        differences.append(float(difference) / max(1.0, level / 255 / graph.sigma_range[1]))
    return float(np.max(differences))  # NaN is larger than all


def with_margin(difference: float, digits: int = 1) -> float:
    """A tolerance: twice the difference, rounded up to so many digits; :data:`LEAST` where that
    is less, as of no difference at all.

    :raises InputError: a difference that is NaN or infinite: no tolerance has it.
    """
    if not np.isfinite(difference):
        raise InputError(f"the file differs from torch by {difference}: no tolerance allows that")
    wanted = max(MARGIN * difference, LEAST)
    digit = 10 ** (np.floor(np.log10(wanted)) - digits + 1)
    return float(f"{np.ceil(wanted / digit) * digit:.{digits - 1}e}")
