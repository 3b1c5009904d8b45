r"""The surroundings of a blurred photo, made up in the graph as :mod:`pnp_priors.boundary` does.

The same conjugate gradients in float64, with fewer transforms: the squared Laplacian is computed
from neighbours; and the search for a sharp image that explains the photo is done on its spectrum,
its phases turned by those of the kernel, which leaves all multipliers real and one pair of
transforms per step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pnp_priors.boundary import (
    _EXTEND_STEPS,
    _NEARNESS,
    _SMOOTHNESS,
    _STEEPNESS,
    _TAPER_STEPS,
)
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.graphs.restorations.dft import Fourier, power

#: longest side of a canvas, over two
_LONGEST = 1 << 17


@dataclass(frozen=True)
class Canvas:
    """A photo ``[n, H', W']`` on its canvas, the kernel's spectrum, and where the photo is."""

    y: Value
    fourier: Fourier
    transfer: Value
    top: Value
    left: Value
    height: Value
    width: Value

    def crop(self, x: Value) -> Value:
        """The photo's part of ``[…, H', W']`` with 4 axes."""
        x = x.slice(2, self.top, self.top + self.height)
        return x.slice(3, self.left, self.left + self.width)


@dataclass(frozen=True)
class Around:
    """What the surroundings are computed with, in float64."""

    fourier: Fourier
    transfer: Value


def checked_kernel(kernel: Value) -> Value:
    """As :func:`pnp_priors.kernels.check`: not negative, sum 1, odd sizes."""
    graph = kernel.graph
    kernel = kernel.clip(low=0.0)
    missing = [1 - kernel.size(axis) % 2 for axis in (0, 1)]
    return graph.pad(kernel / kernel.sum(0, 1), [0, 0], missing)


def circular(y: Value, kernel: Value) -> Canvas:
    """The photo itself as its canvas."""
    height, width = y.size(1), y.size(2)
    zero = y.graph.constant(0, np.int64)
    fourier = Fourier(y.graph, height, width)
    return Canvas(y, fourier, transfer(fourier, kernel), zero, zero, height, width)


def taper(y: Value, kernel: Value) -> Canvas:
    """The smoothest periodic continuation."""
    return _extended(y, kernel, _smoothest)


def extend(y: Value, kernel: Value) -> Canvas:
    """The blur of a sharp image that explains the photo."""
    return _extended(y, kernel, _blur_of_an_explanation)


#: by the pipeline's key `boundary`: photos ``[n, H, W]`` and a checked kernel to a canvas
MODES: dict[str, Callable[[Value, Value], Canvas]] = {
    "circular": circular,
    "extend": extend,
    "taper": taper,
}


def transfer(fourier: Fourier, kernel: Value) -> Value:
    """The spectrum of a kernel ``[h, w]`` whose centre is at the origin."""
    graph = fourier.graph
    x = kernel
    for axis, length in enumerate((fourier.height, fourier.width)):
        size = x.size(axis)
        half = size / 2
        gap: list[Value | int] = [0, 0]
        gap[axis] = length - size
        padded = graph.pad(x, [0, 0], gap)
        x = graph.concat([padded.slice(axis, half), padded.slice(axis, 0, half)], axis=axis)
    return fourier.forward(x.cast(fourier.dtype).reshape([1, fourier.height, fourier.width]))


def canvas_size(size: Value, kernel: Value) -> Value:
    """:func:`pnp_priors.boundary._canvas_size`: twice a product of 2, 3 and 5."""
    graph = size.graph
    fast = sorted(
        2**a * 3**b * 5**c
        for a in range(18)
        for b in range(12)
        for c in range(8)
        if 2**a * 3**b * 5**c <= _LONGEST
    )
    wanted = (size + 2 * (kernel - 1) + 1) / 2
    known = graph.constant(fast, np.int64)
    return graph.where(known < wanted, _LONGEST, known).min(0, keep=False) * 2


