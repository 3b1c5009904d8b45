"""Reductions of images as arrays: bicubic with antialiasing, and blur with decimation.

What :mod:`pnp_priors.physics.bicubic` and :mod:`pnp_priors.physics.decimation` compute as tensors,
for predictions and comparisons where torch is not; also the sizes and weights that both share.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pnp_priors.errors import InputError, UnknownNameError

#: the largest enlargement: beyond it nothing has been measured
LARGEST = 8.0
#: ITU-R 601
LUMA = (0.299, 0.587, 0.114)
#: where the first pixel of the small image lies on the grid of the large one
ALIGNMENTS = ("first", "centre")


def enlarged_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width after enlargement, rounded to whole pixels.

    :raises InputError: a scale below 1 or above :data:`LARGEST`.
    """
    if not 1 <= scale <= LARGEST:
        raise InputError(f"the scale must be from 1 to {LARGEST:g}, got {scale:g}")
    # Half a pixel up, whatever is even, as people and Pillow round.
    return math.floor(scale * height + 0.5), math.floor(scale * width + 0.5)


@lru_cache(maxsize=64)
def bicubic_weights(inputs: int, outputs: int) -> np.ndarray:
    """What each output takes of each input: ``[outputs, inputs]``, rows of sum 1, float64.

    Keys' cubic convolution (IEEE TASSP 29(6), 1981) with a = -1/2, stretched where it reduces.
    """
    factor = inputs / outputs
    centres = factor * (np.arange(outputs) + 0.5)
    places = np.arange(inputs) + 0.5
    x = np.abs(places[None] - centres[:, None]) / max(factor, 1.0)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic interpolation of ``[..., H, W]``, neither rounded nor clipped."""
    rows = bicubic_weights(image.shape[-2], height).astype(image.dtype)
    columns = bicubic_weights(image.shape[-1], width).astype(image.dtype)
    return rows @ (image @ columns.T)


def enlarged(image: np.ndarray, scale: float) -> np.ndarray:
    """Bicubic enlargement of ``[..., h, w]``, clipped to [0, 1]."""
    return resized(image, *enlarged_size(image.shape[-2], image.shape[-1], scale)).clip(0, 1)


def placed_kernel(kernel: np.ndarray, scale: int, alignment: str = "first") -> np.ndarray:
    """See :func:`pnp_priors.physics.decimation.placed`.

    :param kernel: ``[h, w]``, odd sizes; its centre is ``size // 2``.
    :returns: ``[h', w']``, odd sizes, with the same sum.
    :raises UnknownNameError: lists the alignments.
    :raises InputError: a kernel of another shape.
    """
    if alignment not in ALIGNMENTS:
        raise UnknownNameError("alignment", alignment, list(ALIGNMENTS))
    if kernel.ndim != 2 or not all(size % 2 for size in kernel.shape):
        raise InputError(f"a kernel is [h, w] with odd sizes, got {list(kernel.shape)}")
    if alignment == "first" or scale == 1:
        return kernel
    room = scale // 2
    near, far = (scale - 1) // 2, scale // 2
    # A true convolution: what lies further down and right of the centre is seen by indices above.
    shifted = [
        np.pad(kernel, ((room - down, room + down), (room - right, room + right)))
        for down in (near, far)
        for right in (near, far)
    ]
    return np.mean(shifted, axis=0)


def decimated(image: np.ndarray, kernel: np.ndarray, scale: int) -> np.ndarray:
    """Circular blur, then every scale-th pixel from the first on.

    :param image: ``[..., H, W]``, multiples of the scale, not smaller than the kernel.
    :param kernel: ``[h, w]``, odd sizes, as :func:`placed_kernel` makes it.
    :returns: ``[..., H / scale, W / scale]``.
    """
    size = image.shape[-2:]
    whole = np.zeros(size)
    whole[: kernel.shape[0], : kernel.shape[1]] = kernel
    whole = np.roll(whole, [-(length // 2) for length in kernel.shape], axis=(0, 1))
    blurred = np.fft.irfft2(np.fft.rfft2(whole) * np.fft.rfft2(image), s=size)
    return blurred[..., ::scale, ::scale]
