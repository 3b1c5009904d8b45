"""The eight symmetries of the pixel grid: quarter turns, of the image and of its mirror image."""

from __future__ import annotations

import torch
from torch import Tensor

#: what :func:`turn` does, by index; the identity is the first
NAMES = (
    "identity",
    "rotation 90°",
    "rotation 180°",
    "rotation 270°",
    "flip left-right",
    "transposition",
    "flip up-down",
    "anti-transposition",
)
#: the index that undoes each; mirrored ones undo themselves
INVERSES = (0, 3, 2, 1, 4, 5, 6, 7)


def turn(x: Tensor, index: int) -> Tensor:
    """Turn images by one of :data:`NAMES`; no value changes.

    :param x: ``[..., H, W]``, any size.
    :returns: ``[..., H, W]``, or ``[..., W, H]`` where rows become columns (odd indices).
    """
    mirrored = torch.flip(x, (-1,)) if index >= 4 else x
    return torch.rot90(mirrored, index % 4, (-2, -1))
