"""What is in an image file: values as stored, and the metadata that survives a restoration."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnp_priors.errors import ConfigError, InputError

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION = 0x0112
#: pixels of all pages that are read without asking: a 100-megapixel photo is, a bomb is not
MAX_PIXELS = 500_000_000
MAX_PIXELS_VARIABLE = "PNP_PRIORS_MAX_PIXELS"


@dataclass(frozen=True)
class TiffTags:
    """What only a TIFF file holds.

    :param description: the ImageDescription tag, in which ImageJ and OME keep a stack's axes and
        pixel size.
    :param leading: the sizes of a stack's axes before rows and columns.
    :param axes: names of all axes, where tifffile's own description gave them.
    :param resolution: pixels per unit, across and down, and the unit's number.
    :param extra: the number that says what the channel after the colours is (2: opacity).
    :param others: further tags as tifffile's ``extratags`` takes them.
    """

    description: bytes = b""
    leading: tuple[int, ...] = ()
    axes: str = ""
    resolution: tuple[Any, Any, int] | None = None
    extra: int = 2
    others: tuple[tuple[int, int, int, Any, bool], ...] = ()


@dataclass(frozen=True)
class Metadata:
    """What viewers and catalogues need; carried along, never applied to the pixels.

    :param exif: as in a JPEG file, with its prefix; it holds the orientation.
    :param icc: colour profile.
    :param xmp: an XMP packet.
    :param dpi: pixels per inch, across and down.
    :param png: further PNG chunks: type and content.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    png: tuple[tuple[bytes, bytes], ...] = ()
    tiff: TiffTags = TiffTags()


@dataclass(frozen=True)
class Stored:
    """:param values: ``[pages, H, W, channels]`` in the file's own type."""

    values: np.ndarray
    metadata: Metadata = Metadata()


def check_size(*sizes: int) -> None:
    """Refuse an image that has no pixels, or far more than its header should be believed.

    :param sizes: width, height and, if there are several, pages.
    :raises InputError: nothing in it, or more than the environment's ``PNP_PRIORS_MAX_PIXELS``
        (500 megapixels if not set).
    :raises ConfigError: that variable is not a number.
    """
    pixels = math.prod(sizes)
    shape = "x".join(str(size) for size in sizes)
    if pixels <= 0:
        raise InputError(f"the image is {shape} pixels: nothing to read")
    text = os.environ.get(MAX_PIXELS_VARIABLE, str(MAX_PIXELS))
    if not text.strip().isdecimal():
        raise ConfigError(f"{MAX_PIXELS_VARIABLE}={text}: expected a number of pixels")
    if pixels > int(text):
        raise InputError(
            f"{shape} is {pixels / 1e6:,.0f} megapixels, more than the {int(text) / 1e6:,.0f} "
            f"that are read; set {MAX_PIXELS_VARIABLE}={pixels} if the file can be trusted"
        )
