"""A comparison as a picture: photo, detail and residual of each prior, under its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.report.picture import INK, PAPER, detail, folded, frame
from pnp_priors.showing.comparison import Comparison, Result, Scores

if TYPE_CHECKING:
    from PIL.Image import Image

#: width of a column, columns in a row of them, and the detail's side, in pixels
COLUMN, COLUMNS, DETAIL = 320, 6, 64
_MARGIN, _LINE, _TEXT, _HEADING = 16, 24, 17, 20
#: residuals are drawn up to so many standard deviations of the noise
_DEVIATIONS = 3

#: top, left, height, width
Window = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class _Cell:
    """One column: lines above, the photo, and its residual or words in its place."""

    lines: tuple[str, ...]
    pixels: np.ndarray
    residual: np.ndarray | None
    words: tuple[str, ...] = ()


def window(comparison: Comparison, corner: tuple[int, int, int] | None = None) -> Window:
    """The part that is magnified.

    :param corner: column, row and side in pixels; by default a square of 64 pixels where the
        original, or else the first result, has most structure.
    :returns: top, left, height, width.
    :raises InputError: it does not lie inside the photo.
    """
    if corner is None:
        shown = comparison.original
        if shown is None:
            shown = comparison.results[0].pixels
        return detail(shown, shown, DETAIL)
    return inside(corner, comparison.noisy.shape)


def inside(corner: tuple[int, int, int], shape: tuple[int, ...]) -> Window:
    """A square that was asked for: top, left, height, width.

    :param corner: column, row and side in pixels.
    :param shape: of the photo, ``[C, H, W]``.
    :raises InputError: it does not lie inside the photo.
    """
    height, width = shape[-2:]
    left, top, side = corner
    within = left >= 0 and top >= 0 and left + side <= width and top + side <= height
    if side < 1 or not within:
        raise InputError(
            f"--detail {left},{top},{side}: a square of SIDE pixels from column X, row Y on must "
            f"lie inside the photo, {width} pixels wide and {height} high"
        )
    return top, left, side, side


def draw(comparison: Comparison, where: Window, title: str) -> Image:
    """Draw the sheet.

    :param where: as :func:`window` gives it.
    :param title: the photo's name.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    cells = list(_cells(comparison))
    font, large = (ImageFont.load_default(size=size) for size in (_TEXT, _HEADING))
    height, width = comparison.noisy.shape[-2:]
    scale = _scale(max(height, width))
    size = tuple(max(round(scale * length), 1) for length in (width, height))
    zoom = _scale(max(where[2:]))
    rows = -(-len(cells) // COLUMNS)
    columns = -(-len(cells) // rows)  # no row with a single one
    lined = [_Cell(_fold(c.lines, font), c.pixels, c.residual, _fold(c.words, font)) for c in cells]
    bands = [lined[i : i + columns] for i in range(0, len(lined), columns)]
    tall = [max(len(cell.lines) for cell in band) * _LINE + 6 for band in bands]
    below = 2 * size[1] + round(zoom * where[2]) + 3 * _MARGIN
    captions = [
        part
        for line in (title, *_captions(comparison, where, scale, zoom))
        for part in folded(line, font, columns, COLUMN)
    ]
    top = _MARGIN + _LINE * len(captions) + _MARGIN
    sheet = Pillow.new(
        "RGB",
        (columns * (COLUMN + _MARGIN) + _MARGIN, top + sum(tall) + len(bands) * (below + _MARGIN)),
        PAPER,
    )
    pen = ImageDraw.Draw(sheet)
    for row, line in enumerate(captions):
        pen.text((_MARGIN, _MARGIN + row * _LINE), line, fill=INK, font=font)
    for band, lines in zip(bands, tall, strict=True):
        for column, cell in enumerate(band):
            left = _MARGIN + column * (COLUMN + _MARGIN)
            for row, line in enumerate(cell.lines):
                pen.text((left, top + row * _LINE), line, fill=INK, font=font if row else large)
            _paste(sheet, pen, cell, (left, top + lines), where, comparison.sigma)
            under = top + lines + size[1] + round(zoom * where[2]) + 2 * _MARGIN
            for row, line in enumerate(cell.words):
                pen.text((left, under + row * _LINE), line, fill=INK, font=font)
        top += lines + below + _MARGIN
    return sheet


def grayscale(residual: np.ndarray, sigma: float) -> np.ndarray:
    """A residual as it is drawn: 0 is gray, ± three standard deviations white and black.

    :param residual: ``[C, H, W]``.
    :param sigma: noise level, in the same units.
    """
    return 0.5 + residual / (2 * _DEVIATIONS * sigma)


def _paste(
    sheet: Image, pen: object, cell: _Cell, corner: tuple[int, int], where: Window, sigma: float
) -> None:
    from PIL import Image as Pillow

    left, top = corner
    row, column, tall, wide = where
    scale = _scale(max(cell.pixels.shape[-2:]))
    photo = _resized(cell.pixels, scale, Pillow.Resampling.LANCZOS)
    sheet.paste(photo, corner)
    start = (left + round(scale * column), top + round(scale * row))
    end = (start[0] + round(scale * wide) - 1, start[1] + round(scale * tall) - 1)
    frame(pen, (*start, *end))  # type: ignore[arg-type]
    part = cell.pixels[:, row : row + tall, column : column + wide]
    top += photo.height + _MARGIN
    magnified = _resized(part, _scale(max(tall, wide)), Pillow.Resampling.LANCZOS)
    sheet.paste(magnified, (left, top))
    if cell.residual is not None:
        # Not averaged where it is shrunk: noise would fade.
        shown = _resized(grayscale(cell.residual, sigma), scale, Pillow.Resampling.NEAREST)
        sheet.paste(shown, (left, top + magnified.height + _MARGIN))


def _resized(pixels: np.ndarray, scale: float, shrinking: int) -> Image:
    from PIL import Image as Pillow

    picture = images.picture(pixels)
    size = (max(round(scale * picture.width), 1), max(round(scale * picture.height), 1))
    return picture.resize(size, Pillow.Resampling.NEAREST if scale >= 1 else shrinking)


def _scale(longest: int) -> float:
    """What is small is enlarged by a whole number, what is large shrunk to a column."""
    return float(COLUMN // longest) if longest <= COLUMN else COLUMN / longest


def _fold(lines: Sequence[str], font: object) -> tuple[str, ...]:
    return tuple(part for line in lines for part in folded(line, font, 1, COLUMN))


def _cells(comparison: Comparison) -> Iterator[_Cell]:
    noise, span = comparison.sigma, f"{255 * _DEVIATIONS * comparison.sigma:.4g}/255"
    words: tuple[str, ...] = (
        "Third row: input less result; below the input, its noise."
        if comparison.original is not None
        else "Third row: input less result.",
        f"Gray is 0, white +{span},",
        f"black -{span}, for all alike.",
        "Structure in it is what a prior has taken from the photo.",
    )
    if comparison.original is not None:
        yield _Cell(("original",), comparison.original, None, words)
        residual: np.ndarray | None = comparison.noisy - comparison.original
        words = ()
    else:
        residual = None
    about = "input, sigma " + f"{255 * noise:.4g}/255"
    yield _Cell((about, *figures(comparison.scores)), comparison.noisy, residual, words)
    for result in comparison.results:
        yield _Cell(_lines(result), result.pixels, result.residual)


def _lines(result: Result) -> tuple[str, ...]:
    time = f"{1000 * result.seconds:.0f} ms"
    return (result.name, *figures(result.scores), time, *result.remarks)


def figures(scores: Scores | None) -> tuple[str, ...]:
    """PSNR and SSIM as a line, if they are known."""
    if scores is None:
        return ()
    similarity = "" if scores.ssim is None else f", SSIM {scores.ssim:.4f}"
    return (f"PSNR {scores.psnr:.2f} dB{similarity}",)


def _captions(comparison: Comparison, where: Window, scale: float, zoom: float) -> list[str]:
    height, width = comparison.noisy.shape[-2:]
    top, left, tall, wide = where
    return [
        f"photo of {width}x{height} pixels at {100 * scale:.3g} %; second row: {wide}x{tall} "
        f"pixels from column {left}, row {top}, at {100 * zoom:.3g} %"
    ]
