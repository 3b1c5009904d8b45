"""What a JPEG file stores: tables, subsampling, and the quantised coefficients of each plane.

With jpeglib (the ``jpeg`` extra), which hands out libjpeg's own numbers, coefficients are exact.
Without it they are recovered from the planes that Pillow decodes, where pixels are rounded and
clipped: see :attr:`JPEGFile.exact`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from deepinv.utils import TensorList
from PIL.JpegImagePlugin import JpegImageFile
from scipy.linalg import solve_banded
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import (
    BLOCK,
    block_dct,
    open_jpeg,
    round_half_away,
    starts_with_luminance,
)
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_planes import SUBSAMPLINGS, Plane, subsampling_factors, to_planes

#: levels of a decoded plane, the middle of chrominance and of the encoder's level shift
_MIDDLE = 128


@dataclass(frozen=True)
class JPEGFile:
    """A file's content, in the orientation in which it is stored.

    :ivar size: height and width in pixels.
    :ivar subsampling: a key of :data:`pnp_priors.physics.jpeg_planes.SUBSAMPLINGS`.
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
    path = Path(path)
    library = _jpeglib(path, exact)
    with open_jpeg(path) as file:
        layout = _layout(file, path)
        file.draft("YCbCr" if len(layout.planes) == 3 else "L", None)
        # Also with jpeglib, which takes a file that breaks off for a complete one.
        pixels = np.array(file)
    indices = _stored(library, path, layout) if library else _recovered(pixels, layout)
    size = layout.planes[0].size
    return JPEGFile(size, layout.subsampling, layout.tables, indices, exact=library is not None)


def from_pixels(image: Tensor, tables: Sequence[Tensor], subsampling: str = "4:2:0") -> JPEGFile:
    """What a file stored, of its decoded pixels; :attr:`JPEGFile.exact` is False.

    :param image: gray or RGB as decoded, ``[1 or 3, H, W]`` in [0, 1], the block grid's corner at
        the upper left.
    :param tables: quantisation steps ``[8, 8]`` of each plane, on 0..255.
    :param subsampling: of colour.
    :raises InputError: another subsampling, or not a table per plane.
    """
    channels, *size = image.shape
    if len(tables) != channels:
        raise InputError(f"{channels} channels need {channels} tables, got {len(tables)}")
    name = subsampling if channels == 3 else "4:4:4"
    factors = [(1, 1), *[subsampling_factors(name)] * (channels - 1)]
    planes = [Plane((size[0], size[1]), factor) for factor in factors]
    layout = _Layout(name, torch.stack(list(tables)).cpu().float(), planes)
    levels = image.detach().double().cpu()[None]
    split = to_planes(levels) if channels == 3 else levels
    pixels = 255 * split[0].permute(1, 2, 0).numpy()
    pixels[..., 1:] += _MIDDLE
    indices = _recovered(pixels, layout)
    return JPEGFile((size[0], size[1]), name, layout.tables, indices, exact=False)


@dataclass(frozen=True)
class _Layout:
    subsampling: str
    tables: Tensor
    planes: list[Plane]


def _layout(file: JpegImageFile, path: Path) -> _Layout:
    layers = file.layer  # (name, horizontal and vertical sampling, table) of each
    if not starts_with_luminance(file):
        raise InputError(f"{path}: its {len(layers)} planes are not Y, or Y, Cb and Cr")
    name = "4:4:4"
    if len(layers) == 3:
        horizontal, vertical = ([layer[axis] for layer in layers] for axis in (1, 2))
        ratios = vertical[0] / vertical[1], horizontal[0] / horizontal[1]
        alike = vertical[1] == vertical[2] and horizontal[1] == horizontal[2]
        matching = [key for key, value in SUBSAMPLINGS.items() if value == ratios]
        if not (alike and matching):
            found = " ".join(f"{h}x{v}" for h, v in zip(horizontal, vertical, strict=True))
            raise InputError(
                f"{path}: sampling factors {found} are none of {', '.join(SUBSAMPLINGS)}"
            )
        name = matching[0]
    steps = [file.quantization.get(layer[3]) for layer in layers]
    if None in steps:
        raise InputError(f"{path}: damaged JPEG file: no quantisation table")
    size = file.size[1], file.size[0]
    factors = [(1, 1), *[SUBSAMPLINGS[name]] * (len(layers) - 1)]
    tables = torch.tensor(steps).reshape(-1, BLOCK, BLOCK).float()
    return _Layout(name, tables, [Plane(size, factor) for factor in factors])


def _jpeglib(path: Path, wanted: bool | None) -> ModuleType | None:
    if wanted is False:
        return None
    try:
        import jpeglib
    except ImportError as error:
        if wanted:
            raise InputError(
                f"{path}: exact coefficients need jpeglib: pip install 'pnp_priors[jpeg]'"
            ) from error
        return None
    return jpeglib


def _stored(library: ModuleType, path: Path, layout: _Layout) -> list[Tensor]:
    """As the file has them."""
    try:
        file = library.read_dct(str(path))
        arrays = [file.Y, file.Cb, file.Cr][: len(layout.planes)]
    except OSError as error:
        raise InputError(f"{path}: damaged JPEG file: {error}") from error
    for array, plane in zip(arrays, layout.planes, strict=True):
        if array.shape[:2] != plane.blocks:
            raise InputError(f"{path}: damaged JPEG file: a plane of {array.shape[:2]} blocks")
    return [torch.from_numpy(array.astype(np.float32))[None, None] for array in arrays]


def _recovered(pixels: np.ndarray, layout: _Layout) -> list[Tensor]:
    """From decoded planes ``[H, W]`` or ``[H, W, 3]``."""
    decoded = np.atleast_3d(pixels).astype(np.float64) - _MIDDLE
    result = []
    for channel, plane, steps in zip(
        np.moveaxis(decoded, -1, 0), layout.planes, layout.tables, strict=True
    ):
        small = torch.from_numpy(_without_interpolation(channel, plane.factors))
        result.append(round_half_away(block_dct(small[None, None]) / steps.double()).float())
    return result


def _without_interpolation(channel: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """Undo libjpeg's interpolation of a subsampled plane (jdsample.c), up to its rounding.

    Where it doubles an axis, pixels 2i and 2i + 1 are (a[i-1] + 3 a[i])/4 and (3 a[i] + a[i+1])/4
    with the ends repeated, so that their mean is (a[i-1] + 6 a[i] + a[i+1])/8: a well-conditioned
    tridiagonal system. Up to two columns are repeated instead.
    """
    repeated = factors[1] == 2 and channel.shape[1] <= 4
    for axis, factor in enumerate(factors):
        if factor == 2:
            channel = np.moveaxis(_halved(np.moveaxis(channel, axis, 0), repeated), 0, axis)
    return channel


def _halved(rows: np.ndarray, repeated: bool) -> np.ndarray:
    count = -(-len(rows) // 2)
    odd = len(rows) % 2 == 1
    even = rows[0::2]
    means = (even + (np.concatenate([rows[1::2], even[-1:]]) if odd else rows[1::2])) / 2
    if repeated or count == 1:
        return means
    bands = np.repeat([[1.0], [6.0], [1.0]], count, axis=1) / 8
    bands[1, [0, -1]] = 7 / 8
    if odd:  # the last pixel alone: (a[-2] + 3 a[-1])/4
        bands[1, -1], bands[2, -2] = 3 / 4, 1 / 4
    return solve_banded((1, 1), bands, means)
