"""Image files as float arrays in [0, 1], and back at the bit depth they came with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pnp_priors.errors import InputError, MissingFileError

TIFF = frozenset({".tif", ".tiff"})
#: file name endings that :func:`read` takes
SUFFIXES = TIFF | {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
#: pixel types that each kind of file can hold; the first one serves what it cannot hold
_HOLDS = {".png": ("uint8", "uint16"), ".tif": ("uint8", "uint16", "float32")}
_EIGHT_BIT = ("uint8",)


@dataclass(frozen=True)
class Image:
    """Pixels, and what is needed to write them back as they came.

    :param pixels: float32 ``[C, H, W]``, C = 1 (gray) or 3 (RGB); in [0, 1] when read from integer
        files; float TIFF may go a little beyond, as noise does.
    :param dtype: pixel type of the file: ``uint8``, ``uint16`` or ``float32``.
    :param alpha: opacity ``[H, W]`` in the file's own type; restoration leaves it as it is.
    :param metadata: EXIF and ICC profile as Pillow's ``save`` takes them (8-bit files).
    """

    pixels: np.ndarray
    dtype: str = "uint8"
    alpha: np.ndarray | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)

    def with_pixels(self, pixels: np.ndarray) -> Image:
        """The same kind of file with other pixels ``[C, H, W]`` of the same size.

        :raises InputError: another height or width than the opacity has.
        """
        if pixels.shape[-2:] != self.pixels.shape[-2:]:
            raise InputError(
                f"expected {list(self.pixels.shape[-2:])} pixels, got {list(pixels.shape[-2:])}"
            )
        return Image(pixels, self.dtype, self.alpha, self.metadata)


def is_image(path: Path) -> bool:
    """Whether :func:`read` takes files of this name."""
    return path.suffix.lower() in SUFFIXES


def read(path: Path) -> Image:
    """Read a PNG, JPEG, TIFF (8 and 16 bit, float), BMP or WEBP file.

    Gray files give one channel, colour files three (palettes are resolved); opacity is kept apart.
    Pixels stay in the order in which they are stored: a blur kernel was measured in that order, so
    an EXIF orientation is carried along, not applied.

    :raises MissingFileError: there is no such file.
    :raises InputError: not an image of these kinds, several pages, or values that are not finite.
    """
    suffix = path.suffix.lower()
    if not is_image(path):
        raise InputError(f"{path}: not an image that can be read ({', '.join(sorted(SUFFIXES))})")
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    try:
        values, metadata = _decode(path, suffix)
    except Exception as error:
        # What the decoders raise on a damaged file differs between them and their versions, and
        # their messages run over several lines or are empty.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: damaged or not readable as an image ({reason})") from error
    return _from_stored(values, metadata, str(path))


def write(path: Path, image: Image) -> None:
    """Write ``image`` at its bit depth, or at 8 bit where the kind of file has no more.

    The file appears whole or not at all: it is written beside its place and then renamed.

    :param path: its ending decides the kind of file; folders above it are made.
    :raises InputError: an unknown ending, or values that are not finite.
    """
    suffix = path.suffix.lower()
    if not is_image(path):
        raise InputError(f"{path}: cannot write this kind of file ({', '.join(sorted(SUFFIXES))})")
    if not np.isfinite(image.pixels).all():
        raise InputError(f"{path}: refusing to write values that are NaN or infinite")
    holds = _HOLDS.get(".tif" if suffix in TIFF else suffix, _EIGHT_BIT)
    dtype = image.dtype if image.dtype in holds else holds[0]
    values = to_stored(image.pixels, dtype)
    if image.alpha is not None and suffix not in {".jpg", ".jpeg", ".bmp"}:
        alpha = to_stored(to_unit(image.alpha), dtype)
        values = np.concatenate([values, alpha[None]])
    stored = np.ascontiguousarray(values.transpose(1, 2, 0))
    whole(path, lambda temporary: _encode(temporary, suffix, stored, image.metadata))


def whole(path: Path, write_to: Callable[[Path], None]) -> None:
    """Call ``write_to`` with a temporary path in the folder of ``path``, then rename it there.

    Nothing is left behind when ``write_to`` fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f".part{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        write_to(temporary)
        # mkstemp makes private files; an image should be as readable as any other new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_stored(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """Values in [0, 1] as ``uint8`` or ``uint16``, clipped and rounded; ``float32`` as they are."""
    if dtype == "float32":
        return pixels.astype(np.float32)
    top = np.iinfo(dtype).max
    return np.rint(np.clip(pixels, 0, 1) * np.float64(top)).astype(dtype)


