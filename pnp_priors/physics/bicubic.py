"""Bicubic resizing as Pillow does it, and the input of super-resolution made with it.

Keys' cubic convolution (IEEE TASSP 29(6), 1981) with a = -1/2, stretched by the factor where it
reduces (antialiasing) and, at the image's border, cut off and normalised anew. It is separable:
one matrix for the rows, one for the columns, on whatever device the image is.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pnp_priors.errors import InputError


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """Bicubic interpolation, neither rounded nor clipped.

    :param image: ``[..., H, W]`` floating point.
    :returns: ``[..., height, width]``.
    """
    rows = weights(image.shape[-2], height).to(image)
    columns = weights(image.shape[-1], width).to(image)
    # Autocast would compute in bfloat16, which is coarser than 8 bits.
    with torch.autocast(image.device.type, enabled=False):
        return rows @ (image @ columns.T)


@torch.no_grad()
def simulate(clean: Tensor, scale: int) -> Tensor:
    """The enlargement of what is left of an image after its reduction.

    Rounded to 8 bits before and after the reduction, and clipped; the enlargement is clipped, not
    rounded.

    :param clean: ``[..., H, W]`` in [0, 1], H and W whole multiples of ``scale``.
    :returns: likewise, in [0, 1].
    :raises InputError: other sizes.
    """
    height, width = clean.shape[-2:]
    if height % scale or width % scale:
        raise InputError(
            f"sides must be whole multiples of the scale {scale}, got {[height, width]}"
        )
    pixels = (255 * clean).round()
    small = resize(pixels, height // scale, width // scale).round().clamp(0, 255)
    return resize(small, height, width).clamp(0, 255) / 255


@lru_cache(maxsize=64)
def weights(inputs: int, outputs: int) -> Tensor:
    """What each output takes of each input: ``[outputs, inputs]``, rows of sum 1, float64."""
    factor = inputs / outputs
    stretch = max(factor, 1.0)
    centres = factor * (torch.arange(outputs, dtype=torch.float64) + 0.5)
    places = torch.arange(inputs, dtype=torch.float64) + 0.5
    weights = _cubic((places[None] - centres[:, None]) / stretch)
    return weights / weights.sum(dim=1, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    """Keys' function with a = -1/2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
