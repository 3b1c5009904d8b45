"""PNG files of 8 and 16 bit with their chunks.

Pillow cuts 16-bit colour to 8 and imagecodecs keeps no chunks, so they are read and written here;
ISO/IEC 15948 ("PNG specification, third edition") says what is in each.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from pnp_priors.codecs.stored import EXIF_PREFIX, Metadata, Stored, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
#: colour and text that hold for the restored image as well
_KEPT = {b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs", b"tEXt", b"zTXt", b"iTXt"}
_XMP = b"XML:com.adobe.xmp\0"
_INCH = 0.0254  # metres
_MAX_PROFILE = 1 << 26


def decode(path: Path) -> Stored:
    content = path.read_bytes()
    if content[12:16] != b"IHDR":
        raise ValueError("its header is missing")
    width, height, depth = struct.unpack(">IIB", content[16:25])
    check_size(width, height)
    if depth == 16:
        import imagecodecs

        # libpng prints what it thinks of chunks that it does not need.
        values = imagecodecs.png_decode(_needed(content))
        values = values[..., None] if values.ndim == 2 else values
    else:
        from io import BytesIO

        from PIL.PngImagePlugin import PngImageFile

        from pnp_priors.codecs.photos import values_of

        values = values_of(PngImageFile(BytesIO(content)))
    return Stored(values[None], _metadata(content))


def encode(path: Path, stored: Stored) -> None:
    import imagecodecs
    import numpy as np

    values = stored.values[0]
    values = values[..., 0] if values.shape[-1] == 1 else values
    content = imagecodecs.png_encode(np.ascontiguousarray(values))
    with path.open("wb") as file:
        file.write(content[:_HEADER_END])
        for kind, data in _chunks_of(stored.metadata):
            checksum = zlib.crc32(kind + data)
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))
        file.write(memoryview(content)[_HEADER_END:])


def _parts(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each whole chunk, the end behind its checksum."""
    start = len(SIGNATURE)
    while start + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        end = start + 12 + length
        if end > len(content):
            return
        yield kind, start, end
        start = end


def _needed(content: bytes) -> bytes:
    kept, last = [content[: len(SIGNATURE)]], len(SIGNATURE)
    for kind, start, end in _parts(content):
        # A capital first letter marks what a decoder must understand.
        if kind[:1].isupper() or kind == b"tRNS":
            kept.append(content[start:end])
        last = end
    # A cut chunk stays, so that the decoder sees that the file is.
    return b"".join([*kept, content[last:]])


def _metadata(content: bytes) -> Metadata:
    exif = icc = xmp = b""
    dpi, others = None, []
    for kind, start, end in _parts(content):
        if kind == b"IDAT":
            continue
        data = content[start + 8 : end - 4]
        if kind == b"eXIf":
            exif = data if data.startswith(EXIF_PREFIX) else EXIF_PREFIX + data
        elif kind == b"iCCP":
            packed = data.partition(b"\0")[2][1:]
            icc = zlib.decompressobj().decompress(packed, _MAX_PROFILE)
        elif kind == b"iTXt" and data.startswith(_XMP + b"\0"):
            xmp = data[len(_XMP) + 2 :].split(b"\0", 2)[-1]
        elif kind == b"pHYs" and data[8:9] == b"\1":
            across, down = struct.unpack(">II", data[:8])
            dpi = (across * _INCH, down * _INCH)
        elif kind in _KEPT:
            others.append((kind, data))
    return Metadata(exif, icc, xmp, dpi, tuple(others))


def _chunks_of(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if metadata.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        across, down = (round(value / _INCH) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif.removeprefix(EXIF_PREFIX)
    if metadata.xmp:
        yield b"iTXt", _XMP + b"\0\0\0\0" + metadata.xmp
    yield from metadata.png
