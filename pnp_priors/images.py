"""Image files as float arrays in [0, 1], and back at the bit depth they came with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pnp_priors import codecs
from pnp_priors.atomic import whole
from pnp_priors.codecs import TIFF, Metadata, Stored
from pnp_priors.errors import InputError, MissingFileError, PnpPriorsError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

__all__ = ["SUFFIXES", "TIFF", "Image", "Metadata", "Scale", "is_image", "lost", "picture"]
__all__ += ["read", "read_pages", "size_words", "to_stored", "to_unit", "whole", "write"]
__all__ += ["write_pages"]

#: which stored value becomes 1: the largest of the integer type (1 for float files), the largest
#: of this image, or a number such as 4095 for a 12-bit camera
Scale = Literal["type", "max"] | float

#: file name endings that :func:`read` takes
SUFFIXES = frozenset(codecs.ENCODERS)
#: pixel types that each kind of file can hold; the first one serves what it cannot hold
_HOLDS = {".png": ("uint8", "uint16"), **dict.fromkeys(TIFF, ("uint8", "uint16", "float32"))}
_EIGHT_BIT = ("uint8",)
_DEPTHS = {"uint16": "16 bits", "float32": "floating point values"}
_NO_ALPHA = frozenset({".jpg", ".jpeg", ".bmp"})
#: noise goes a little beyond [0, 1]; what goes beyond this is in other units
_LOWEST, _HIGHEST = -1.0, 2.0


@dataclass(frozen=True)
class Image:
    """Pixels, and what is needed to write them back as they came.

    :param pixels: float32 ``[C, H, W]``, C = 1 (gray) or 3 (RGB); in [0, 1] when read from integer
        files; float TIFF may go a little beyond, as noise does.
    :param dtype: pixel type of the file: ``uint8``, ``uint16`` or ``float32``.
    :param alpha: opacity ``[H, W]`` in the file's own type; restoration leaves it as it is.
    :param metadata: EXIF with the orientation, colour profile, resolution and the like.
    :param white: the stored value that is 1 in ``pixels``; None: the largest of an integer type,
        1 for float files.
    """

    pixels: np.ndarray
    dtype: str = "uint8"
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    white: float | None = None

    def with_pixels(self, pixels: np.ndarray) -> Image:
        """The same kind of file with other pixels ``[C, H, W]``.

        Opacity is resized with them (bicubic); a colour profile stays only where gray stays gray
        and colour colour.
        """
        alpha, metadata = self.alpha, self.metadata
        if alpha is not None and pixels.shape[-2:] != alpha.shape:
            alpha = _resized(alpha, pixels.shape[-2], pixels.shape[-1])
        if len(pixels) != len(self.pixels):
            metadata = replace(metadata, icc=b"")
        return replace(self, pixels=pixels, alpha=alpha, metadata=metadata)


def size_words(pixels: np.ndarray) -> str:
    """Width and height of ``[C, H, W]``, as image programs give them."""
    channels, height, width = pixels.shape
    return f"{width}x{height} pixels, {'gray' if channels == 1 else 'colour'}"


def picture(pixels: np.ndarray) -> PillowImage:
    """``[C, H, W]`` in [0, 1], gray or RGB, to look at: 8 bit RGB of Pillow's."""
    from PIL import Image as Pillow

    stored = to_stored(np.nan_to_num(pixels), "uint8")
    rgb = np.broadcast_to(stored, (3, *stored.shape[-2:])).transpose(1, 2, 0)
    return Pillow.fromarray(np.ascontiguousarray(rgb))


def lost(path: Path, image: Image) -> list[str]:
    """What of an image files of this ending cannot hold, in words; see :func:`write`."""
    suffix = path.suffix.lower()
    words = []
    if image.dtype not in _HOLDS.get(suffix, _EIGHT_BIT):
        words.append(_DEPTHS[image.dtype])
    if image.alpha is not None and suffix in _NO_ALPHA:
        words.append("opacity")
    if image.metadata.icc and suffix == ".bmp":
        words.append("colour profile")
    return words


def is_image(path: str | Path) -> bool:
    """Whether :func:`read` takes files of this name."""
    return Path(path).suffix.lower() in SUFFIXES


def read(path: str | Path, scale: Scale = "type") -> Image:
    """Read a PNG, JPEG, TIFF (8 and 16 bit, float), BMP or WEBP file.

    Gray files give one channel, colour files three (palettes are resolved); opacity is kept apart.
    Pixels stay in the order in which they are stored: a blur kernel was measured in that order, so
    an EXIF orientation is carried along, not applied.

    :param scale: which stored value becomes 1, see :data:`Scale`.
    :raises MissingFileError: there is no such file.
    :raises InputError: not an image of these kinds, several pages, values that are not finite or
        far outside [0, 1], or more pixels than ``PNP_PRIORS_MAX_PIXELS`` (500 million if not set).
    """
    pages = read_pages(path, scale)
    if len(pages) != 1:
        raise InputError(f"{path}: it has {len(pages)} pages, expected one")
    return pages[0]


def read_pages(path: str | Path, scale: Scale = "type") -> list[Image]:
    """Read a file as :func:`read` does; a TIFF stack gives an image for each page."""
    path = Path(path)
    if not is_image(path):
        raise InputError(f"{path}: not an image that can be read ({', '.join(sorted(SUFFIXES))})")
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    try:
        stored = codecs.decode(path)
    except PnpPriorsError as error:
        raise type(error)(f"{path}: {error}") from error
    except PermissionError as error:
        raise InputError(f"{path}: reading it is not permitted") from error
    except Exception as error:
        # What the decoders raise on a damaged file differs between them and their versions, and
        # their messages run over several lines or are empty.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: damaged or not readable as an image ({reason})") from error
    return _from_stored(stored, scale, str(path))