def _extended(y: Value, kernel: Value, surroundings: Callable[..., Value]) -> Canvas:
    graph = y.graph
    height, width = y.size(1), y.size(2)
    rows, columns = canvas_size(height, kernel.size(0)), canvas_size(width, kernel.size(1))
    top, left = (rows - height) / 2, (columns - width) / 2
    begin: list[Value | int] = [0, top, left]
    end: list[Value | int] = [0, rows - height - top, columns - width - left]
    exact = Fourier(graph, rows, columns, np.float64)
    given = y.cast(np.float64)
    middle = given.mean(1, 2)
    placed = graph.pad(given - middle, begin, end)
    inside = graph.constant(1, np.float64).expand([1, height, width])
    frame = graph.pad(inside, begin, end)
    filled = surroundings(placed, frame, Around(exact, transfer(exact, kernel)))
    whole = graph.where(frame > 0.0, placed, filled) + middle
    fourier = Fourier(graph, rows, columns)
    made = whole.cast(np.float32)
    return Canvas(made, fourier, transfer(fourier, kernel), top, left, height, width)


def _smoothest(placed: Value, frame: Value, around: Around) -> Value:
    """Continue what lies inside the frame with the least squared Laplacian."""
    outside, fourier = 1.0 - frame, around.fourier
    eigenvalues = fourier.laplacian()
    inverse = 1.0 / (eigenvalues * eigenvalues + 1e-3)

    def roughness(x: Value) -> Value:
        return outside * _laplacian(_laplacian(x))

    def precondition(r: Value) -> Value:
        return outside * fourier.inverse(inverse * fourier.forward(r))

    return placed + conjugate_gradients(
        roughness,
        -roughness(placed),
        placed * 0.0,
        precondition,
        _TAPER_STEPS,
        lambda a, b: (a * b).sum(1, 2),
        rank=3,
    )


def _laplacian(x: Value) -> Value:
    """Of periodic images ``[n, H, W]``."""
    total = x * -4.0
    for axis in (1, 2):
        first, rest = x.slice(axis, 0, 1), x.slice(axis, 1)
        last, before = x.slice(axis, -1), x.slice(axis, 0, -1)
        total = total + x.graph.concat([rest, first], axis=axis)
        total = total + x.graph.concat([last, before], axis=axis)
    return total


def _means(placed: Value, frame: Value, fourier: Fourier) -> Value:
    """Around the frame, weighted means of what lies inside."""
    graph = placed.graph
    weights = graph.op("Pow", fourier.laplacian() + _NEARNESS, -_STEEPNESS)
    total, count = (fourier.inverse(weights * fourier.forward(part)) for part in (placed, frame))
    return graph.where(frame > 0.0, placed, total / count.clip(low=1e-3))


def _blur_of_an_explanation(placed: Value, frame: Value, around: Around) -> Value:
    """The circular blur of a smooth sharp image that explains what lies inside the frame."""
    graph, fourier = placed.graph, around.fourier
    filled = _means(placed, frame, fourier)
    squared = power(around.transfer)
    gain = graph.op("Sqrt", squared)
    penalty = _SMOOTHNESS * fourier.laplacian()
    inverse = 1.0 / (squared + penalty).clip(low=1e-6)

    def normal(x: Value) -> Value:
        blurred = fourier.inverse(gain * x)
        return gain * fourier.forward(frame * blurred) + penalty * x

    sharp = conjugate_gradients(
        normal,
        gain * fourier.forward(placed),
        inverse * gain * fourier.forward(filled),
        lambda r: inverse * r,
        _EXTEND_STEPS,
        fourier.dot,
        rank=5,
    )
    return fourier.inverse(gain * sharp)


def conjugate_gradients(
    operator: Callable[[Value], Value],
    right_side: Value,
    start: Value,
    precondition: Callable[[Value], Value],
    steps: int,
    dot: Callable[[Value, Value], Value],
    rank: int,
) -> Value:
    """:func:`pnp_priors.boundary._conjugate_gradients`, on images or on spectra.

    :param rank: how many axes they have.
    """
    graph: Graph = start.graph
    tiny = float(np.finfo(start.dtype).tiny)
    residual = right_side - operator(start)
    direction = precondition(residual)
    product = dot(residual, direction)

    def step(_: Value, x: Value, residual: Value, direction: Value, product: Value) -> list[Value]:
        image = operator(direction)
        length = product / dot(direction, image).clip(low=tiny)
        residual = residual - length * image
        preconditioned = precondition(residual)
        following = dot(residual, preconditioned)
        ahead = preconditioned + following / product.clip(low=tiny) * direction
        return [x + length * direction, residual, ahead, following]

    ranks = [rank] * 4
    return graph.loop(steps, [start, residual, direction, product], step, ranks)[0]
