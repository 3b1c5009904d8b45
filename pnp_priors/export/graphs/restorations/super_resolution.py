"""Super-resolution as one graph: the small photo and its noise level in, the large photo out."""

from __future__ import annotations

import numpy as np

from pnp_priors.export.graphs.restorations import bicubic, schedules
from pnp_priors.export.graphs.restorations.boundary import checked_kernel, conjugate_gradients
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.export.graphs.restorations.decimation import Decimated, shifted
from pnp_priors.export.graphs.restorations.solvers import PriorModel, blended, solve
from pnp_priors.pipelines.schedule import preset_of
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.solvers.super_resolution import LUMA

#: steps of conjugate gradients; the condition number is below 5, so that each divides the error by
#: 2.8
_STEPS = 14


class Reduced:
    r"""Half the squared distance to a bicubically reduced image.

    :math:`\mathrm{prox}_{\gamma f}(z) = z + A^\top (A A^\top + 1/\gamma)^{-1} (y - A z)`, where
    :math:`A A^\top` takes an image Y to :math:`R R^\top Y C C^\top`; its inverse is found by
    conjugate gradients, where :class:`pnp_priors.physics.resizing.BicubicReduction` has singular
    value decompositions.

    :param y: small photos ``[n, C, h, w]``.
    """

    def __init__(self, y: Value, factor: float) -> None:
        self.y = y
        small = [y.size(2), y.size(3)]
        large = [bicubic.enlarged(size, factor) for size in small]
        self.rows, self.columns = (bicubic.weights(a, b) for a, b in zip(large, small, strict=True))
        self._rows_back = self.rows.transpose(1, 0)
        self._columns_back = self.columns.transpose(1, 0)
        self._squares = self.rows @ self._rows_back, self.columns @ self._columns_back
        up = [bicubic.weights(a, b) for a, b in zip(small, large, strict=True)]
        self.up_rows, self.up_columns = up

    def enlarge(self, y: Value) -> Value:
        """Bicubic enlargement, not clipped."""
        return bicubic.resize(y, self.up_rows, self.up_columns)

    def start(self) -> Value:
        return self.enlarge(self.y).clip(0.0, 1.0)

    def prox(self, x: Value, inverse_step: Value) -> Value:
        missing = self.y - bicubic.resize(x, self.rows, self.columns)
        found = conjugate_gradients(
            lambda v: self._squares[0] @ v @ self._squares[1] + v * inverse_step,
            missing,
            missing * 0.0,
            lambda v: v,
            _STEPS,
            lambda a, b: (a * b).sum(2, 3),
            rank=4,
        )
        return x + self._rows_back @ found @ self.columns

    def gradient(self, x: Value) -> Value:
        missing = bicubic.resize(x, self.rows, self.columns) - self.y
        return self._rows_back @ missing @ self.columns

    def crop(self, x: Value) -> Value:
        return x


def super_resolution(
    pipeline: SuperResolution,
    prior: PriorModel,
    count: Value | int,
    x: Value,
    noise: Value | None = None,
    kernel: Value | None = None,
) -> Value:
    """The large photo.

    :param x: ``[B, C, h, w]``; C is 1 or 3, and 3 for a colour prior.
    :param noise: noise level in [0, 1] units, ``[1]``; ``None``: the prior enlarges in one pass.
    :param kernel: ``[k, l]`` on the grid of the large photo, of any scale; ``None``: bicubic.
    """
    graph, factor, name = x.graph, pipeline.factor, pipeline.solver.name
    channels = x.size(1)
    plain = Reduced(x, factor)
    level = None if noise is None else noise.reshape([])

    def restored(y: Value, level: Value | None) -> Value:
        if level is None:
            return prior(plain.enlarge(y).clip(0.0, 1.0), graph.constant(0, np.float32))
        data: Reduced | Decimated
        if kernel is None:
            data = Reduced(y, factor)
        else:
            data = Decimated(y, checked_kernel(kernel), int(factor), pipeline.alignment)
        large, small = data.start().size(2), data.y.size(2)
        scale = large.cast(np.float32) / small.cast(np.float32)
        given = schedules.parameters(scale / 255.0, preset_of(pipeline), pipeline.task, name)
        schedule = schedules.super_resolution(level, scale, count, given)
        return data.crop(solve(name, data, prior, schedule, pipeline.solver.mirror))

    if prior.channels != 1:
        colours: list[Value | int] = [x.size(0), prior.channels, x.size(2), x.size(3)]
        found = restored(x.reshape(colours), level)
    elif pipeline.color == "luminance":
        # Of three channels ITU-R 601's mean, of any others their own; the rest is bicubic.
        luma = graph.constant(LUMA, np.float32).slice(0, 0, channels)
        mean = graph.constant(1, np.float32) / channels.cast(np.float32)
        weights = graph.where(channels.equals(3), luma, mean).reshape([1, -1, 1, 1])
        gray = (x * weights).sum(1)
        if level is not None:
            level = level * graph.op("Sqrt", (weights * weights).sum(0, 1, 2, 3, keep=False))
        rest = plain.enlarge(x - gray)
        if kernel is not None and pipeline.alignment == "first":
            rest = shifted(rest, (factor - 1) / 2)
        found = restored(gray, level) + rest
    else:
        sizes: list[Value | int] = [-1, 1, x.size(2), x.size(3)]
        large = [x.size(0), channels, *(bicubic.enlarged(x.size(a), factor) for a in (2, 3))]
        found = restored(x.reshape(sizes), level).reshape(large)
    return blended(pipeline.strength, plain.enlarge(x).clip(0.0, 1.0), found)
