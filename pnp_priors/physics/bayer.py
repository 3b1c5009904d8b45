"""Colour filter arrays of Bayer's kind: four patterns, and linear interpolation as a start."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from deepinv.physics import Inpainting
from torch import Tensor

from pnp_priors.errors import InputError, UnknownNameError

#: the upper left 2×2 pixels, row by row
PATTERNS = ("rggb", "bggr", "grbg", "gbrg")
_CHANNELS = "rgb"

# Malvar, He, Cutler: High-quality linear interpolation for demosaicing of Bayer-patterned color
# images, ICASSP 2004, figure 2; in eighths.
_CROSS = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
_ROW = [
    [0, 0, 0.5, 0, 0],
    [0, -1, 0, -1, 0],
    [-1, 4, 5, 4, -1],
    [0, -1, 0, -1, 0],
    [0, 0, 0.5, 0, 0],
]
_DIAGONAL = [
    [0, 0, -1.5, 0, 0],
    [0, 2, 0, 2, 0],
    [-1.5, 0, 6, 0, -1.5],
    [0, 2, 0, 2, 0],
    [0, 0, -1.5, 0, 0],
]


def bayer_mask(pattern: str, height: int, width: int) -> Tensor:
    """Which colour each pixel has: ``[1, 3, H, W]`` of zeros and ones, red, green, blue.

    :param pattern: one of :data:`PATTERNS`. deepinv's ``Demosaicing`` knows ``bggr`` alone.
    :raises UnknownNameError: lists the patterns.
    """
    if pattern not in PATTERNS:
        raise UnknownNameError("Bayer pattern", pattern, list(PATTERNS))
    mask = torch.zeros(1, 3, height, width)
    for place, colour in enumerate(pattern):
        mask[0, _CHANNELS.index(colour), place // 2 :: 2, place % 2 :: 2] = 1
    return mask


def bayer(pattern: str, height: int, width: int, device: torch.device | str = "cpu") -> Inpainting:
    """From ``[B, 3, H, W]`` to the same with zeros where the sensor has another colour."""
    mask = bayer_mask(pattern, height, width)
    return Inpainting((3, height, width), mask, device=device)


def interpolate(raw: Tensor, pattern: str) -> Tensor:
    """Colours from a mosaic by the linear filters of Malvar, He and Cutler.

    :param raw: ``[B, 1, H, W]``, H and W from 3 up.
    :returns: ``[B, 3, H, W]``; what the sensor saw is kept as it is.
    :raises InputError: another shape.
    """
    if raw.ndim != 4 or raw.shape[1] != 1 or min(raw.shape[-2:]) < 3:
        raise InputError(f"expected a mosaic [B, 1, H, W] of 3x3 pixels or more, got {raw.shape}")
    filters = torch.tensor([_CROSS, _ROW, _DIAGONAL]).to(raw) / 8
    cross, row, diagonal = filters
    # Mirrored without repeating the edge, so that colours stay on their rows and columns.
    planes = F.conv2d(
        F.pad(raw, (2, 2, 2, 2), mode="reflect"),
        torch.stack([cross, row, row.T, diagonal])[:, None],
    )
    green_there, beside, above, across = planes.split(1, dim=1)
    red, green, blue = (
        mask > 0 for mask in bayer_mask(pattern, *raw.shape[-2:]).to(raw.device).split(1, dim=1)
    )
    colours = []
    for own, other in ((red, blue), (blue, red)):
        in_row = own.any(dim=-1, keepdim=True)
        of_green = torch.where(in_row, beside, above)
        colours.append(torch.where(own, raw, torch.where(other, across, of_green)))
    return torch.cat([colours[0], torch.where(green, raw, green_there), colours[1]], dim=1)
