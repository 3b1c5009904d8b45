"""The planes that a JPEG file stores: luminance and chrominance, their subsampling, their borders.

JFIF 1.02 for the colours; ITU-T T.81 (1992), A.2.3, for incomplete blocks; for what an encoder
fills them with and how it subsamples, libjpeg (jcprepct.c and jcsample.c of libjpeg-turbo).
Images are ``[B, C, H, W]``, RGB or gray in [0, 1]. Chrominance here is around 0, not around 128:
so everything in this module is linear, and the encoder's level shift of 128 concerns the luminance
alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.physics.jpeg import block_dct, inverse_block_dct
from pnp_priors.physics.jpeg_standard import BLOCK, FROM_RGB

#: first and last + 1 of some rows or columns; None: to the end
Span = tuple[int, int | None]


def to_planes(rgb: Tensor) -> Tensor:
    """Y, Cb and Cr, ``[B, 3, H, W]``: Y in [0, 1], the other two in [-1/2, 1/2]."""
    return _mixed(torch.tensor(FROM_RGB, dtype=torch.float64), rgb)


def to_rgb(planes: Tensor) -> Tensor:
    """Inverse of :func:`to_planes`."""
    return _mixed(torch.tensor(FROM_RGB, dtype=torch.float64).inverse(), planes)


def to_rgb_adjoint(planes: Tensor) -> Tensor:
    """Transpose of :func:`to_planes`; not its inverse, the matrix is not orthogonal."""
    return _mixed(torch.tensor(FROM_RGB, dtype=torch.float64).T, planes)


def _mixed(matrix: Tensor, channels: Tensor) -> Tensor:
    with torch.autocast(channels.device.type, enabled=False):
        return torch.einsum("oc,bchw->bohw", matrix.to(channels), channels)


class Plane:
    r"""One plane: from the pixels of the image to the coefficients of its blocks, and back.

    The map is :math:`L = C D R`: R repeats border pixels until blocks are complete (the *canvas*),
    D takes means of v×h pixels, C is the orthonormal block DCT. With D the mean of m = v h pixels,
    :math:`D D^\top = I/m`, and :math:`m D^\top` repeats each value m times.

    :param size: height and width of the image.
    :param factors: vertical and horizontal subsampling (v, h).
    """

    def __init__(self, size: tuple[int, int], factors: tuple[int, int] = (1, 1)) -> None:
        self.size, self.factors = size, factors
        self.blocks = tuple(
            -(-side // (BLOCK * factor)) for side, factor in zip(size, factors, strict=True)
        )
        #: which row, and which column, of the image each of the canvas shows
        self.rows = _rows(size[0], factors[0], self.blocks[0])
        self.columns = torch.arange(BLOCK * factors[1] * self.blocks[1]).clamp(max=size[1] - 1)

    def part(self, rows: Span, columns: Span) -> Plane:
        """The plane of some of the image's pixels, which start and end on borders of blocks."""
        (top, bottom), (left, right) = rows, columns
        size = (bottom or self.size[0]) - top, (right or self.size[1]) - left
        return Plane(size, self.factors)

    def pad(self, plane: Tensor) -> Tensor:
        """R: ``[B, 1, H, W]`` to the canvas ``[B, 1, H', W']``, whole blocks of D's result."""
        rows, columns = self.rows.to(plane.device), self.columns.to(plane.device)
        return plane.index_select(-2, rows).index_select(-1, columns)

    def pad_adjoint(self, canvas: Tensor) -> Tensor:
        """R transposed: each pixel's sum over its repetitions."""
        shape = (*canvas.shape[:-2], self.size[0], canvas.shape[-1])
        tall = canvas.new_zeros(shape).index_add(-2, self.rows.to(canvas.device), canvas)
        shape = (*canvas.shape[:-2], *self.size)
        return canvas.new_zeros(shape).index_add(-1, self.columns.to(canvas.device), tall)

    def coefficients(self, plane: Tensor) -> Tensor:
        """L: ``[B, 1, H, W]`` to ``[B, 1, rows, columns, 8, 8]``."""
        return canvas_coefficients(self.pad(plane), self.factors)

    def adjoint(self, coefficients: Tensor) -> Tensor:
        """L transposed."""
        v, h = self.factors
        return self.pad_adjoint(canvas_of(coefficients, self.factors) / (v * h))

    def decoded(self, coefficients: Tensor) -> Tensor:
        """The plane that a decoder without interpolation shows, cut to the image.

        With whole blocks it is the least-norm solution of :math:`L u = c`, because then
        :math:`L^+ = L^\\top (L L^\\top)^{-1} = m D^\\top C^\\top`.
        """
        return canvas_of(coefficients, self.factors)[..., : self.size[0], : self.size[1]]


def canvas_coefficients(canvas: Tensor, factors: tuple[int, int]) -> Tensor:
    """C D: of whole blocks."""
    return block_dct(F.avg_pool2d(canvas, factors) if factors != (1, 1) else canvas)


def canvas_of(coefficients: Tensor, factors: tuple[int, int]) -> Tensor:
    """The canvas of these coefficients, each value repeated: m D' C'."""
    rows, columns = coefficients.shape[2:4]
    small = inverse_block_dct(coefficients, (BLOCK * rows, BLOCK * columns))
    return small.repeat_interleave(factors[0], -2).repeat_interleave(factors[1], -1)


def _rows(height: int, factor: int, blocks: int) -> Tensor:
    """As :attr:`Plane.columns`, but libjpeg repeats the last row after subsampling, not before.

    To repeat the last mean of rows is to repeat the rows that it is the mean of.
    """
    whole = -(-height // factor) * factor
    index = torch.arange(BLOCK * factor * blocks)
    index = torch.where(index < whole, index, whole - factor + index % factor)
    return index.clamp(max=height - 1)
