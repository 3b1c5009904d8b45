"""Reads what a JPEG file stores, as arrays: tables, subsampling, quantised coefficients.

:mod:`pnp_priors.physics.jpeg_file` has the same as tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.physics.jpeg_interpolation import interpolated, without_interpolation
from pnp_priors.physics.jpeg_standard import (
    BLOCK,
    FROM_RGB,
    MIRROR,
    SUBSAMPLINGS,
    dct_basis,
    subsampling_factors,
    whole_size,
)

if TYPE_CHECKING:
    from PIL.JpegImagePlugin import JpegImageFile

#: levels of a decoded plane, the middle of chrominance and of the encoder's level shift
_MIDDLE = 128


@dataclass(frozen=True)
class StoredJPEG:
    """A file's content; see :class:`pnp_priors.physics.jpeg_file.JPEGFile`.

    :ivar size: height and width in pixels.
    :ivar tables: quantisation steps of each plane, float32 ``[1 or 3, 8, 8]``, on 0..255.
    :ivar indices: per plane float32 ``[rows, columns, 8, 8]``, whole numbers of steps.
    :ivar exact: ``indices`` are the file's; otherwise they are recovered from decoded pixels.
    """

    size: tuple[int, int]
    subsampling: str
    tables: np.ndarray
    indices: list[np.ndarray]
    exact: bool

    def luminance(self) -> np.ndarray:
        """As its coefficients say it, ``[H, W]`` in [0, 1] and beyond, not rounded."""
        height, width = self.size
        return self._plane(0)[:height, :width]

    def shown(self) -> np.ndarray:
        """Gray or RGB of whole blocks, neither rounded nor clipped, that gives the indices back.

        A decoder's image before it is rounded to 8 bits and cut to the size of the image, which
        loses a part of what the file says of blocks at the border. What a plane lacks is as in
        :meth:`pnp_priors.physics.jpeg_physics.JPEG.completed`.

        :returns: ``[1 or 3, H', W']``, H' and W' the next multiples of 16.
        """
        whole = whole_size(self.size)
        planes = np.stack(
            [interpolated(self._plane(k), each, whole) for k, each in enumerate(self._factors)]
        )
        if len(planes) == 1:
            return planes
        return np.tensordot(np.linalg.inv(np.array(FROM_RGB)), planes, 1)

    def quantisation_noise(self) -> float:
        """See :func:`pnp_priors.solvers.deblocking.quantisation_noise`."""
        kept = self._completed(0) != 0
        variance = (self.tables[0].astype(np.float64) / 255) ** 2 / 12
        return 2 * math.sqrt(float((kept * variance).mean()))

    @property
    def _factors(self) -> list[tuple[int, int]]:
        return factors_of(self.subsampling)[: len(self.tables)]

    def _completed(self, k: int) -> np.ndarray:
        """A plane's indices, with those of the blocks that it lacks."""
        found = self.indices[k]
        sides = zip(whole_size(self.size), self._factors[k], strict=True)
        for axis, (length, factor) in enumerate(sides):
            if found.shape[axis] < length // (BLOCK * factor):
                signs = np.array(MIRROR, np.float32)
                last = np.take(found, [-1], axis) * (signs if axis else signs[:, None])
                found = np.concatenate([found, last], axis)
        return found

    def _plane(self, k: int) -> np.ndarray:
        """A plane of whole blocks; chrominance around 0."""
        indices = self._completed(k)
        rows, columns = indices.shape[:2]
        coefficients = indices.astype(np.float64) * (self.tables[k] / 255)
        blocks = coefficients.reshape(rows, columns, -1) @ dct_basis()
        blocks = blocks.reshape(rows, columns, BLOCK, BLOCK).transpose(0, 2, 1, 3)
        plane = blocks.reshape(rows * BLOCK, columns * BLOCK)
        return plane if k else plane + _MIDDLE / 255


def read_stored(path: str | Path, exact: bool | None = None) -> StoredJPEG:
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
        file.draft("YCbCr" if len(layout.tables) == 3 else "L", None)
        # Also with jpeglib, which takes a file that breaks off for a complete one.
        pixels = np.array(file)
    indices = _stored(library, path, layout) if library else _recovered(pixels, layout)
    exact = library is not None
    return StoredJPEG(layout.size, layout.subsampling, layout.tables, indices, exact)


