r"""Signal-dependent noise through a variance-stabilising transform, of arrays.

The same as :mod:`pnp_priors.solvers.stabilising`: the generalised Anscombe transform and its
unbiased inverse (Mäkitalo and Foi, IEEE TIP 2013), for :math:`y = g P(x/g) + \varepsilon`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

#: in units of the gain, where the closed form of the unbiased inverse is 0; it has a pole at 0
_SMALLEST = 2 * math.sqrt(3 / 8)


def stabilised(
    denoise: Callable[[np.ndarray, float], np.ndarray], y: np.ndarray, gain: float, sigma: float
) -> np.ndarray:
    """Denoise an image of variance ``gain * x + sigma**2`` around its clean values x.

    :param denoise: removes Gaussian noise of the given standard deviation.
    :param y: ``[B, C, H, W]``, float32, in [0, 1] plus noise.
    :param gain: what one photon adds, in the same units, above 0.
    :param sigma: standard deviation of the Gaussian part, at least 0.
    :returns: not below 0.
    """
    low, high = _transform(np.array([0.0, 1.0]), gain, sigma).tolist()
    span = high - low
    z = (_transform(y, gain, sigma) - np.float32(low)) / np.float32(span)
    restored = np.float32(low) + np.float32(span) * denoise(z, min(gain / span, 1.0))
    return _inverse(restored, gain, sigma)


def _transform(y: np.ndarray, gain: float, sigma: float) -> np.ndarray:
    offset = 3 / 8 * gain**2 + sigma**2
    return 2 * np.sqrt(np.maximum(y.dtype.type(gain) * y + y.dtype.type(offset), 0))


def _inverse(z: np.ndarray, gain: float, sigma: float) -> np.ndarray:
    """The intensity whose noisy transforms have the mean ``z``; 0 where there is none."""
    root = math.sqrt(3 / 2)
    # In float64: for a small gain, terms far larger than the result cancel.
    photons = np.maximum(z.astype(np.float64), gain * _SMALLEST) / gain
    found = photons**2 / 4 + root / 4 / photons - 11 / 8 / photons**2 + 5 / 8 * root / photons**3
    found = gain * (found - 1 / 8 - (sigma / gain) ** 2)
    return np.maximum(found, 0).astype(z.dtype)
