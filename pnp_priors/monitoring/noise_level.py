"""The noise level of a photo, from the covariance of its patches; what both engines are told.

Chen, Zhu, Heng: An efficient statistical method for image noise level estimation, ICCV 2015, as
deepinv's ``PatchCovarianceNoiseEstimator`` has it, in float64: in float32 the eigenvalues of a
photo with little noise drown in the rounding of the largest one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pnp_priors.errors import InputError

#: noise is estimated on the middle of a large photo: this many pixels a side are plenty
_SIDE = 384
#: side and stride of its patches. Each channel by itself and every patch: with deepinv's defaults
#: (all channels in one patch, stride 3) estimates on 64×64 colour pixels came out at half the true
#: level, this way within 4 percent; from 256×256 on both are within 3.
_PATCH, _STRIDE = 8, 1
#: side of patches of all channels together, and how large a share of the other estimate theirs must
#: be, see :func:`estimated_noise`
_JOINT_PATCH, _JOINT_SHARE = 4, 0.25


def estimated_noise(image: Any, sharp: bool = False) -> float:
    """Noise level of a photo, in [0, 1] units, from the covariance of its patches.

    Of sharp photos texture counts as noise. In colours it hardly does where the patches hold all
    three channels, whose texture is the same and whose noise is not. So it is where the colours
    were halved (JPEG): there nearly nothing is left, and each channel by itself is right.
    docs/reports.md has the measurements.

    :param image: array or tensor ``[B, C, H, W]``; of several photos and channels, the root of the
        mean variance.
    :param sharp: colour photos that are not blurred: take patches of all channels, if what they say
        is above a quarter of what single channels say.
    :raises InputError: no estimate is possible, the photo is too small or too plain.
    """
    values = image.detach().cpu().numpy() if hasattr(image, "detach") else np.asarray(image)
    rows, columns = ((max(size - _SIDE, 0) // 2) for size in values.shape[-2:])
    middle = values[..., rows : rows + _SIDE, columns : columns + _SIDE].astype(np.float64)
    if min(middle.shape[-2:]) < _PATCH:
        raise InputError("the noise level cannot be estimated from this photo; set noise.sigma")
    level = _root_mean_square(plane[None] for photo in middle for plane in photo)
    if not math.isfinite(level):
        raise InputError("the noise level cannot be estimated from this photo; set noise.sigma")
    if not sharp or middle.shape[1] == 1:
        return level
    together = _root_mean_square(middle, _JOINT_PATCH)
    # Not a number where the channels are the same, which decides nothing either.
    return together if together > _JOINT_SHARE * level else level


def _root_mean_square(photos: Any, patch: int = _PATCH) -> float:
    levels = [patch_covariance_level(photo, patch, _STRIDE) for photo in photos]
    return math.sqrt(sum(level**2 for level in levels) / len(levels))


def patch_covariance_level(image: np.ndarray, patch: int, stride: int) -> float:
    r"""Standard deviation of white noise in one image.

    Noise adds its variance to each eigenvalue of the covariance of patches; along directions that
    the image itself does not use nothing else is there. With the largest eigenvalues left out one
    by one, those are left of which as many lie above as below their mean, which is the variance.

    :param image: ``[C, H, W]``, both sides at least ``patch``; patches hold all channels.
    :param patch: side of the patches in pixels.
    :param stride: pixels from one patch to the next.
    :returns: in the image's units; NaN where rounding leaves a negative variance.
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (patch, patch), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    values = windows.transpose(0, 3, 4, 1, 2).reshape(len(image) * patch**2, -1)
    values = values - values.mean(axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(values @ values.T / values.shape[1])
    for count in range(len(eigenvalues) - 1, 0, -1):
        kept = eigenvalues[:count]
        variance = kept.mean()
        if (kept > variance).sum() == (kept < variance).sum():
            return math.sqrt(variance) if variance >= 0 else math.nan
    return math.nan
