"""Everything that self-monitoring can say of one restored image, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.monitoring import kernel as kernels
from pnp_priors.monitoring import noise as levels
from pnp_priors.monitoring import residual as residuals

if TYPE_CHECKING:
    from pnp_priors.monitoring.iterates import Trace

#: the residual of a large image is tested on its middle, of so many pixels a side
_SIDE = 1024
#: see :meth:`pnp_priors.pipelines.restorer.Restorer.predict`
Predict = Callable[[np.ndarray], tuple[np.ndarray, int] | None]


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
) -> Checks:
    """Check a restored image.

    :param before: ``[C, H, W]`` in [0, 1], what was restored.
    :param after: the result.
    :param sigma: the noise level that was used, in [0, 1] units; ``None``: none was.
    :param stated: a person said so; otherwise it is an estimate, which is not compared with itself.
    :param predict: gives ``A x`` of the size of its argument, and how many pixels of its border
        are not to be trusted, or ``None``; without it the residual is not tested.
    :param kernel: ``[h, w]`` of sum 1, tried both ways round.
    :param clipped: the file holds no values outside [0, 1], so that noise is cut off there; such
        pixels are left out of the residual.
    """
    estimate = _estimate(before)
    residual = orientation = None
    lines = [line for trace in traces for line in trace.warnings]
    if sigma is not None:
        if estimate is not None and stated:
            lines += levels.stated_warnings(sigma, estimate)
        if predict is not None and before.shape == after.shape:
            residual = _residual(before, after, sigma, predict, clipped)
            lines += [] if residual is None else residual.warnings
        if kernel is not None:
            orientation = kernels.orientation(before, kernel, sigma)
            lines += [] if orientation is None else orientation.warnings
    shape = None if kernel is None else kernels.shape(kernel)
    return Checks(
        estimate, residual, shape, orientation, tuple(traces), tuple(dict.fromkeys(lines))
    )


def _estimate(before: np.ndarray) -> levels.Estimate | None:
    import torch

    try:
        return levels.estimate(torch.from_numpy(np.ascontiguousarray(before))[None])
    except InputError:
        return None  # too small or too plain


def _residual(
    before: np.ndarray, after: np.ndarray, sigma: float, predict: Predict, clipped: bool
) -> residuals.Residual | None:
    tops = [max(size - _SIDE, 0) // 2 for size in before.shape[-2:]]
    middle = (slice(None), *(slice(top, top + _SIDE) for top in tops))
    given = before[middle]
    predicted = predict(after[middle])
    if predicted is None:
        return None
    measured, border = predicted
    mask = (given > 0) & (given < 1) if clipped else None
    try:
        return residuals.check(given - measured, sigma, border, mask)
    except InputError:
        return None  # too few pixels inside the border
