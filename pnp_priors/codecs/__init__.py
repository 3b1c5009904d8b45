"""Image files as stored values and metadata, one module for each kind of file.

:mod:`pnp_priors.images` is what the rest of the package uses; nothing here scales values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pnp_priors.codecs import photos, png, tiff
from pnp_priors.codecs.stored import Metadata, Stored, check_size
from pnp_priors.errors import InputError

__all__ = ["ENCODERS", "TIFF", "Metadata", "Stored", "check_size", "decode", "encode"]

TIFF = frozenset({".tif", ".tiff"})

#: what a file's first bytes say, and who reads it; the name's ending is not asked
_SIGNATURES: tuple[tuple[bytes, Callable[[Path], Stored]], ...] = (
    (png.SIGNATURE, png.decode),
    (b"\xff\xd8\xff", photos.decode_jpeg),
    (b"BM", photos.decode_bmp),
    (b"RIFF", photos.decode_webp),
    *((start, tiff.decode) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)

#: writers by the name's ending
ENCODERS: dict[str, Callable[[Path, Stored], None]] = {
    ".png": png.encode,
    ".jpg": photos.encode_jpeg,
    ".jpeg": photos.encode_jpeg,
    ".bmp": photos.encode_bmp,
    ".webp": photos.encode_webp,
    ".tif": tiff.encode,
    ".tiff": tiff.encode,
}


def decode(path: Path) -> Stored:
    """Read an image file, whatever its name's ending.

    :raises InputError: empty, not an image of a known kind, too large, or of a kind that is not
        supported (animations, CMYK); the text does not name the file.
    :raises Exception: what the decoders raise on a damaged file.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise InputError("the file is empty")
    for signature, decoder in _SIGNATURES:
        if start.startswith(signature):
            return decoder(path)
    raise InputError("not an image: its content is none of PNG, JPEG, TIFF, BMP and WEBP")


def encode(path: Path, stored: Stored) -> None:
    """Write an image file of the kind that the name's ending says."""
    ENCODERS[path.suffix.lower()](path, stored)
