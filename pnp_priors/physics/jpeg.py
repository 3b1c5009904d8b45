"""JPEG's lossy step: the block DCT, quantisation, and what a decoded image says of the original.

ITU-T T.81 (1992), annexes A.3 and K.1, with the quality scale of the Independent JPEG Group's
library. Images are ``[B, C, H, W]`` in [0, 1]; quantisation tables are ``[8, 8]`` or ``[B, 8, 8]``
on the scale of 0..255 that files use, row by row (vertical frequency first, never zigzag).
Coefficients and boxes are on the scale of the image they belong to.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_standard import (
    BLOCK,
    CHROMINANCE,
    FROM_RGB,
    LUMINANCE,
    dct_basis,
    quality_table,
)
from pnp_priors.physics.jpeg_stored import open_jpeg, starts_with_luminance

if TYPE_CHECKING:
    from PIL.JpegImagePlugin import JpegImageFile

Table = Tensor | np.ndarray | list[list[float]]


class Box(NamedTuple):
    """Bounds of the block DCT coefficients, each ``[B, C, H/8, W/8, 8, 8]`` (H, W rounded up)."""

    low: Tensor
    high: Tensor


_BASIS = torch.from_numpy(dct_basis())


def block_dct(image: Tensor) -> Tensor:
    """Orthonormal DCT of the 8×8 blocks from the upper left corner on.

    :param image: ``[B, C, H, W]``; other sizes than multiples of 8 are completed by repeating the
        last row and column.
    :returns: ``[B, C, ceil(H/8), ceil(W/8), 8, 8]``, vertical frequency before horizontal.
    """
    down, right = -image.shape[-2] % BLOCK, -image.shape[-1] % BLOCK
    if down or right:
        image = F.pad(image, (0, right, 0, down), mode="replicate")
    blocks = image.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)).transpose(-3, -2)
    # Autocast would compute in bfloat16, which is coarser than most quantisation steps.
    with torch.autocast(image.device.type, enabled=False):
        coefficients = blocks.flatten(-2) @ _BASIS.to(image).T
    return coefficients.unflatten(-1, (BLOCK, BLOCK))


def inverse_block_dct(coefficients: Tensor, size: tuple[int, int]) -> Tensor:
    """The image of which these are the coefficients, cut to ``size`` (height, width)."""
    with torch.autocast(coefficients.device.type, enabled=False):
        pixels = coefficients.flatten(-2) @ _BASIS.to(coefficients)
    blocks = pixels.unflatten(-1, (BLOCK, BLOCK)).transpose(-3, -2)
    return blocks.flatten(-2).flatten(-3, -2)[..., : size[0], : size[1]]


def luminance_table(quality: int) -> Tensor:
    """The standard luminance table ``[8, 8]`` at a quality of 1 to 100, whole numbers 1 to 255.

    :raises InputError: another quality.
    """
    return torch.from_numpy(quality_table(LUMINANCE, quality))


def chrominance_table(quality: int) -> Tensor:
    """The standard chrominance table, see :func:`luminance_table`."""
    return torch.from_numpy(quality_table(CHROMINANCE, quality))


def checked_table(table: Table, image: Tensor) -> Tensor:
    """A table in the form ``[1 or B, 8, 8]``, in the dtype and on the device of ``image``.

    :raises InputError: not 8×8 positive finite numbers, for each image of the batch if several.
    """
    try:
        found = torch.as_tensor(table, dtype=image.dtype, device=image.device)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(table).__name__
        raise InputError(f"quantisation table of type {kind} is not numeric") from error
    batch = image.shape[0]
    if found.shape == (BLOCK, BLOCK):
        found = found[None]
    elif found.ndim != 3 or found.shape[1:] != (BLOCK, BLOCK) or found.shape[0] not in (1, batch):
        raise InputError(
            f"a quantisation table is [8, 8], or [{batch}, 8, 8] for this batch, "
            f"got {list(found.shape)}"
        )
    if not torch.compiler.is_compiling():
        low, high = (float(v) for v in torch.aminmax(found.detach()))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError("quantisation table is not finite")
        if low <= 0:
            raise InputError(f"quantisation steps are positive, got {low:g}")
        if high < 1:
            raise InputError(
                f"quantisation steps up to {high:g} look like 0..1 units; tables are on 0..255"
            )
    return found.detach()


@torch.no_grad()
def quantisation_box(image: Tensor, table: Table) -> Box:
    r"""All that the original's coefficients can have been: :math:`(n \pm 1/2)\,q`.

    The decoded image gives the quantised coefficients n back by rounding, unless it was clipped
    where the decoder overshot. Blocks cut by the image's border are completed by repetition, which
    is not what the encoder saw: there the box is an estimate.

    :param image: decoded, ``[B, C, H, W]`` in [0, 1].
    :param table: quantisation steps, ``[8, 8]`` or ``[B, 8, 8]``, on 0..255.
    :returns: bounds on the scale of ``image``, constants for gradients.
    :raises InputError: an impossible table.
    """
    step = checked_table(table, image)[:, None, None, None] / 255
    shift = _level_shift(image)
    index = round_half_away((block_dct(image) - shift) / step)
    return Box((index - 0.5) * step + shift, (index + 0.5) * step + shift)


def project(image: Tensor, box: Box) -> Tensor:
    r"""The nearest image whose block DCT coefficients are in the box.

    The proximal map of the indicator function in TRD's eq. 8 and 9: the block DCT is orthonormal,
    so that distances are the same in both domains and each coefficient can be clamped by itself.

    :param image: ``[B, C, H, W]``, of the size and on the scale of the image the box is from.
    """
    inside = torch.minimum(torch.maximum(block_dct(image), box.low), box.high)
    return inverse_block_dct(inside, (image.shape[-2], image.shape[-1]))


@torch.no_grad()
def simulate(clean: Tensor, table: Table) -> Tensor:
    """What an encoder followed by a decoder makes of each channel by itself.

    Pixels are rounded to 8 bits before and after, and clipped; coefficients are rounded half away
    from zero, as libjpeg does.

    :param clean: ``[B, C, H, W]`` in [0, 1].
    :param table: quantisation steps, ``[8, 8]`` or ``[B, 8, 8]``, on 0..255.
    :returns: whole multiples of 1/255 in [0, 1].
    :raises InputError: an impossible table.
    """
    step = checked_table(table, clean)[:, None, None, None]
    pixels = (255 * clean).round().clamp(0, 255) - 128
    # libjpeg's DCT ends in whole eighths, which puts many coefficients between two steps.
    eighths = (8 * block_dct(pixels)).round() / 8
    coefficients = step * round_half_away(eighths / step)
    decoded = inverse_block_dct(coefficients, (clean.shape[-2], clean.shape[-1]))
    return (decoded + 128).round().clamp(0, 255) / 255


@torch.no_grad()
def simulate_colour(clean: Tensor, luminance: Table, chrominance: Table) -> Tensor:
    """What an encoder followed by a decoder makes of a colour image, its chrominance at half size.

    As libjpeg does by default (4:2:0): means of 2×2 pixels, and between them linear interpolation,
    halves rounded up and down by turns.

    :param clean: ``[B, 3, H, W]``, RGB in [0, 1].
    :param luminance, chrominance: quantisation steps as in :func:`simulate`.
    :returns: whole multiples of 1/255 in [0, 1].
    :raises InputError: an impossible table.
    """
    height, width = clean.shape[-2:]
    matrix = torch.tensor(FROM_RGB, dtype=torch.float64)
    middle = torch.tensor([0.0, 128, 128]).to(clean)[:, None, None]
    pixels = (255 * clean).round().clamp(0, 255)
    planes = (torch.einsum("pc,bchw->bphw", matrix.to(clean), pixels) + middle).round()
    luma = 255 * simulate(planes[:, :1] / 255, luminance)
    chroma = F.pad(planes[:, 1:], (0, width % 2, 0, height % 2), mode="replicate")
    odd = torch.arange(chroma.shape[-1], device=clean.device) % 2
    small = (F.avg_pool2d(chroma, 2) + (1 + odd[: len(odd) // 2]) / 4).floor()
    small = (255 * simulate(small / 255, chrominance)).round()
    chroma = (F.interpolate(small, scale_factor=2, mode="bilinear") + (8 - odd) / 16).floor()
    decoded = torch.cat([luma, chroma[..., :height, :width]], dim=1) - middle
    rgb = torch.einsum("cp,bphw->bchw", matrix.inverse().to(clean), decoded)
    return rgb.round().clamp(0, 255) / 255


def round_half_away(values: Tensor) -> Tensor:
    """To the nearest whole number, halves away from zero, as libjpeg rounds coefficients."""
    return values.sign() * (values.abs() + 0.5).floor()


def _level_shift(image: Tensor) -> Tensor:
    """The coefficients of a block of the level 128, on the scale of [0, 1]."""
    shift = torch.zeros(BLOCK, BLOCK, dtype=image.dtype, device=image.device)
    shift[0, 0] = BLOCK * 128 / 255
    return shift


def read_jpeg(path: str | Path) -> tuple[Tensor, Tensor]:
    """The luminance of a JPEG file as it was quantised, and the table it was quantised with.

    A colour file's luminance is taken from the decoder before any conversion to RGB.

    :returns: ``[1, 1, H, W]`` in [0, 1], the luminance plane in the orientation in which it is
        stored; and its table ``[8, 8]``.
    :raises MissingFileError: no such file.
    :raises InputError: no JPEG, damaged, or one without a luminance plane of full size.
    """
    path = Path(path)
    with open_jpeg(path) as file:
        table = _luminance_of(file, path)
        file.draft("L", None)
        pixels = np.array(file)
    return torch.from_numpy(pixels).float().div(255)[None, None], table


def _luminance_of(file: JpegImageFile, path: Path) -> Tensor:
    """The first plane's table, where that plane is a luminance of full size."""
    planes = file.layer  # (name, horizontal and vertical sampling, table) of each
    if not starts_with_luminance(file):
        raise InputError(f"{path}: its {len(planes)} planes have no luminance among them")
    if any(plane[axis] > planes[0][axis] for plane in planes for axis in (1, 2)):
        raise InputError(f"{path}: its luminance is stored at less than full size")
    steps = file.quantization.get(planes[0][3])
    if steps is None:
        raise InputError(f"{path}: damaged JPEG file: no quantisation table")
    return torch.tensor(steps).reshape(BLOCK, BLOCK).float()
