"""What a JPEG file stores: tables, subsampling, and the quantised coefficients of each plane.

With jpeglib (the ``jpeg`` extra), which hands out libjpeg's own numbers, coefficients are exact.
Without it they are recovered from the planes that Pillow decodes, where pixels are rounded and
clipped: see :attr:`JPEGFile.exact`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_stored import StoredJPEG, read_stored, stored_of_pixels


@dataclass(frozen=True)
class JPEGFile:
    """A file's content, in the orientation in which it is stored.

    :ivar size: height and width in pixels.
    :ivar subsampling: a key of :data:`pnp_priors.physics.jpeg_standard.SUBSAMPLINGS`.
    :ivar tables: quantisation steps of each plane, ``[1 or 3, 8, 8]``, on 0..255.
    :ivar indices: per plane ``[1, 1, rows, columns, 8, 8]``, whole numbers of steps.
    :ivar exact: ``indices`` are the file's; otherwise they are recovered from decoded pixels. Then
        steps below 8 can be off by one where a block is flat, blocks with clipped pixels more, and
        those that the image's border cuts are guesses.
    """

    size: tuple[int, int]
    subsampling: str
    tables: Tensor
    indices: list[Tensor]
    exact: bool

    def physics(self, device: torch.device | str = "cpu") -> JPEG:
        """The degradation that made the file, of an image ``[1, 1 or 3, H, W]``."""
        channels = len(self.indices)
        chroma = self.subsampling if channels == 3 else None
        return JPEG((channels, *self.size), tables=list(self.tables), subsampling=chroma).to(device)

    def measurements(self, physics: JPEG) -> TensorList:
        """y for :meth:`physics`, on its device."""
        return physics.from_indices([n.to(physics.tables) for n in self.indices])


def read_file(path: str | Path, exact: bool | None = None) -> JPEGFile:
    """Read what a gray or a Y, Cb, Cr file stores.

    :param exact: True: with jpeglib; False: with Pillow alone; by default with jpeglib if it is
        installed.
    :raises MissingFileError: no such file.
    :raises InputError: no JPEG, damaged, of other planes or another subsampling; or jpeglib is
        asked for and not installed.
    """
    return _as_tensors(read_stored(path, exact))


def from_pixels(image: Tensor, tables: Sequence[Tensor], subsampling: str = "4:2:0") -> JPEGFile:
    """What a file stored, of its decoded pixels; :attr:`JPEGFile.exact` is False.

    :param image: gray or RGB as decoded, ``[1 or 3, H, W]`` in [0, 1], the block grid's corner at
        the upper left.
    :param tables: quantisation steps ``[8, 8]`` of each plane, on 0..255.
    :param subsampling: of colour.
    :raises InputError: another subsampling, or not a table per plane.
    """
    pixels, steps = image.detach().cpu().numpy(), [table.cpu().numpy() for table in tables]
    return _as_tensors(stored_of_pixels(pixels, steps, subsampling))


def _as_tensors(stored: StoredJPEG) -> JPEGFile:
    indices = [torch.from_numpy(plane)[None, None] for plane in stored.indices]
    tables = torch.from_numpy(stored.tables)
    return JPEGFile(stored.size, stored.subsampling, tables, indices, stored.exact)
