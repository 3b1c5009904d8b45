"""Bicubic resizing as Pillow does it, and the input of super-resolution made with it.

Keys' cubic convolution (IEEE TASSP 29(6), 1981) with a = -1/2, stretched by the factor where it
reduces (antialiasing) and, at the image's border, cut off and normalised anew. It is separable:
one matrix for the rows, one for the columns, on whatever device the image is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.reductions import bicubic_weights


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


def weights(inputs: int, outputs: int) -> Tensor:
    """What each output takes of each input: ``[outputs, inputs]``, rows of sum 1, float64."""
    return torch.from_numpy(bicubic_weights(inputs, outputs))
