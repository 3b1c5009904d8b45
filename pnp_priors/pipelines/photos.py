"""Photos as tensors: every allowed form checked."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.pipelines.units import check_units

Photo = TypeVar("Photo", Tensor, np.ndarray)


def batch(y: Tensor | np.ndarray) -> Tensor:
    """Any allowed form of a photo as ``[B, C, H, W]``.

    :raises InputError: not a tensor or array, another shape, type of values or number of channels,
        or values that are NaN, infinite or in other units than [0, 1].
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
    smallest, largest = (float(value) for value in image.aminmax())
    check_units(smallest, largest)
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
