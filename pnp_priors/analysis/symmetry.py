r"""Equivariance: whether a prior commutes with flips, rotations and shifts of the image.

The error of a transform T is :math:`\|T^{-1}D(Tx) - D(x)\| / \|x - D(x)\|`: the change of the
result, relative to what the prior changes in the image; 0 for a prior that commutes with T.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pnp_priors.symmetries import INVERSES, NAMES, turn

#: by how many rows and columns
SHIFTS = {"right": (0, 1), "down": (1, 0), "down and right": (1, 1)}

Denoise = Callable[[Tensor], Tensor]


def _relative(difference: Tensor, correction: Tensor) -> float:
    error = float(difference.double().norm())
    # A prior that changes nothing commutes with everything.
    return error / float(correction.double().norm()) if error > 0 else 0.0


@torch.no_grad()
def symmetry_errors(
    denoise: Denoise, x: Tensor, done: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """The errors of the seven flips and rotations other than the identity, by name.

    :param x: a noisy image ``[B, C, H, W]``.
    """
    restored = denoise(x)
    errors = {}
    for index, name in enumerate(NAMES):
        if index > 0:
            again = turn(denoise(turn(x, index)), INVERSES[index])
            errors[name] = _relative(again - restored, x - restored)
            done()
    return errors


@torch.no_grad()
def shift_errors(denoise: Denoise, x: Tensor) -> dict[str, float]:
    """The errors of shifts by one pixel, by name (:data:`SHIFTS`).

    Two crops of the image that differ by the shift are restored and compared where both lie at
    least an eighth of their side from the crops' borders, which see other neighbours. Where the
    receptive field is wider than that, a little of the border remains in the number.

    :param x: a noisy image ``[B, C, H, W]`` of 16 pixels or more a side.
    """
    # Crops of a size whose parity, and so the padding of networks in cells, is the image's.
    height, width = (size - 8 for size in x.shape[-2:])
    margin = min(height, width) // 8

    def crop(down: int, right: int) -> Tensor:
        return x[..., down : down + height, right : right + width].contiguous()

    first = crop(0, 0)
    restored = denoise(first)
    correction = first - restored
    errors = {}
    for name, (down, right) in SHIFTS.items():
        shifted = denoise(crop(down, right))
        rows = slice(margin + down, height - margin)
        columns = slice(margin + right, width - margin)
        rows_there = slice(margin, height - margin - down)
        columns_there = slice(margin, width - margin - right)
        difference = shifted[..., rows_there, columns_there] - restored[..., rows, columns]
        errors[name] = _relative(difference, correction[..., rows, columns])
    return errors
