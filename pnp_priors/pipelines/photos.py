"""Photos as tensors: every allowed form checked, and the noise level estimated."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from deepinv.models import PatchCovarianceNoiseEstimator
from torch import Tensor

from pnp_priors.errors import InputError

Photo = TypeVar("Photo", Tensor, np.ndarray)

#: noise is estimated on the middle of a large photo: this many pixels a side are plenty
_ESTIMATE_SIDE = 384
#: side and stride of its patches. Each channel by itself and every patch: with deepinv's defaults
#: (all channels in one patch, stride 3) estimates on 64×64 colour pixels came out at half the true
#: level, this way within 4 percent; from 256×256 on both are within 3.
_ESTIMATE_PATCH, _ESTIMATE_STRIDE = 8, 1
#: side of patches of all channels together, and how large a share of the other estimate theirs must
#: be, see :func:`estimated_noise`
_JOINT_PATCH, _JOINT_SHARE = 4, 0.25


def batch(y: Tensor | np.ndarray) -> Tensor:
    """Any allowed form of a photo as ``[B, C, H, W]``.

    :raises InputError: not a tensor or array, another shape, type of values or number of channels,
        or values that are NaN or infinite.
    """
    if not isinstance(y, (Tensor, np.ndarray)):
        raise InputError(f"expected a tensor or an array, got {type(y).__name__}")
    image = y if isinstance(y, Tensor) else torch.from_numpy(np.ascontiguousarray(y))
    if image.ndim not in {2, 3, 4} or image.numel() == 0:
        raise InputError(f"expected [H, W], [C, H, W] or [B, C, H, W], got {list(image.shape)}")
    if not image.is_floating_point():
        raise InputError(f"expected floating point values in [0, 1], got {image.dtype}")
    image = image.reshape((1,) * (4 - image.ndim) + tuple(image.shape))
    if image.shape[1] not in {1, 3}:
        raise InputError(f"expected 1 or 3 channels, got {image.shape[1]}")
    if not torch.isfinite(image).all():
        raise InputError("the photo has values that are NaN or infinite")
    return image


def as_given(restored: Tensor, y: Photo) -> Photo:
    """``[B, C, H, W]`` with the axes, kind, type and device of the photo that it was made of.

    Height, width and channels may differ: a photo ``[H, W]`` that became colour is ``[C, H, W]``.
    """
    axes = y.ndim
    if axes < 4:
        restored = restored[0]
    if axes == 2 and len(restored) == 1:
        restored = restored[0]
    if isinstance(y, Tensor):
        return restored.to(y)
    return restored.cpu().numpy().astype(y.dtype)


def estimated_noise(image: Tensor, sharp: bool = False) -> float:
    """Noise level of a photo, in [0, 1] units, from the covariance of its patches (deepinv's).

    Of sharp photos texture counts as noise. In colours it hardly does where the patches hold all
    three channels, whose texture is the same and whose noise is not. So it is where the colours
    were halved (JPEG): there nearly nothing is left, and each channel by itself is right.
    docs/reports.md has the measurements.

    :param image: ``[B, C, H, W]``; of several photos and channels, the root of the mean variance.
    :param sharp: colour photos that are not blurred: take patches of all channels, if what they say
        is above a quarter of what single channels say.
    :raises InputError: no estimate is possible, the photo is too small or too plain.
    """
    rows, columns = ((max(size - _ESTIMATE_SIDE, 0) // 2) for size in image.shape[-2:])
    middle = image[..., rows : rows + _ESTIMATE_SIDE, columns : columns + _ESTIMATE_SIDE]
    try:
        levels = PatchCovarianceNoiseEstimator.estimate_noise(
            middle.flatten(0, 1)[:, None].float().cpu(), _ESTIMATE_PATCH, _ESTIMATE_STRIDE
        )
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(
            "the noise level cannot be estimated from this photo; set noise.sigma"
        ) from error
    if not torch.isfinite(levels).all():
        raise InputError("the noise level cannot be estimated from this photo; set noise.sigma")
    level = float(levels.square().mean().sqrt())
    if not sharp or image.shape[1] == 1:
        return level
    try:
        joint = PatchCovarianceNoiseEstimator.estimate_noise(
            middle.float().cpu(), _JOINT_PATCH, _ESTIMATE_STRIDE
        )
    except RuntimeError:  # channels that are the same
        return level
    together = float(joint.square().mean().sqrt())
    return together if together > _JOINT_SHARE * level else level
