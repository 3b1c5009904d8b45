"""TIFF files of 8 and 16 bit and float, single or a stack, by tifffile.

Axes and pixel sizes of ImageJ and OME stacks, place on the map (GeoTIFF), orientation, resolution
and colour profile are kept. The EXIF block of a camera (exposure, lens) is not: tifffile does not
write one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pnp_priors.codecs.stored import (
    EXIF_PREFIX,
    ORIENTATION,
    Metadata,
    Stored,
    TiffTags,
    check_size,
)
from pnp_priors.errors import InputError

if TYPE_CHECKING:
    from tifffile import TiffPage, TiffPageSeries

_DESCRIPTION, _XMP, _ICC = 270, 700, 34675
#: maker, model, orientation, software, time, artist, copyright: the same numbers as in EXIF
_AS_EXIF = (271, 272, ORIENTATION, 305, 306, 315, 33432)
#: GeoTIFF: scale, tie points, transformation, keys; GDAL's own and its "no data" value
_GEO = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_ASCII, _SHORT, _BYTES = 2, 3, 7
_INCHES = {2: 1.0, 3: 2.54}
_UNASSOCIATED = 2


def decode(path: Path) -> Stored:
    import tifffile

    with tifffile.TiffFile(path) as file:
        # Thumbnails beside the image are no pages of a stack.
        found = [one for one in file.series if not one.keyframe.is_reduced]
        if len(found) != 1:
            raise InputError(f"it has {len(found)} images of different kinds or sizes; split them")
        series = found[0]
        page = series.keyframe
        axes, shape = series.axes, series.shape
        if axes.replace("S", "")[-2:] != "YX":
            raise InputError(f"axes {axes} ({'x'.join(map(str, shape))}): rows and columns last")
        rows, columns = shape[axes.index("Y")], shape[axes.index("X")]
        check_size(columns, rows, *(n for n, a in zip(shape, axes, strict=True) if a not in "YXS"))
        _check_colours(page)
        values = series.asarray()
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = _negative(values)
        values = np.moveaxis(values, axes.index("S"), -1) if "S" in axes else values[..., None]
        leading = values.shape[:-3]
        metadata = _metadata(page, series, leading)
        return Stored(values.reshape(-1, *values.shape[-3:]), metadata)


def encode(path: Path, stored: Stored) -> None:
    import tifffile

    values, tags = stored.values, stored.metadata.tiff
    pages, channels = len(values), values.shape[-1]
    leading = tags.leading if np.prod(tags.leading, dtype=int) == pages else (pages,)
    shape = (leading if pages > 1 else ()) + values.shape[1 : 3 if channels == 1 else 4]
    axes = tags.axes if len(tags.axes) == len(shape) else ""
    across, down, unit = tags.resolution or (*(stored.metadata.dpi or (None, None)), 2)
    tifffile.imwrite(
        path,
        values.reshape(shape),
        photometric="minisblack" if channels <= 2 else "rgb",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=[tags.extra] if channels in {2, 4} else None,
        compression="zlib",
        iccprofile=stored.metadata.icc or None,
        resolution=None if across is None else (across, down),
        resolutionunit=None if across is None else unit,
        description=tags.description or None,
        metadata={"axes": axes} if axes else None,
        software=False,
        extratags=_extra_tags(stored.metadata),
    )


def _check_colours(page: TiffPage) -> None:
    from tifffile import COMPRESSION, PHOTOMETRIC

    kind = page.photometric
    # JPEG inside TIFF stores YCbCr, which its decoder turns into RGB.
    if kind == PHOTOMETRIC.YCBCR and page.compression in {COMPRESSION.JPEG, COMPRESSION.OJPEG}:
        return
    if kind not in {PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB}:
        name = getattr(kind, "name", str(kind)).lower()
        raise InputError(f"colours of kind {name}; convert it to gray or RGB")


def _negative(values: np.ndarray) -> np.ndarray:
    """Of files in which 0 is white, as fax machines and scanners write them."""
    if values.dtype == np.bool_:
        return ~values
    if not np.issubdtype(values.dtype, np.integer):
        raise InputError(f"pixels of type {values.dtype} of which 0 is white; convert it to gray")
    return np.iinfo(values.dtype).max - values


def _metadata(page: TiffPage, series: TiffPageSeries, leading: tuple[int, ...]) -> Metadata:
    tags = page.tags

    def value(code: int) -> Any:
        return tags[code].value if code in tags else None

    shaped = series.kind == "shaped"
    description = value(_DESCRIPTION)
    resolution = dpi = None
    if value(282) and value(283):
        unit = int(value(296) or 2)
        resolution = (value(282), value(283), unit)
        if unit in _INCHES and value(282)[1] and value(283)[1]:
            dpi = tuple(_INCHES[unit] * top / bottom for top, bottom in resolution[:2])
    own = TiffTags(
        description=b"" if shaped or not description else str(description).encode(),
        leading=leading,
        axes=series.axes if shaped and leading else "",
        resolution=resolution,
        extra=int(page.extrasamples[0]) if page.extrasamples else _UNASSOCIATED,
        others=tuple(
            (code, tags[code].dtype, tags[code].count, tags[code].value, True)
            for code in _GEO
            if code in tags
        ),
    )
    return Metadata(_exif(page), value(_ICC) or b"", value(_XMP) or b"", dpi, (), own)


def _exif(page: TiffPage) -> bytes:
    from PIL import Image as Pillow

    exif = Pillow.Exif()
    for code in _AS_EXIF:
        if code in page.tags:
            exif[code] = page.tags[code].value
    return exif.tobytes() if len(exif) else b""


def _extra_tags(metadata: Metadata) -> list[tuple[int, int, int, Any, bool]]:
    from PIL import Image as Pillow

    tags = list(metadata.tiff.others)
    if metadata.exif:
        exif = Pillow.Exif()
        exif.load(EXIF_PREFIX + metadata.exif.removeprefix(EXIF_PREFIX))
        for code in _AS_EXIF:
            if code == ORIENTATION and code in exif:
                tags.append((code, _SHORT, 1, int(exif[code]), True))
            elif code in exif:
                tags.append((code, _ASCII, 0, str(exif[code]), True))
    if metadata.xmp:
        tags.append((_XMP, _BYTES, len(metadata.xmp), metadata.xmp, True))
    return tags
