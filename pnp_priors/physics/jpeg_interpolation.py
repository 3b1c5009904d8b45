"""libjpeg's interpolation of subsampled planes (jdsample.c), and how it is undone, on arrays."""

from __future__ import annotations

import numpy as np


def without_interpolation(channel: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """Undo libjpeg's interpolation of a subsampled plane (jdsample.c), up to its rounding.

    Where it doubles an axis, pixels 2i and 2i + 1 are (a[i-1] + 3 a[i])/4 and (3 a[i] + a[i+1])/4
    with the ends repeated, so that their mean is (a[i-1] + 6 a[i] + a[i+1])/8: a well-conditioned
    tridiagonal system. Up to two columns are repeated instead.
    """
    repeated = factors[1] == 2 and channel.shape[1] <= 4
    for axis, factor in enumerate(factors):
        if factor == 2:
            channel = np.moveaxis(_halved(np.moveaxis(channel, axis, 0), repeated), 0, axis)
    return channel


def _halved(rows: np.ndarray, repeated: bool) -> np.ndarray:
    count = -(-len(rows) // 2)
    odd = len(rows) % 2 == 1
    even = rows[0::2]
    means = (even + (np.concatenate([rows[1::2], even[-1:]]) if odd else rows[1::2])) / 2
    if repeated or count == 1:
        return means
    bands = np.repeat([[1.0], [6.0], [1.0]], count, axis=1) / 8
    bands[1, [0, -1]] = 7 / 8
    if odd:  # the last pixel alone: (a[-2] + 3 a[-1])/4
        bands[1, -1], bands[2, -2] = 3 / 4, 1 / 4
    from scipy.linalg import solve_banded

    return solve_banded((1, 1), bands, means)


def interpolated(plane: np.ndarray, factors: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """libjpeg's interpolation of a subsampled plane, the inverse of :func:`without_interpolation`.

    :param size: height and width of the image, of which the plane may have more.
    """
    repeated = factors[1] == 2 and size[1] <= 4
    for axis, factor in enumerate(factors):
        if factor == 2:
            rows = np.moveaxis(plane, axis, 0)[: -(-size[axis] // 2)]
            plane = np.moveaxis(_doubled(rows, repeated), 0, axis)
    return plane


def _doubled(rows: np.ndarray, repeated: bool) -> np.ndarray:
    if repeated or len(rows) == 1:
        return np.repeat(rows, 2, axis=0)
    before, after = np.concatenate([rows[:1], rows[:-1]]), np.concatenate([rows[1:], rows[-1:]])
    found = np.stack([before + 3 * rows, 3 * rows + after], axis=1) / 4
    return found.reshape(2 * len(rows), *rows.shape[1:])
