"""Everything that self-monitoring can say of one restored image, at a bounded cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.monitoring import kernel as kernels
from pnp_priors.monitoring import noise as levels
from pnp_priors.monitoring import residual as residuals

if TYPE_CHECKING:
    from pnp_priors.monitoring.traces import Trace
    from pnp_priors.pipelines.outcome import Prediction, Window

    #: see :meth:`pnp_priors.pipelines.bases.restorer.RestorerBase.predict`
    Predict = Callable[[np.ndarray, Window], Prediction | None]

#: the residual of a large image is tested on its middle, of so many pixels a side
_SIDE = 1024


@dataclass(frozen=True)
class Checks:
    """What was found; ``None`` where there is nothing to find or no way to.

    :param noise: an estimate from the input.
    :param traces: the solver's iterates; several where the image was restored in tiles.
    """

    noise: levels.Estimate | None = None
    residual: residuals.Residual | None = None
    kernel: kernels.Shape | None = None
    orientation: kernels.Orientation | None = None
    traces: tuple[Trace, ...] = ()
    #: one line each, without those of ``kernel``, which are the same for all images
    warnings: tuple[str, ...] = field(default=())


def check(
    before: np.ndarray,
    after: np.ndarray,
    sigma: float | None,
    stated: bool = True,
    predict: Predict | None = None,
    kernel: np.ndarray | None = None,
    traces: Sequence[Trace] = (),
    clipped: bool = True,
    estimable: bool = True,
    sharp: bool = False,
) -> Checks:
    """Check a restored image.

    :param before: ``[C, H, W]`` in [0, 1], what was restored.
    :param after: the result, also of another size or number of channels.
    :param sigma: the noise level that was used, in [0, 1] units; ``None``: none was.
    :param stated: a person said so; otherwise it is an estimate, which is not compared with itself.
    :param predict: gives ``A x`` in a part of ``before``, or ``None``; without it the residual is
        not tested.
    :param kernel: ``[h, w]`` as it was given, of any sum; tried both ways round.
    :param clipped: the file holds no values outside [0, 1], so that noise is cut off there; such
        pixels are left out of the residual.
    :param estimable: ``before`` has pixels of one kind throughout, so that its noise level can be
        estimated.
    :param sharp: ``before`` is not blurred.
    """
    estimate = _estimate(before, sharp) if estimable else None
    residual = orientation = None
    lines = [line for trace in traces for line in trace.warnings]
    if sigma is not None:
        judged = levels.stated_warnings(sigma, estimate) if estimate and stated else []
        lines += judged
        if predict is not None:
            residual = _residual(before, after, sigma, predict, clipped)
            lines += [] if residual is None else residual.lines(stated, bool(judged))
        if kernel is not None:
            orientation = kernels.orientation(before, kernel / kernel.sum(), sigma)
            lines += [] if orientation is None else orientation.warnings
    shape = None if kernel is None else kernels.shape(kernel)
    return Checks(
        estimate, residual, shape, orientation, tuple(traces), tuple(dict.fromkeys(lines))
    )


def _estimate(before: np.ndarray, sharp: bool) -> levels.Estimate | None:
    try:
        return levels.estimate(before[None], sharp)
    except InputError:
        return None  # too small or too plain


def _residual(
    before: np.ndarray, after: np.ndarray, sigma: float, predict: Predict, clipped: bool
) -> residuals.Residual | None:
    rows, columns = (_middle(size) for size in before.shape[-2:])
    given = before[:, rows, columns]
    predicted = predict(after, (rows, columns))
    if predicted is None:
        return None
    mask: np.ndarray = np.ones(given.shape, bool)
    if clipped:
        mask &= (given > 0) & (given < 1)
    if predicted.mask is not None:
        mask &= predicted.mask
    if predicted.weights is not None:
        mask = np.logical_and.reduce(mask)[None]
        given = np.tensordot(predicted.weights, given, 1)[None]
        sigma *= math.hypot(*predicted.weights)
    try:
        return residuals.check(given - predicted.values, sigma, predicted.border, mask)
    except InputError:
        return None  # too few pixels inside the border


def _middle(size: int) -> slice:
    # From an even pixel on, see RestorerBase.predict.
    top = max(size - _SIDE, 0) // 4 * 2
    return slice(top, min(top + _SIDE, size))
