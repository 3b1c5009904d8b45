"""The projection onto a JPEG file's quantisation intervals, in the graph.

:class:`pnp_priors.physics.jpeg_fidelity.QuantisationInterval`: in closed form for whole blocks, and
by an accelerated gradient of the dual problem for those that the image's border cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.export.graphs.restorations.jpeg_planes import BLOCK, Plane
from pnp_priors.physics.jpeg_fidelity import _ITERATIONS, _TOLERANCE


@dataclass(frozen=True)
class Interval:
    """What one plane's coefficients can have been.

    :param centre: ``[rows, 8, columns, 8]``, on the scale of [0, 1].
    :param steps: quantisation steps ``[1, 8, 1, 8]``, likewise.
    :param width: of the interval in steps, no axes.
    """

    plane: Plane
    centre: Value
    steps: Value
    width: Value

    def project(self, image: Value) -> Value:
        """The nearest plane ``[1, 1, H, W]`` whose coefficients are in their intervals."""
        graph, plane = image.graph, self.plane
        half = self.steps * self.width * 0.5
        low, high = self.centre - half, self.centre + half
        (height, width), (down, right) = plane.size, plane.last
        canvas = plane.pad(image)
        found = plane.coefficients(canvas)
        inside = found.clip(low, high)
        result = canvas + plane.canvas_of(inside - found)
        result = result.slice(2, 0, height).slice(3, 0, width)

        short, narrow = plane.whole[0] > height, plane.whole[1] > width
        last = [count - 1 for count in plane.blocks]
        bottom = self._cut(
            image.slice(2, down), low.slice(0, last[0]), high.slice(0, last[0]), True, short
        )
        # Without an incomplete row of blocks, all rows are whole.
        rest = graph.where(short, down, height)
        whole = rest.clip(low=BLOCK * plane.factors[0])
        blocks = whole / (BLOCK * plane.factors[0])
        strip = canvas.slice(2, 0, whole).slice(3, right, width)
        lower, upper = (bound.slice(0, 0, blocks).slice(2, last[1]) for bound in (low, high))
        beside = self._cut(strip, lower, upper, False, narrow & (rest > 0)).slice(2, 0, rest)

        top = result.slice(2, 0, rest)
        kept = top.slice(3, right)
        top = graph.concat([top.slice(3, 0, right), graph.where(narrow, beside, kept)], axis=3)
        return graph.concat([top, bottom.slice(2, rest - down)], axis=2)

    def _cut(self, image: Value, low: Value, high: Value, rows_cut: bool, needed: Value) -> Value:
        """Nearest part of the plane in its intervals, its border pixels repeated.

        :param image: a part that begins at a block's corner and ends with the image.
        :param rows_cut: whether its last rows are incomplete; its last columns always may be.
        :param needed: whether anything is to be done; otherwise what is returned means nothing.
        """
        graph = image.graph
        height, width = image.size(2), image.size(3)
        part = Plane(graph, height, width, self.plane.factors)
        spread = part.rows.reshape([-1, 1]).equals(graph.range(height)).cast(np.float32)

        def pad(pixels: Value) -> Value:
            pixels = spread @ pixels if rows_cut else pixels
            return pixels.take(part.columns, 3)

        def pad_adjoint(canvas: Value) -> Value:
            canvas = spread.transpose(1, 0) @ canvas if rows_cut else canvas
            repeated = canvas.slice(3, width - 1).sum(3)
            return graph.concat([canvas.slice(3, 0, width - 1), repeated], axis=3)

        start = pad(image)
        counts = pad_adjoint(start * 0.0 + 1.0)

        def step(
            _: Value, dual: Value, ahead: Value, momentum: Value, pixels: Value
        ) -> list[Value]:
            pixels = pad_adjoint(start - part.canvas_of(ahead)) / counts
            target = ahead + part.coefficients(pad(pixels))
            new = target - target.clip(low, high)
            off = (graph.op("Abs", new - ahead) / self.steps).max(0, 1, 2, 3, keep=False)
            turned = ((ahead - new) * (new - dual)).sum(1, 3) > 0.0
            now = graph.where(turned, graph.constant(1, np.float32), momentum)
            root = graph.op("Sqrt", 1.0 + 4.0 * now * now)
            following = (1.0 + root) * 0.5
            push = graph.where(turned, graph.constant(0, np.float32), (now - 1.0) / following)
            moved = new + push * (new - dual)
            return [off > _TOLERANCE, new, moved, following, pixels]

        dual = low * 0.0
        momentum = dual.slice(1, 0, 1).slice(3, 0, 1) + 1.0
        state = [dual, dual, momentum, image]
        # Once for nothing: of a Loop that does not run OpenVINO (2026.4) loses the initial state.
        times = graph.where(needed, graph.constant(_ITERATIONS, np.int64), 1)
        return graph.loop(times, state, step, goes_on=graph.constant(True, np.bool_))[3]