def stored_of_pixels(
    image: np.ndarray, tables: Sequence[np.ndarray], subsampling: str = "4:2:0"
) -> StoredJPEG:
    """What a file stored, of its decoded pixels; not exact.

    :param image: gray or RGB as decoded, ``[1 or 3, H, W]`` in [0, 1], the block grid's corner at
        the upper left.
    :param tables: quantisation steps ``[8, 8]`` of each plane, on 0..255.
    :param subsampling: of colour.
    :raises InputError: another subsampling, or not a table per plane.
    """
    channels, height, width = image.shape
    if len(tables) != channels:
        raise InputError(f"{channels} channels need {channels} tables, got {len(tables)}")
    name = subsampling if channels == 3 else "4:4:4"
    layout = _Layout((height, width), name, np.stack(tables).astype(np.float32))
    planes = image.astype(np.float64)
    if channels == 3:
        planes = np.tensordot(np.array(FROM_RGB), planes, 1)
    pixels = 255 * planes.transpose(1, 2, 0)
    pixels[..., 1:] += _MIDDLE
    indices = _recovered(pixels, layout)
    return StoredJPEG(layout.size, name, layout.tables, indices, False)


@contextmanager
def open_jpeg(path: Path) -> Iterator[JpegImageFile]:
    """A JPEG file; what is wrong with it, be it found while it is decoded, is one line.

    :raises MissingFileError: no such file.
    :raises InputError: no JPEG, too large a one, or damaged.
    """
    from PIL import Image, UnidentifiedImageError
    from PIL.JpegImagePlugin import JpegImageFile

    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    try:
        with Image.open(path, formats=("JPEG",)) as file:
            assert isinstance(file, JpegImageFile)
            yield file
    except (UnidentifiedImageError, SyntaxError) as error:
        raise InputError(f"{path}: not a JPEG file") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: too large a JPEG file: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: damaged JPEG file: {error}") from error


def starts_with_luminance(file: JpegImageFile) -> bool:
    """Whether a file's planes are Y, or Y, Cb and Cr."""
    names = [plane[0] for plane in file.layer]
    # Without a marker of its own, a file names its planes R, G, B where they are that.
    rgb = file.info.get("adobe_transform") == 0 or names == list(b"RGB")
    return len(names) == 1 or (len(names) == 3 and not rgb)


def factors_of(subsampling: str) -> list[tuple[int, int]]:
    """Rows and columns of the image per row and column of Y, Cb and Cr."""
    return [(1, 1), *[subsampling_factors(subsampling)] * 2]


@dataclass(frozen=True)
class _Layout:
    size: tuple[int, int]
    subsampling: str
    tables: np.ndarray

    @property
    def factors(self) -> list[tuple[int, int]]:
        """Rows and columns of the image per row and column of each plane."""
        return factors_of(self.subsampling)[: len(self.tables)]


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
    tables = np.array(steps, np.float32).reshape(-1, BLOCK, BLOCK)
    return _Layout((file.size[1], file.size[0]), name, tables)


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


def _stored(library: ModuleType, path: Path, layout: _Layout) -> list[np.ndarray]:
    """As the file has them."""
    try:
        file = library.read_dct(str(path))
        arrays = [file.Y, file.Cb, file.Cr][: len(layout.tables)]
    except OSError as error:
        raise InputError(f"{path}: damaged JPEG file: {error}") from error
    for array, factors in zip(arrays, layout.factors, strict=True):
        blocks = tuple(
            -(-side // (BLOCK * f)) for side, f in zip(layout.size, factors, strict=True)
        )
        if array.shape[:2] != blocks:
            raise InputError(f"{path}: damaged JPEG file: a plane of {array.shape[:2]} blocks")
    return [array.astype(np.float32) for array in arrays]


def _recovered(pixels: np.ndarray, layout: _Layout) -> list[np.ndarray]:
    """From decoded planes ``[H, W]`` or ``[H, W, 3]``."""
    decoded = np.atleast_3d(pixels).astype(np.float64) - _MIDDLE
    result = []
    for channel, factors, steps in zip(
        np.moveaxis(decoded, -1, 0), layout.factors, layout.tables, strict=True
    ):
        small = without_interpolation(channel, factors)
        values = _block_dct(small) / steps
        # Halves away from zero, as libjpeg rounds.
        result.append((np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(np.float32))
    return result


def _block_dct(plane: np.ndarray) -> np.ndarray:
    """Coefficients of the 8×8 blocks, ``[rows, columns, 8, 8]``; the last row and column repeat."""
    down, right = -plane.shape[0] % BLOCK, -plane.shape[1] % BLOCK
    whole = np.pad(plane, ((0, down), (0, right)), mode="edge")
    rows, columns = whole.shape[0] // BLOCK, whole.shape[1] // BLOCK
    blocks = whole.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    coefficients = blocks.reshape(rows, columns, -1) @ dct_basis().T
    return coefficients.reshape(rows, columns, BLOCK, BLOCK)
