"""JPEG deblocking as one graph: a decoded photo and its tables in, the restored photo out.

One photo at a time: each has a quantisation noise, and with it a schedule, of its own.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pnp_priors.export.graphs.restorations import schedules
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.graphs.restorations.jpeg_planes import (
    block_dct,
    coefficients_of,
    completed,
    image_of,
    up_to,
    with_mirrored,
    without_interpolation,
)
from pnp_priors.export.graphs.restorations.solvers import PriorModel, blended, solve
from pnp_priors.physics.jpeg_standard import BLOCK, FROM_RGB, WHOLE, subsampling_factors
from pnp_priors.pipelines.schedule import preset_of
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking

#: the coefficient of a constant 128 is left out of the file
_LEVEL = 128
#: of an input that need not be given
SIZE = "size"


class Stored:
    """The data term of a JPEG file, of the pixels that were decoded from it.

    It is for images of whole blocks, with sides that are multiples of 16: where the border cuts
    blocks, all of them are restored.

    :param x: ``[1, channels, H, W]``.
    :param size: height and width of the photo, int64 ``[2]``: less than of ``x`` if that shows more
        of the blocks that the border cuts; 0: those of ``x``.
    :param tables: quantisation steps ``[planes, 8, 8]`` on 0..255; with fewer planes than channels
        only the first ones are looked at.
    """

    def __init__(
        self,
        x: Value,
        size: Value | None,
        tables: Value,
        channels: int,
        planes: int,
        subsampling: str,
    ) -> None:
        self.graph, self.channels = x.graph, channels
        self.factors = [(1, 1), *[subsampling_factors(subsampling)] * (planes - 1)]
        shown = [x.size(2), x.size(3)]
        self.size = shown if size is None else [_stated(size, k, shown[k]) for k in range(2)]
        #: height and width of the whole blocks of all planes
        self.whole = [up_to(length, WHOLE) for length in shown]
        self.steps = [tables.take(k).reshape([1, BLOCK, 1, BLOCK]) / 255.0 for k in range(planes)]
        # Which of two whole numbers a coefficient is near to is decided in float64.
        split = self.split(x.cast(np.float64))
        self.indices = [
            self._indices(k, plane * 255.0 - (0.0 if k else float(_LEVEL)), tables)
            for k, plane in enumerate(split[:planes])
        ]
        shift = np.zeros((1, BLOCK, 1, BLOCK))
        shift[0, 0, 0, 0] = BLOCK * _LEVEL / 255
        self.centres = [n * step for n, step in zip(self.indices, self.steps, strict=True)]
        self.centres[0] = self.centres[0] + self.graph.constant(shift, np.float32)
        self.halves: list[Value] = []

    def _indices(self, k: int, levels: Value, tables: Value) -> Value:
        graph, (v, h) = self.graph, self.factors[k]
        small = completed(without_interpolation(levels, (v, h)))
        steps = tables.take(k).reshape([1, BLOCK, 1, BLOCK]).cast(np.float64)
        found = block_dct(small) / steps
        away = graph.op("Floor", graph.op("Abs", found) + 0.5)
        found = (graph.op("Sign", found) * away).cast(np.float32)
        height, width = self.whole
        return with_mirrored(found, (height / (BLOCK * v), width / (BLOCK * h)))

    def split(self, x: Value) -> list[Value]:
        """Its planes, ``[1, 1, H, W]`` each."""
        if self.channels == 1:
            return [x]
        mixed = self._mixed(x, np.array(FROM_RGB))
        return [mixed.slice(1, k, k + 1) for k in range(3)]

    def joined(self, planes: list[Value]) -> Value:
        """The inverse of :meth:`split`."""
        if self.channels == 1:
            return planes[0]
        return self._mixed(self.graph.concat(planes, axis=1), np.linalg.inv(np.array(FROM_RGB)))

    def _mixed(self, x: Value, matrix: np.ndarray) -> Value:
        weights = self.graph.constant(matrix, x.dtype)
        flat = weights @ x.reshape([1, 3, -1])
        return flat.reshape([1, 3, x.size(2), x.size(3)])

    def noise(self) -> Value:
        """:func:`pnp_priors.solvers.deblocking.quantisation_noise`, no axes."""
        kept = self.graph.op("Abs", self.indices[0]).clip(high=1.0)
        variance = kept * (self.steps[0] * self.steps[0]) / 12.0
        return 2.0 * self.graph.op("Sqrt", variance.mean(0, 1, 2, 3, keep=False))

    def within(self, width: Value) -> None:
        """State the width of the intervals, in steps."""
        self.halves = [step * width * 0.5 for step in self.steps]

    def start(self) -> Value:
        """The decoded image, its chrominance repeated and not interpolated."""
        parts = zip(self.centres, self.factors, strict=True)
        return self.joined([image_of(centre, factors) for centre, factors in parts])

    def prox(self, x: Value, inverse_step: Value | None = None) -> Value:
        """The projection, for every step, of the visible part, its last pixels repeated as
        encoders do."""
        for axis, visible, length in zip((2, 3), self.size, self.whole, strict=True):
            x = x.take(self.graph.range(length).clip(high=visible - 1), axis)
        return self.joined([self._projected(k, plane) for k, plane in enumerate(self.split(x))])

    def _projected(self, k: int, image: Value) -> Value:
        """The nearest plane ``[1, 1, H, W]`` whose coefficients are in their intervals."""
        found = coefficients_of(image, self.factors[k])
        centre, half = self.centres[k], self.halves[k]
        inside = found.clip(centre - half, centre + half)
        return image + image_of(inside - found, self.factors[k])

    def visible(self, image: Value) -> Value:
        """Whole blocks, cut to the size of the photo."""
        height, width = self.size
        return image.slice(2, 0, height).slice(3, 0, width)

    def gradient(self, x: Value) -> Value:
        """An indicator has none, and no solver here asks for it."""
        raise NotImplementedError


def deblocking(
    pipeline: JpegDeblocking,
    channels: int,
    prior: PriorModel,
    count: Value | int | None,
    x: Value,
    table: Value | None = None,
    tables: Value | None = None,
) -> Value:
    """The restored photo.

    :param channels: of photos, 1 or 3.
    :param count: iterations; ``None``: the prior is for JPEG and restores the luminance in one
        pass.
    :param x: the decoded photo ``[1, channels, H, W]``, the block grid's corner at the upper left.
    :param table: steps of gray, or of the luminance ``[8, 8]``; or
    :param tables: of Y, Cb and Cr ``[3, 8, 8]``.

    In a solver there is the optional input ``size``, as :class:`Stored` has it.
    """
    graph: Graph = x.graph
    if tables is None:
        assert table is not None
        tables = table.reshape([1, BLOCK, BLOCK])
    if count is None:
        return blended(pipeline.strength, x, _in_one_pass(channels, prior, x, tables))
    size = graph.optional(SIZE, np.zeros(2, np.int64))
    stored = Stored(x, size, tables, channels, channels, pipeline.subsampling)
    noise = stored.noise()
    given = schedules.parameters(noise, preset_of(pipeline), pipeline.task, pipeline.solver.name)
    schedule = schedules.deblocking(noise, count, given)
    width = schedule.width
    if pipeline.width is not None:
        width = graph.constant(pipeline.width, np.float32)
    assert width is not None
    stored.within(width)
    per_plane = partial(_by_channel, prior) if channels > prior.channels else prior
    solver = pipeline.solver
    found = solve(solver.name, stored, per_plane, schedule, solver.mirror)
    restored = stored.visible(stored.prox(found))
    return blended(pipeline.strength, stored.visible(x), restored)


def _stated(size: Value, axis: int, otherwise: Value) -> Value:
    length = size.take(axis)
    return size.graph.where(length > 0, length, otherwise).clip(high=otherwise)


def _by_channel(prior: PriorModel, x: Value, sigma: Value) -> Value:
    """A gray prior on colours, one by one."""
    sizes = [x.size(2), x.size(3)]
    return prior(x.reshape([3, 1, *sizes]), sigma).reshape([1, 3, *sizes])


def _in_one_pass(channels: int, prior: PriorModel, x: Value, tables: Value) -> Value:
    stored = Stored(x, None, tables, channels, 1, "4:4:4")
    luma = stored.visible(image_of(stored.centres[0], (1, 1))).clip(0.0, 1.0)
    nothing = x.graph.constant(0, np.float32)
    restored = prior(luma, nothing, tables.reshape([BLOCK, BLOCK]))
    if channels == 1:
        return restored
    return stored.joined([restored, *stored.split(x)[1:]])
