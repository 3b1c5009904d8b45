"""The picture of a report: images side by side, and below them the same detail, magnified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors import images

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

#: side of a panel, and of the detail before it is magnified, in pixels
_PANEL, _DETAIL = 384, 96
#: the detail is looked for on at most so many samples a side
_SAMPLES = 2048
_MARGIN, _LINE, _TEXT = 16, 26, 18
INK, PAPER = (30, 30, 30), (255, 255, 255)
#: Okabe and Ito's orange, with black beside it: seen on light and dark, by the colour blind as well
FRAME, EDGE = (230, 159, 0), (0, 0, 0)


def detail(before: np.ndarray, after: np.ndarray, side: int = _DETAIL) -> tuple[int, int, int, int]:
    """The square in which the restoration changed most; the most structured one if nowhere.

    :param before: ``[C, H, W]``, of the shape of ``after``.
    :returns: top, left, height and width; as large as the image where this is smaller.
    """
    sizes = height, width = after.shape[-2:]
    # Large images are sampled: their arrays in float64 would not fit.
    step = -(-max(sizes) // _SAMPLES)
    before, after = before[:, ::step, ::step], after[:, ::step, ::step]
    height, width = (min(max(side // step, 1), size) for size in after.shape[-2:])
    energy = ((after - before).astype(np.float64) ** 2).sum(axis=0)
    if not np.isfinite(energy).all() or energy.max() < 1e-12:
        gray = np.nan_to_num(after).mean(axis=0, dtype=np.float64)
        energy = np.zeros(gray.shape)
        energy[1:] += np.diff(gray, axis=0) ** 2
        energy[:, 1:] += np.diff(gray, axis=1) ** 2
    # Sums over all squares from the integral image.
    table = np.pad(energy.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = (
        table[height:, width:]
        - table[:-height, width:]
        - table[height:, :-width]
        + table[:-height, :-width]
    )
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    height, width = (min(side, size) for size in sizes)
    top, left = (
        min(step * int(start), size - length)
        for start, size, length in zip((top, left), sizes, (height, width), strict=True)
    )
    return top, left, height, width


def draw(
    panels: Sequence[tuple[Sequence[str], np.ndarray]],
    where: tuple[int, int, int, int],
    captions: Sequence[str] = (),
) -> Image:
    """Draw images of one size, and a detail of each below it.

    :param panels: lines of text above the image, and its pixels ``[C, H, W]`` in [0, 1].
    :param where: the detail, as :func:`detail` gives it.
    :param captions: lines below everything.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    size = panels[0][1].shape[:-3:-1]
    scale = _scale(max(size))
    shown = tuple(max(round(scale * length), 1) for length in size)
    top, left, height, width = where
    zoom = max(_PANEL // max(height, width), 1)
    column = max(_PANEL, shown[0], zoom * width)
    lines = max(len(text) for text, _ in panels)
    header = _MARGIN + lines * _LINE
    # Pillow's own font lacks some signs.
    captions = [line.replace("×", "x").replace("±", "+-") for line in captions]
    captions = [_scales(scale, zoom, where), *captions]
    font = ImageFont.load_default(size=_TEXT)
    captions = [part for line in captions for part in folded(line, font, len(panels), column)]
    sheet = Pillow.new(
        "RGB",
        (
            len(panels) * (column + _MARGIN) + _MARGIN,
            header + shown[1] + _MARGIN + zoom * height + _MARGIN + len(captions) * _LINE + 8,
        ),
        PAPER,
    )
    pen = ImageDraw.Draw(sheet)
    for position, (text, pixels) in enumerate(panels):
        start = _MARGIN + position * (column + _MARGIN)
        for row, line in enumerate(text):
            pen.text((start, 8 + row * _LINE), line, fill=INK, font=font)
        nearest = Pillow.Resampling.NEAREST if scale >= 1 else Pillow.Resampling.LANCZOS
        # What is shrunk need not be read in full; four samples a pixel are enough.
        step = max(int(1 / (4 * scale)), 1)
        overview = images.picture(pixels[:, ::step, ::step]).resize((shown[0], shown[1]), nearest)
        sheet.paste(overview, (start, header))
        corner = (start + round(scale * left), header + round(scale * top))
        end = (corner[0] + round(scale * width) - 1, corner[1] + round(scale * height) - 1)
        frame(pen, (*corner, *end))
        crop = images.picture(pixels[:, top : top + height, left : left + width])
        crop = crop.resize((zoom * width, zoom * height), Pillow.Resampling.NEAREST)
        sheet.paste(crop, (start, header + shown[1] + _MARGIN))
    below = header + shown[1] + _MARGIN + zoom * height + _MARGIN
    for row, line in enumerate(captions):
        pen.text((_MARGIN, below + row * _LINE), line, fill=INK, font=font)
    return sheet


def _scale(longest: int) -> float:
    """Small images are enlarged by a whole number, large ones shrunk to a panel."""
    return float(_PANEL // longest) if longest <= _PANEL else _PANEL / longest


def _scales(scale: float, zoom: int, where: tuple[int, int, int, int]) -> str:
    top, left, height, width = where
    return (
        f"whole images at {100 * scale:.3g} %; below, framed above: {width}x{height} pixels "
        f"from column {left}, row {top}, magnified {zoom}x"
    )


def folded(line: str, font: object, panels: int, column: int) -> list[str]:
    """A line broken at spaces to the width of the sheet; what follows is indented."""
    room = panels * (column + _MARGIN) - _MARGIN
    parts, current = [], ""
    for word in line.split():
        longer = f"{current} {word}" if current else word
        if current and font.getlength(longer) > room:  # type: ignore[attr-defined]
            parts.append(current)
            longer = f"   {word}"
        current = longer
    return [*parts, current]


def frame(pen: ImageDraw, box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    pen.rectangle((x0 - 1, y0 - 1, max(x1, x0) + 1, max(y1, y0) + 1), outline=EDGE)
    pen.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=FRAME, width=2)