def to_unit(values: np.ndarray) -> np.ndarray:
    """Stored values as float32: integers divided by the largest one, floats as they are."""
    if np.issubdtype(values.dtype, np.integer):
        return (values / np.float64(np.iinfo(values.dtype).max)).astype(np.float32)
    return values.astype(np.float32)


def _decode(path: Path, suffix: str) -> tuple[np.ndarray, dict[str, bytes]]:
    """Stored values, ``[H, W]`` or ``[H, W, channels]``, and metadata."""
    if suffix in TIFF:
        import tifffile

        with tifffile.TiffFile(path) as file:
            if len(file.pages) != 1:
                raise ValueError(f"it has {len(file.pages)} pages, expected one")
            page = file.pages.first
            values = page.asarray()
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                values = np.iinfo(values.dtype).max - values
            elif page.photometric == tifffile.PHOTOMETRIC.PALETTE:
                raise ValueError("palette TIFF; convert it to gray or RGB")
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and values.ndim == 3:
                values = values.transpose(1, 2, 0)
        return values, {}

    content = path.read_bytes()
    if suffix == ".png" and len(content) > 24 and content[24] == 16:
        # Byte 24 is the bit depth; Pillow would cut 16-bit colour to 8.
        import imagecodecs

        return imagecodecs.png_decode(content), {}

    from io import BytesIO

    from PIL import Image as Pillow

    with Pillow.open(BytesIO(content)) as file:
        if getattr(file, "n_frames", 1) != 1:
            raise ValueError(f"it has {file.n_frames} frames, expected one")  # type: ignore[attr-defined]
        metadata = {key: file.info[key] for key in ("icc_profile", "exif") if file.info.get(key)}
        opaque = "transparency" not in file.info and file.mode not in {"LA", "PA", "RGBA"}
        if file.mode in {"1", "L", "LA"}:
            mode = "L" if opaque else "LA"
        elif file.mode in {"P", "PA", "RGB", "RGBA", "YCbCr"}:
            mode = "RGB" if opaque else "RGBA"
        else:
            raise ValueError(f"colour mode {file.mode}; convert it to gray or RGB")
        return np.asarray(file.convert(mode)), metadata


def _from_stored(values: np.ndarray, metadata: dict[str, bytes], name: str) -> Image:
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in {1, 2, 3, 4} or 0 in values.shape:
        raise InputError(f"{name}: expected a gray or RGB image, got values {list(values.shape)}")
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
    if values.dtype.name not in {"uint8", "uint16", "float32"}:
        raise InputError(f"{name}: pixels of type {values.dtype}; known: 8 bit, 16 bit, float")
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise InputError(f"{name}: {bad} of its values are NaN or infinite")
    if values.dtype == np.float32 and (values.min() < -1 or values.max() > 2):
        low, high = float(values.min()), float(values.max())
        raise InputError(f"{name}: float images are in [0, 1], this one in [{low:g}, {high:g}]")
    channels = values.shape[-1]
    colours = 1 if channels <= 2 else 3
    pixels = np.ascontiguousarray(to_unit(values[..., :colours]).transpose(2, 0, 1))
    alpha = values[..., colours].copy() if channels > colours else None
    return Image(pixels, values.dtype.name, alpha, metadata)


def _encode(path: Path, suffix: str, stored: np.ndarray, metadata: dict[str, bytes]) -> None:
    """Write ``[H, W, channels]`` values."""
    channels = stored.shape[-1]
    squeezed = stored[..., 0] if channels == 1 else stored
    if suffix in TIFF:
        import tifffile

        tifffile.imwrite(
            path,
            squeezed,
            photometric="minisblack" if channels <= 2 else "rgb",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in {2, 4} else None,
            compression="zlib",
        )
        return
    if stored.dtype == np.uint16:
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(squeezed))
        return

    from PIL import Image as Pillow

    options: dict[str, Any] = dict(metadata)
    if suffix in {".jpg", ".jpeg"}:
        # A restored photo should not lose its new detail to the file it is stored in.
        options |= {"quality": 97, "subsampling": 0}
    elif suffix == ".webp":
        options["lossless"] = True
    elif suffix == ".bmp":
        options = {}
    Pillow.fromarray(squeezed).save(path, **options)
