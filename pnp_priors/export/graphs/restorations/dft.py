r"""The real 2-D discrete Fourier transform as products of real matrices, for any size.

No operator for it is exact and fast everywhere (``DFT`` is neither), matrix products are. A side
:math:`N = N_1 N_2` is taken apart in the graph, at run time, into its largest divisor up to
:math:`\sqrt N` and the rest; with :math:`n = N_2 n_1 + n_2` and :math:`k = k_1 + N_1 k_2`

.. math:: X_k = \sum_{n_2} e^{-2\pi i n_2 (k_1 + N_1 k_2) / N}
    \sum_{n_1} e^{-2\pi i n_1 k_1 / N_1} x_{N_2 n_1 + n_2}

(Cooley and Tukey, Math. Comput. 1965): :math:`N_1 + N_2` products per value in place of N. A prime
side costs all N. Spectra stay in the order in which they come out, so that nothing is transposed,
and hold the rows :math:`k_1 \le N_1/2` alone, because the image is real.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Graph, Value

#: divisors that are tried: sides with larger balanced ones are taken apart less evenly
_LARGEST_FACTOR = 256


#: terms of the series of cosine and sine that are exact up to an eighth of a turn
_TERMS = {np.dtype(np.float32): 5, np.dtype(np.float64): 9}


def turn(graph: Graph, index: Value, period: Value, dtype: Any = np.float32) -> tuple[Value, Value]:
    r"""Cosine and sine of :math:`2\pi` index/period, to all digits, without ``Cos`` and ``Sin``.

    Those are inexact for large arguments on some runtimes. The index is reduced as an integer to an
    eighth of a turn, for which short series suffice.

    :param index: int64, not negative.
    :param period: int64, no axes.
    """
    quarters = (index % period) * 4
    quarter = quarters / period
    rest = quarters - quarter * period
    mirrored = (rest * 2) > period
    near = graph.where(mirrored, period - rest, rest)
    x = near.cast(dtype) * (math.pi / 2) / period.cast(dtype)
    terms = range(_TERMS[np.dtype(dtype)])
    square = x * x
    sine = x * _series(square, [(-1) ** k / math.factorial(2 * k + 1) for k in terms])
    cosine = _series(square, [(-1) ** k / math.factorial(2 * k) for k in terms])
    odd = (quarter % 2).equals(1)
    swapped = graph.op("Not", mirrored.equals(odd))
    second, third = quarter.equals(1), quarter.equals(2)
    cosine_sign = graph.where(graph.op("Or", second, third), graph.constant(-1, dtype), 1.0)
    sine_sign = graph.where(quarter >= 2, graph.constant(-1, dtype), 1.0)
    return (
        graph.where(swapped, sine, cosine) * cosine_sign,
        graph.where(swapped, cosine, sine) * sine_sign,
    )


def _series(x: Value, coefficients: Sequence[float]) -> Value:
    found = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        found = found * x + coefficient
    return found


class Side:
    """One axis of the transform.

    :ivar length: number of values, N; int64, no axes.
    :ivar outer, inner: its factors.
    """

    def __init__(self, graph: Graph, length: Value) -> None:
        self.graph, self.length = graph, length
        tried = graph.constant(np.arange(1, _LARGEST_FACTOR + 1), np.int64)
        fits = (length % tried).equals(0) & ((tried * tried) <= length)
        self.outer = graph.where(fits, tried, 1).max(0, keep=False)
        self.inner = length / self.outer
        self.n1, self.n2 = graph.range(self.outer), graph.range(self.inner)

    def frequencies(self, k1: Value) -> Value:
        """Of ``[k1, k2]``."""
        return k1.reshape([-1, 1]) + self.outer * self.n2

    def laplacian(self, k1: Value, dtype: Any) -> Value:
        """Eigenvalues of minus the periodic second difference, ``[k1, k2]``."""
        # 4 sin² of half the angle: 2 - 2 cos has no digits left where frequencies are low.
        _, sine = turn(self.graph, self.frequencies(k1), 2 * self.length, dtype)
        return 4.0 * sine * sine


class Fourier:
    """Transforms between images ``[n, H, W]`` and spectra ``[n, W1, K, 2, W2]``.

    The axis of 2 has real and imaginary parts. Take the mean out before: float32 is coarser than
    the differences in a bright image.

    :param height, width: int64, no axes.
    :param dtype: of images and spectra, float32 or float64.
    """

    def __init__(self, graph: Graph, height: Value, width: Value, dtype: Any = np.float32) -> None:
        self.graph, self.dtype = graph, dtype
        self.rows, self.columns = Side(graph, height), Side(graph, width)
        self.height, self.width = height, width
        rows, columns = self.rows, self.columns
        #: the rows that are kept of k1
        self.half = rows.outer / 2 + 1
        self.k1 = graph.range(self.half)
        self.kept = self.half * rows.inner
        # Rows, first sum: real to (k1, part).
        cosine, sine = turn(graph, self.k1.reshape([-1, 1]) * rows.n1, rows.outer, dtype)
        first = graph.concat([cosine.reshape([self.half, 1, rows.outer]), -_row(sine)], axis=1)
        self._rows_1 = first.reshape([-1, rows.outer])
        # Rows, second sum, with what ties both together: for each k1, (part, n2) to (k2, part).
        frequency = rows.frequencies(self.k1).reshape([self.half, rows.inner, 1])
        self._rows_2 = _pairs(graph, *turn(graph, frequency * rows.n2, rows.length, dtype))
        # Columns, first sum: (part, n1) to (k1, part).
        cosine, sine = turn(graph, columns.n1.reshape([-1, 1]) * columns.n1, columns.outer, dtype)
        real = graph.concat([_row(cosine), _row(sine)], axis=2)
        imaginary = graph.concat([-_row(sine), _row(cosine)], axis=2)
        both = graph.concat([real, imaginary], axis=1)
        self._columns_1 = both.reshape([2 * columns.outer, 2 * columns.outer])
        # Columns, second sum: for each k1, (part, n2) to (part, k2).
        frequency = columns.frequencies(columns.n1)
        frequency = frequency.reshape([columns.outer, 1, columns.inner])
        cosine, sine = turn(graph, columns.n2.reshape([-1, 1]) * frequency, columns.length, dtype)
        real = graph.concat([cosine, -sine], axis=2)
        imaginary = graph.concat([sine, cosine], axis=2)
        self._columns_2 = graph.concat([real, imaginary], axis=1)
        self._back()

    def _back(self) -> None:
        """The inverse is the adjoint but for a factor and the rows that are kept for two."""
        graph, rows = self.graph, self.rows
        self._columns_2_back = self._columns_2.transpose(0, 2, 1)
        self._columns_1_back = self._columns_1.transpose(1, 0)
        self._rows_2_back = self._rows_2.transpose(0, 2, 1)
        alone = graph.op("Or", self.k1.equals(0), (self.k1 * 2).equals(rows.outer))
        #: how often each k1 counts
        self.counts = graph.where(alone, graph.constant(1, self.dtype), 2.0)
        size = (self.height * self.width).cast(self.dtype)
        weights = (self.counts / size).reshape([-1, 1, 1])
        first = self._rows_1.reshape([self.half, 2, rows.outer]) * weights
        self._rows_1_back = first.reshape([-1, rows.outer]).transpose(1, 0)
        every = self.counts.reshape([-1, 1]).expand([self.half, rows.inner])
        #: of each row of a spectrum, ``[K, 1, 1]``, so that sums over it are sums over all of it
        self.weights = every.reshape([-1, 1, 1])

    def forward(self, x: Value) -> Value:
        """The spectrum of an image."""
        rows, columns = self.rows, self.columns
        x = self._rows_1 @ x.reshape([-1, rows.outer, rows.inner * self.width])
        x = self._rows_2 @ x.reshape([-1, self.half, 2 * rows.inner, self.width])
        x = self._columns_1 @ x.reshape([-1, self.kept, 2 * columns.outer, columns.inner])
        x = x.reshape([-1, self.kept, columns.outer, 2 * columns.inner]).transpose(0, 2, 1, 3)
        return (x @ self._columns_2).reshape([-1, columns.outer, self.kept, 2, columns.inner])

    def inverse(self, spectrum: Value) -> Value:
        """The image of a spectrum."""
        rows, columns = self.rows, self.columns
        x = spectrum.reshape([-1, columns.outer, self.kept, 2 * columns.inner])
        x = (x @ self._columns_2_back).transpose(0, 2, 1, 3)
        x = self._columns_1_back @ x.reshape([-1, self.kept, 2 * columns.outer, columns.inner])
        x = self._rows_2_back @ x.reshape([-1, self.half, 2 * rows.inner, self.width])
        x = x.reshape([-1, 2 * self.half, rows.inner * self.width])
        return (self._rows_1_back @ x).reshape([-1, self.height, self.width])

    def laplacian(self) -> Value:
        """Eigenvalues of minus the periodic 5-point Laplacian, ``[W1, K, 1, W2]``."""
        down = self.rows.laplacian(self.k1, self.dtype).reshape([-1, 1, 1])
        right = self.columns.laplacian(self.columns.n1, self.dtype)
        return down + right.reshape([self.columns.outer, 1, 1, self.columns.inner])

    def dot(self, a: Value, b: Value) -> Value:
        """Inner product of two images by their spectra, ``[n, 1, 1, 1, 1]``, times H W."""
        return (a * b * self.weights).sum(1, 2, 3, 4)


def product(graph: Graph, a: Value, b: Value, conjugate: bool = False) -> Value:
    """Of two spectra, the first perhaps conjugated."""
    (ar, ai), (br, bi) = ([v.slice(3, i, i + 1) for i in (0, 1)] for v in (a, b))
    cross = ar * bi
    if conjugate:
        return graph.concat([ar * br + ai * bi, cross - ai * br], axis=3)
    return graph.concat([ar * br - ai * bi, cross + ai * br], axis=3)


def power(spectrum: Value) -> Value:
    """Squared magnitudes, ``[n, W1, K, 1, W2]``."""
    return (spectrum * spectrum).sum(3)


def _row(matrix: Value) -> Value:
    """``[a, b]`` as ``[a, 1, b]``."""
    return matrix.graph.op("Unsqueeze", matrix, matrix.graph.constant([1], np.int64))


def _pairs(graph: Graph, cosine: Value, sine: Value) -> Value:
    """``[k1, k2, n2]`` turns by minus the angle, as ``[k1, (k2, part), (part, n2)]``."""
    axes = graph.constant([2, 3], np.int64)
    cosine, sine = (graph.op("Unsqueeze", v, axes) for v in (cosine, sine))
    real = graph.concat([cosine, sine], axis=3)
    imaginary = graph.concat([-sine, cosine], axis=3)
    rows = 2 * cosine.size(1)
    return graph.concat([real, imaginary], axis=2).reshape([cosine.size(0), rows, rows])
