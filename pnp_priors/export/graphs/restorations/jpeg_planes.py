"""Planes of a JPEG file in the graph: :mod:`pnp_priors.physics.jpeg_planes`, of whole blocks.

Coefficients keep the places of their blocks: ``[rows, 8, columns, 8]``, vertical frequency second,
horizontal last. Images are ``[1, 1, H, W]``.
"""

from __future__ import annotations

import math

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.physics.jpeg_standard import BLOCK, MIRROR

#: steps that bring the interpolation's inverse to 1e-14: each divides its error by 3
_JACOBI_STEPS = 30


def basis() -> np.ndarray:
    """The orthonormal DCT-II of 8 values, ``[frequency, place]``."""
    n = np.arange(BLOCK)
    rows = np.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    rows[0] /= math.sqrt(2)
    return rows


def up_to(size: Value, multiple: int) -> Value:
    """The next multiple."""
    return (size + (multiple - 1)) / multiple * multiple


def completed(image: Value) -> Value:
    """An image of whole blocks, its last row and column repeated."""
    for axis in (2, 3):
        length = image.size(axis)
        places = image.graph.range(up_to(length, BLOCK)).clip(high=length - 1)
        image = image.take(places, axis)
    return image


def with_mirrored(coefficients: Value, counts: tuple[Value, Value]) -> Value:
    """As many rows and columns of blocks as stated: where one is missing, the last one's mirror
    image (:meth:`pnp_priors.physics.jpeg_physics.JPEG.completed`)."""
    graph = coefficients.graph
    flips = (1 - np.array(MIRROR)) / 2  # which frequencies change their sign
    for axis, count in zip((0, 2), counts, strict=True):
        last = coefficients.size(axis) - 1
        places = graph.range(count)
        beyond = (places > last).cast(np.float32).reshape([-1, 1] if axis else [-1, 1, 1, 1])
        turned = graph.constant(flips if axis else flips.reshape(BLOCK, 1, 1), np.float32)
        coefficients = coefficients.take(places.clip(high=last), axis) * (
            1.0 - 2.0 * (beyond * turned)
        )
    return coefficients


def coefficients_of(image: Value, factors: tuple[int, int]) -> Value:
    """Of an image of whole blocks, subsampled by these factors."""
    if factors != (1, 1):
        sides = list(factors)
        image = image.graph.op("AveragePool", image, kernel_shape=sides, strides=sides)
    return block_dct(image)


def image_of(coefficients: Value, factors: tuple[int, int]) -> Value:
    """The image of these coefficients, each value repeated."""
    graph, (v, h) = coefficients.graph, factors
    rows, columns = coefficients.size(0) * BLOCK, coefficients.size(2) * BLOCK
    image = inverse_block_dct(coefficients)
    if v > 1:
        image = image.reshape([1, rows, 1, columns]).expand([1, rows, v, columns])
    if h > 1:
        image = image.reshape([1, rows * v, columns, 1]).expand([1, rows * v, columns, h])
    return graph.op("Reshape", image, graph.sizes([1, 1, rows * v, columns * h]))


def _matrices(graph: Graph, kind: np.dtype) -> tuple[Value, Value]:
    """The DCT's and its transpose, as two constants: of one and its Transpose, both multiplied from
    the right, OpenVINO (2026.4) takes the same one twice."""
    return graph.constant(basis(), kind), graph.constant(basis().T, kind)


def block_dct(image: Value) -> Value:
    """Of an image of whole blocks: ``[rows, 8, columns, 8]``."""
    graph, rows, columns = image.graph, image.size(2), image.size(3)
    matrix, turned = _matrices(graph, image.dtype)
    across = image.reshape([rows, columns / BLOCK, BLOCK]) @ turned
    down = matrix @ across.reshape([rows / BLOCK, BLOCK, columns])
    return down.reshape([rows / BLOCK, BLOCK, columns / BLOCK, BLOCK])


def inverse_block_dct(coefficients: Value) -> Value:
    """``[1, 1, H, W]``."""
    graph, rows, columns = coefficients.graph, coefficients.size(0), coefficients.size(2)
    matrix, turned = _matrices(graph, coefficients.dtype)
    down = turned @ coefficients.reshape([rows, BLOCK, columns * BLOCK])
    across = down.reshape([rows * BLOCK, columns, BLOCK]) @ matrix
    return across.reshape([1, 1, rows * BLOCK, columns * BLOCK])


def without_interpolation(image: Value, factors: tuple[int, int]) -> Value:
    """The values of a subsampled plane, of the interpolated ones that a decoder shows.

    As :func:`pnp_priors.physics.jpeg_stored._without_interpolation` does: a tridiagonal system,
    solved by Jacobi's iteration.
    """
    repeated = (image.size(3) <= 4) if factors[1] == 2 else None
    for axis, factor in zip((2, 3), factors, strict=True):
        if factor == 2:
            image = _halved(image, axis, repeated)
    return image


def _halved(image: Value, axis: int, repeated: Value | None) -> Value:
    graph, length = image.graph, image.size(axis)
    count = (length + 1) / 2
    places = 2 * graph.range(count)
    odd = (length % 2).equals(1)
    means = (image.take(places, axis) + image.take((places + 1).clip(high=length - 1), axis)) * 0.5
    first = graph.range(count).equals(0)
    final = graph.range(count).equals(count - 1)
    alone = final & odd
    kind = image.dtype

    def pick(condition: Value, yes: float, no: Value | float) -> Value:
        shape = [-1, 1] if axis == 2 else [-1]
        return graph.where(condition, graph.constant(yes, kind), no).reshape(shape)

    end = graph.op("Or", first, final)
    diagonal = pick(alone, 6 / 8, graph.where(end, graph.constant(7 / 8, kind), 6 / 8))
    before = pick(first, 0.0, graph.where(alone, graph.constant(2 / 8, kind), 1 / 8))
    after = pick(final, 0.0, 1 / 8)
    left = (graph.range(count) - 1).clip(low=0)
    right = (graph.range(count) + 1).clip(high=count - 1)

    def step(_: Value, found: Value) -> list[Value]:
        rest = before * found.take(left, axis) + after * found.take(right, axis)
        return [(means - rest) / diagonal]

    (solved,) = graph.loop(_JACOBI_STEPS, [means], step)
    plain = count.equals(1)
    if repeated is not None:
        plain = graph.op("Or", plain, repeated)
    return graph.where(plain, means, solved)
