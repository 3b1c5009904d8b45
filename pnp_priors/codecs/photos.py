"""JPEG, BMP and WEBP files, with EXIF, XMP, colour profile and resolution, by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pnp_priors.codecs.stored import EXIF_PREFIX, Metadata, Stored, check_size
from pnp_priors.errors import InputError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# The files' classes are opened directly: `Image.open` measures with a limit of its own, which is
# one for the whole process, and takes a phone's JPEG with a second picture in it for an animation.


def decode_jpeg(path: Path) -> Stored:
    from PIL.JpegImagePlugin import JpegImageFile

    return _decode(path, JpegImageFile)


def decode_bmp(path: Path) -> Stored:
    from PIL.BmpImagePlugin import BmpImageFile

    return _decode(path, BmpImageFile)


def decode_webp(path: Path) -> Stored:
    from PIL.WebPImagePlugin import WebPImageFile

    return _decode(path, WebPImageFile)


def encode_jpeg(path: Path, stored: Stored) -> None:
    # A restored photo should not lose its new detail to the file it is stored in.
    _save(path, stored, "JPEG", {"quality": 97, "subsampling": 0}, ("exif", "icc", "xmp", "dpi"))


def encode_bmp(path: Path, stored: Stored) -> None:
    _save(path, stored, "BMP", {}, ("dpi",))


def encode_webp(path: Path, stored: Stored) -> None:
    # exact: colours below full transparency are not thrown away.
    _save(path, stored, "WEBP", {"lossless": True, "exact": True}, ("exif", "icc", "xmp"))


def values_of(file: ImageFile) -> np.ndarray:
    """``[H, W, channels]`` of an opened file, palettes resolved."""
    check_size(*file.size)
    frames = getattr(file, "n_frames", 1)
    if frames != 1:
        raise InputError(f"an animation of {frames} frames; give single images")
    opaque = "transparency" not in file.info and file.mode not in {"LA", "PA", "RGBA"}
    if file.mode in {"1", "L", "LA"}:
        mode = "L" if opaque else "LA"
    elif file.mode in {"P", "PA", "RGB", "RGBA"}:
        mode = "RGB" if opaque else "RGBA"
    else:
        raise InputError(f"colour mode {file.mode}; convert it to gray or RGB")
    values = np.asarray(file.convert(mode))
    return values[..., None] if values.ndim == 2 else values


def _decode(path: Path, kind: type[ImageFile]) -> Stored:
    with path.open("rb") as content, kind(content) as file:
        values = values_of(file)
        info = file.info
    exif = info.get("exif", b"")
    if exif and not exif.startswith(EXIF_PREFIX):
        exif = EXIF_PREFIX + exif
    dpi = info.get("dpi")
    metadata = Metadata(
        exif,
        info.get("icc_profile") or b"",
        info.get("xmp") or b"",
        (float(dpi[0]), float(dpi[1])) if dpi else None,
    )
    return Stored(values[None], metadata)


def _save(
    path: Path, stored: Stored, kind: str, options: dict[str, Any], kept: tuple[str, ...]
) -> None:
    from PIL import Image as Pillow

    for name in kept:
        value = getattr(stored.metadata, name)
        if value:
            options["icc_profile" if name == "icc" else name] = value
    values = stored.values[0]
    values = values[..., 0] if values.shape[-1] == 1 else values
    Pillow.fromarray(np.ascontiguousarray(values)).save(path, kind, **options)
