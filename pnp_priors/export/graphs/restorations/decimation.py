r"""Blur and decimation in the graph: :mod:`pnp_priors.physics.decimation`.

With A the circular blur and decimation, :math:`A A^\top` is a circular convolution of the small
image, whose kernel is the decimated autocorrelation of the blur's; so that

.. math:: \mathrm{prox}_{\gamma f}(z) = z + A^\top (A A^\top + 1/\gamma)^{-1} (y - A z)

takes a pair of transforms of each size for every A.
"""

from __future__ import annotations

import math

import numpy as np

from pnp_priors.export.graphs.restorations import bicubic
from pnp_priors.export.graphs.restorations.boundary import transfer
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.export.graphs.restorations.dft import Fourier, power, product
from pnp_priors.solvers.super_resolution import _ROOM, _STEPS, _TRUST

#: of deepinv's conjugate gradients: added to what is divided by, and where they stop
_SMALL, _ENOUGH = 1e-8, 1e-4


class Decimated:
    """Half the squared distance to a blurred and decimated image, in closed form.

    :param y: small photos ``[n, C, h, w]`` in [0, 1].
    :param kernel: ``[k, l]`` on the grid of the large image, checked.
    :param alignment: see :func:`pnp_priors.physics.decimation.placed`.
    """

    def __init__(self, y: Value, kernel: Value, scale: int, alignment: str) -> None:
        self.graph, self.scale = y.graph, scale
        kernel = _placed(kernel, scale, alignment)
        longest = kernel.size(0).clip(low=kernel.size(1))
        self.room = (longest + 2 * scale - 1) / (2 * scale) + _ROOM
        self.small = [y.size(axis) + 2 * self.room for axis in (2, 3)]
        self.large = [scale * size for size in self.small]
        canvas = _mirrored(y, self.room)
        self.channels = [y.size(0), y.size(1)]
        self._fourier = Fourier(self.graph, *self.large)
        self._fourier_small = Fourier(self.graph, *self.small)
        self._transfer = transfer(self._fourier, kernel)
        squared = power(self._transfer)
        both = self.graph.concat([squared, squared * 0.0], axis=3)
        spread = self._decimate(self._fourier.inverse(both))
        self._gain = self._fourier_small.forward(spread).slice(3, 0, 1)
        rows, columns = (bicubic.weights(a, b) for a, b in zip(self.small, self.large, strict=True))
        start = bicubic.resize(canvas, rows, columns).clip(0.0, 1.0)
        if alignment == "first":
            start = shifted(start, (scale - 1) / 2)
        self._start = start
        self.y = self._continued(canvas, y)

    def start(self) -> Value:
        return self._start

    def prox(self, x: Value, inverse_step: Value) -> Value:
        missing = self._fourier_small.forward(self.y - self.apply(x))
        missing = self._fourier_small.inverse(missing / (self._gain + inverse_step))
        return x + self.adjoint(missing)

    def gradient(self, x: Value) -> Value:
        return self.adjoint(self.apply(x) - self.y)

    def apply(self, x: Value) -> Value:
        """A: ``[n, C, H, W]`` to ``[n, C, h, w]``, around each image's mean."""
        mean = x.mean(2, 3)
        spectrum = product(self.graph, self._transfer, self._fourier.forward(x - mean))
        small = self._decimate(self._fourier.inverse(spectrum))
        return small.reshape([*self.channels, *self.small]) + mean

    def adjoint(self, y: Value) -> Value:
        """A transposed."""
        x = y.reshape([-1, self.small[0], 1, self.small[1]])
        x = self.graph.pad(x, [0] * 4, [0, 0, self.scale - 1, 0])
        x = x.reshape([-1, self.large[0], self.small[1], 1])
        x = self.graph.pad(x, [0] * 4, [0, 0, 0, self.scale - 1])
        spectrum = self._fourier.forward(x.reshape([-1, *self.large]))
        spectrum = product(self.graph, self._transfer, spectrum, conjugate=True)
        return self._fourier.inverse(spectrum).reshape([*self.channels, *self.large])

    def crop(self, x: Value) -> Value:
        """The result without its canvas."""
        edge = self.scale * self.room
        for axis, length in zip((2, 3), self.large, strict=True):
            x = x.slice(axis, edge, length - edge)
        return x

    def _decimate(self, x: Value) -> Value:
        return x.slice(1, 0, None, self.scale).slice(2, 0, None, self.scale)

    def _continued(self, canvas: Value, y: Value) -> Value:
        """:func:`pnp_priors.solvers.super_resolution._continued`."""
        graph = self.graph
        ones = graph.constant(1, np.float32).expand([1, 1, y.size(2), y.size(3)])
        frame = graph.pad(ones, [0, 0, self.room, self.room], [0, 0, self.room, self.room])
        found = self._explained(self.adjoint(frame * canvas), frame)
        return graph.where(frame > 0.0, canvas, self.apply(found))

    def _explained(self, adjoint: Value, frame: Value) -> Value:
        """deepinv's conjugate gradients for ``(A' M A + 1/gamma) x = A' M y + x0/gamma``."""
        graph, start = self.graph, self._start

        def operator(x: Value) -> Value:
            return self.adjoint(frame * self.apply(x)) + x / _TRUST

        def dot(a: Value, b: Value) -> Value:
            return (a * b).sum(1, 2, 3)

        right = adjoint + start / _TRUST
        residual = right - operator(start)
        enough = dot(right, right) * _ENOUGH**2

        def step(_: Value, x: Value, r: Value, p: Value, before: Value) -> list[Value]:
            image = operator(p)
            length = before / (dot(p, image) + _SMALL)
            x = x + p * length
            r = r - image * length
            after = dot(r, r)
            goes_on = graph.op("Not", (after - enough).max(0, 1, 2, 3, keep=False) < 0.0)
            return [goes_on, x, r, r + p * (after / (before + _SMALL)), after]

        state = [start, residual, residual, dot(residual, residual)]
        always = graph.constant(True, np.bool_)
        return graph.loop(_STEPS, state, step, goes_on=always)[0]


def _placed(kernel: Value, scale: int, alignment: str) -> Value:
    """:func:`pnp_priors.physics.decimation.placed`."""
    if alignment == "first" or scale == 1:
        return kernel
    graph, room = kernel.graph, scale // 2
    places = [(scale - 1) // 2, scale // 2]
    parts = [
        graph.pad(kernel, [room - down, room - right], [room + down, room + right])
        for down in places
        for right in places
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total / 4.0


def _mirrored(y: Value, room: Value) -> Value:
    """Mirrored around its edges, which are not repeated, as often as a small image needs."""
    graph = y.graph
    for axis in (2, 3):
        size = y.size(axis)
        last = (size - 1).clip(low=1)
        # A whole number of periods further on, where the remainder is not negative.
        places = graph.range(size + 2 * room) - room + 2 * last * room
        index = last - graph.op("Abs", places % (2 * last) - last)
        y = y.take(index.clip(high=size - 1), axis)
    return y


def shifted(x: Value, pixels: float) -> Value:
    """Moved up and left; half a pixel is the mean of both neighbours. The far edges repeat."""
    graph = x.graph
    near, far = math.floor(pixels), math.ceil(pixels)
    for axis in (2, 3):
        size = x.size(axis)
        steps = graph.range(size)
        parts = [x.take((steps + by).clip(high=size - 1), axis) for by in (near, far)]
        x = (parts[0] + parts[1]) * 0.5
    return x
