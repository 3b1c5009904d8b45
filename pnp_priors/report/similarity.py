"""PSNR and SSIM of images as arrays; the same as :mod:`pnp_priors.benchmark.metrics`, no torch."""

from __future__ import annotations

import math

import numpy as np

from pnp_priors.errors import InputError

#: the Gaussian window's side and standard deviation in pixels, and the constants of the formula
_SIDE, _WIDTH = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(restored: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 1], over all their pixels and channels.

    Computed in float64; ``inf`` for equal images.
    """
    error = float(np.mean((restored.astype(np.float64) - clean) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(restored: np.ndarray, clean: np.ndarray) -> float:
    """SSIM of images ``[C, H, W]`` in [0, 1], in float64.

    Settings of Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004:
    averaged over the positions where the whole window lies inside the image, and the channels.

    :raises InputError: images smaller than the window.
    """
    if min(clean.shape[-2:]) < _SIDE:
        raise InputError(f"SSIM needs 11x11 pixels or more, got {list(clean.shape[-2:])}")
    x, y = restored.astype(np.float64), clean.astype(np.float64)
    mean_x, mean_y = _smoothed(x), _smoothed(y)
    variance_x = np.maximum(_smoothed(x * x) - mean_x**2, 0)
    variance_y = np.maximum(_smoothed(y * y) - mean_y**2, 0)
    covariance = _smoothed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return float((luminance * structure).mean())


def _smoothed(image: np.ndarray) -> np.ndarray:
    """Means under the window, where it lies inside."""
    from scipy.ndimage import correlate1d

    half = _SIDE // 2
    weights = np.exp(-((np.arange(_SIDE) - half) ** 2) / (2 * _WIDTH**2))
    weights /= weights.sum()
    for axis in (-2, -1):
        image = correlate1d(image, weights, axis=axis, mode="constant")
    return image[..., half:-half, half:-half]