def write(path: str | Path, image: Image) -> None:
    """Write ``image`` at its bit depth, or at 8 bit where the kind of file has no more.

    The file appears whole or not at all: it is written beside its place and then renamed.

    :param path: its ending decides the kind of file; folders above it are made.
    :raises InputError: an unknown ending, values that are not finite, or an image that this kind
        of file cannot hold.
    """
    write_pages(path, [image])


def write_pages(path: str | Path, pages: Sequence[Image]) -> None:
    """Write images of one size and kind as the pages of a TIFF stack; see :func:`write`."""
    path = Path(path)
    suffix = path.suffix.lower()
    if not is_image(path):
        raise InputError(f"{path}: cannot write this kind of file ({', '.join(sorted(SUFFIXES))})")
    if len(pages) != 1 and suffix not in TIFF:
        raise InputError(f"{path}: {len(pages)} pages need a TIFF file")
    if not all(np.isfinite(page.pixels).all() for page in pages):
        raise InputError(f"{path}: refusing to write values that are NaN or infinite")
    holds = _HOLDS.get(suffix, _EIGHT_BIT)
    first = pages[0]
    dtype = first.dtype if first.dtype in holds else holds[0]
    values = np.stack([_channels_last(page, dtype, suffix) for page in pages])
    stored = Stored(values, first.metadata)

    def encode(temporary: Path) -> None:
        try:
            codecs.encode(temporary, stored)
        except OSError as error:
            if error.errno is not None:  # the disk, not the image
                raise
            raise InputError(f"{path}: cannot be written ({error})") from error
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path}: cannot be written ({error})") from error

    whole(path, encode)


def to_stored(pixels: np.ndarray, dtype: str, white: float | None = None) -> np.ndarray:
    """Values in [0, 1] as ``uint8`` or ``uint16``, clipped and rounded; ``float32`` unclipped.

    :param white: what 1 becomes; None: the largest value of the type, 1 for float.
    """
    if dtype == "float32":
        return pixels.astype(np.float32) if white is None else np.float32(white) * pixels
    top = np.iinfo(dtype).max
    scaled = pixels * np.float32(top if white is None else white)
    np.clip(scaled, 0, top, out=scaled)
    return np.rint(scaled, out=scaled).astype(dtype)


def to_unit(values: np.ndarray, white: float | None = None) -> np.ndarray:
    """Stored values as float32, divided by ``white``; None: the largest value of an integer type,
    and floats as they are.
    """
    if white is None and np.issubdtype(values.dtype, np.integer):
        white = np.iinfo(values.dtype).max
    if white is None:
        return values.astype(np.float32)
    return np.divide(values, np.float32(white), dtype=np.float32)


def _channels_last(image: Image, dtype: str, suffix: str) -> np.ndarray:
    values = to_stored(image.pixels, dtype, image.white if dtype == image.dtype else None)
    if image.alpha is not None and suffix not in _NO_ALPHA:
        values = np.concatenate([values, to_stored(to_unit(image.alpha), dtype)[None]])
    return values.transpose(1, 2, 0)


def _resized(alpha: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image as Pillow

    plane = Pillow.fromarray(to_unit(alpha)).resize((width, height), Pillow.Resampling.BICUBIC)
    return to_stored(np.asarray(plane), alpha.dtype.name)


def _from_stored(stored: Stored, scale: Scale, name: str) -> list[Image]:
    values = stored.values
    if values.shape[-1] not in {1, 2, 3, 4}:
        raise InputError(f"{name}: expected a gray or RGB image, got {values.shape[-1]} channels")
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
    if values.dtype.name not in {"uint8", "uint16", "float32"}:
        raise InputError(f"{name}: pixels of type {values.dtype}; known: 8 bit, 16 bit, float")
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise InputError(f"{name}: {bad} of its values are NaN or infinite")
    colours = 1 if values.shape[-1] <= 2 else 3
    white = _white(values[..., :colours], scale, name)
    return [
        Image(
            np.ascontiguousarray(to_unit(page[..., :colours], white).transpose(2, 0, 1)),
            values.dtype.name,
            page[..., colours].copy() if values.shape[-1] > colours else None,
            stored.metadata,
            white,
        )
        for page in values
    ]


def _white(values: np.ndarray, scale: Scale, name: str) -> float | None:
    low, high = float(values.min()), float(values.max())
    if scale == "max":
        return high if high > 0 else None
    white = None if scale == "type" else float(scale)
    if white is not None and not white > 0:
        raise InputError(f"scale: expected type, max or a number above 0, got {scale!r}")
    unit = 1.0 if values.dtype == np.float32 else float(np.iinfo(values.dtype).max)
    if low < _LOWEST * (white or unit) or high > _HIGHEST * (white or unit):
        if white is not None:
            raise InputError(f"{name}: values in [{low:g}, {high:g}] do not fit scale: {white:g}")
        raise InputError(
            f"{name}: float images are in [0, 1], this one in [{low:g}, {high:g}]; "
            "say which value is white with scale: NUMBER, or scale: max"
        )
    return white
