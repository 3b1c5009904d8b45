"""Make the images of the examples that are no photographs: a document, a micrograph, a sky.

All three are synthetic: drawn with free fonts, or computed from simple models of filaments, stars
and a galaxy. The same seed gives the same images; another FreeType may move single gray levels.

    python examples/make_images.py --out examples/images
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import convolve, gaussian_filter

from pnp_priors import images

SEED = 8
#: fonts of matplotlib's under the SIL Open Font License; no prior was trained on them
FONTS = {
    "regular": "STIXGeneral.ttf",
    "bold": "STIXGeneralBol.ttf",
    "italic": "STIXGeneralItalic.ttf",
}
ABSTRACT = (
    "A blurred page is the sharp one seen through a filter that passes coarse strokes and damps "
    "fine ones. Whoever divides by the filter gets the strokes back, and with them whatever the "
    "filter had damped below the noise: the page drowns in grain. A prior says what pages look "
    "like, and keeps that from happening."
)
ROWS = (
    ("stroke", "contrast", "error", "kept"),
    ("0.5 mm", "0.92", "0.011", "yes"),
    ("0.2 mm", "0.61", "0.034", "yes"),
    ("0.1 mm", "0.18", "0.127", "partly"),
    ("0.05 mm", "0.02", "0.482", "no"),
)
SMALL = "A quick brown fox jumps over the lazy dog 123456"


def font(weight: str, size: float) -> ImageFont.FreeTypeFont:
    """A font of the document; ``size`` in pixels per em."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONTS[weight]
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def document(height: int = 448, width: int = 384) -> np.ndarray:
    """A page with text, a table, a line drawing and lines of small print, ``[1, H, W]``."""
    page = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(page)
    left, right = 26, width - 26
    pen.text((left, 16), "On the sharpness of pages", 0, font("bold", 24))
    pen.text((left, 46), "Synthetic document, 384 × 448 pixels", 40, font("italic", 13))
    pen.line((left, 66, right, 66), 0, 1)
    below = paragraph(pen, ABSTRACT, left, right, 73, font("regular", 14), 17)
    below = table(pen, left, below + 12)
    lens(pen, (left + 202, below - 92, right, below - 2))
    pen.text((left, below + 8), "1.  Smaller and smaller print", 0, font("bold", 16))
    below += 31
    for size in (13, 12, 11, 10, 9, 8):
        pen.text((left, below), f"{size} px: {SMALL}", 0, font("regular", size))
        below += size + 5
    return np.asarray(page)[None] / 255.0


def paragraph(
    pen: ImageDraw.ImageDraw,
    text: str,
    left: int,
    right: int,
    top: int,
    face: ImageFont.FreeTypeFont,
    line: int,
) -> int:
    """Justified text between two margins; returns where it ends."""
    rows: list[list[str]] = [[]]
    for word in text.split():
        if pen.textlength(" ".join([*rows[-1], word]), face) > right - left:
            rows.append([])
        rows[-1].append(word)
    for index, words in enumerate(rows):
        room = right - left - sum(pen.textlength(word, face) for word in words)
        last = index == len(rows) - 1
        space = pen.textlength(" ", face) if last else room / max(len(words) - 1, 1)
        x = float(left)
        for word in words:
            pen.text((x, top), word, 0, face)
            x += pen.textlength(word, face) + space
        top += line
    return top


def table(pen: ImageDraw.ImageDraw, left: int, top: int) -> int:
    """The table with its rules; returns where it ends."""
    columns, line = (0, 58, 112, 152), 17
    pen.line((left, top, left + 188, top), 0, 2)
    for number, row in enumerate(ROWS):
        for offset, text in zip(columns, row, strict=True):
            face = font("regular" if number else "italic", 13)
            pen.text((left + offset, top + 3 + number * line), text, 0, face)
        if not number:
            pen.line((left, top + line + 3, left + 188, top + line + 3), 0, 1)
    below = top + line * len(ROWS) + 7
    pen.line((left, below, left + 188, below), 0, 2)
    return below


def lens(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    """A lens that images an arrow, with its axis and rays."""
    x0, y0, x1, y1 = box
    middle, centre = (y0 + y1) / 2, x0 + 0.45 * (x1 - x0)
    for x in range(x0, x1, 8):
        pen.line((x, middle, x + 4, middle), 90, 1)
    for offset, start in ((-65, -30), (65, 150)):  # two arcs that meet at the rim
        circle = (centre + offset - 75, middle - 60, centre + offset + 75, middle + 60)
        pen.arc(circle, start, start + 60, 0, 2)
    tip, image = (x0 + 10, middle - 30), (x1 - 12, middle + 23)
    for bend in (-30, -7, 23):
        pen.line((*tip, centre, middle + bend), 0, 1)
        pen.line((centre, middle + bend, *image), 0, 1)
    for x, y, flip in ((tip[0], tip[1], 1), (image[0], image[1], -1)):
        pen.line((x, middle, x, y), 0, 2)
        pen.polygon([(x, y - 3 * flip), (x - 4, y + 6 * flip), (x + 4, y + 6 * flip)], 0)
    pen.text((centre - 16, y1 - 13), "Fig. 1", 0, font("italic", 12))


def splat(canvas: np.ndarray, points: np.ndarray, values: np.ndarray | float) -> None:
    """Add points ``[N, 2]`` (row, column), each shared among its four pixels."""
    corner = np.floor(points).astype(int)
    part = points - corner
    inside = ((corner >= 0) & (corner < np.array(canvas.shape) - 1)).all(axis=1)
    values = np.broadcast_to(values, len(points))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1]) * values
            np.add.at(canvas, tuple((corner[inside] + (down, right)).T), share[inside])


def micrograph(side: int = 384, seed: int = SEED) -> np.ndarray:
    """Cells with filaments, nuclei and vesicles as a fluorescence microscope sees them.

    Filaments leave the neighbourhood of each nucleus and bend at random (a persistent walk) up to
    the cell's border. In focus all is blurred by a point-spread function of 1.1 pixels; a part of
    the light comes from out of focus. Returns ``[1, side, side]`` in [0, 1].
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    thin, bodies, vesicles = (np.zeros((side, side)) for _ in range(3))
    for y, x, size in (
        (105, 110, 98),
        (90, 300, 92),
        (285, 75, 88),
        (262, 255, 104),
        (390, 372, 80),
    ):
        waves = rng.normal(size=(2, 4)) * 0.09 / np.arange(1, 5) ** 0.5

        def border(angle: np.ndarray, size: float = size, waves: np.ndarray = waves) -> np.ndarray:
            turns = np.arange(2, 6)[:, None] * np.ravel(angle)
            bumps = waves[0] @ np.cos(turns) + waves[1] @ np.sin(turns)
            return size * (1 + bumps).reshape(np.shape(angle))

        distance = np.hypot(rows - y, columns - x)
        reach = border(np.arctan2(rows - y, columns - x))
        cell = 1 / (1 + np.exp((distance - reach) / 3))
        tilt, squash = rng.uniform(0, np.pi), rng.uniform(0.68, 0.85)
        along = (rows - y) * np.cos(tilt) + (columns - x) * np.sin(tilt)
        across = (columns - x) * np.cos(tilt) - (rows - y) * np.sin(tilt)
        inside = 1 / (1 + np.exp((np.hypot(along, across / squash) - 0.27 * size) / 1.2))
        texture = gaussian_filter(rng.normal(size=(side, side)), 2.5)
        bodies += cell * (0.05 + 0.04 * (1 - distance / reach).clip(0)) * (1 - 0.6 * inside)
        bodies += inside * (0.24 + 0.6 * texture)
        start = np.array([y, x]) + 0.3 * size * np.array([np.cos(tilt), np.sin(tilt)])
        for _ in range(80):
            heading = rng.uniform(0, 2 * np.pi)
            turns = rng.normal(0, 0.006) * np.arange(900)
            turns = turns + rng.normal(0, 0.05, size=900).cumsum() * 0.5
            steps = np.stack([np.cos(heading + turns), np.sin(heading + turns)], axis=1)
            path = start + rng.normal(0, 9, size=2) + 0.4 * steps.cumsum(axis=0)
            away = path - (y, x)
            left = np.hypot(*away.T) / border(np.arctan2(*away.T))
            path = path[: int(np.argmax(left > rng.uniform(0.75, 1.0))) or len(path)]
            over = inside[tuple(path.astype(int).clip(0, side - 1).T)]
            splat(thin, path, 0.4 * rng.uniform(0.4, 1.0) * (1 - 0.6 * over))
        away = rng.normal(0, 0.4 * size, size=(26, 2))
        within = np.hypot(*away.T) < 0.9 * border(np.arctan2(*away.T))
        splat(vesicles, away[within] + np.array([y, x]), rng.uniform(2, 9, size=26)[within])
    sharp = 0.6 * thin + vesicles
    seen = gaussian_filter(sharp, 1.1) + 0.35 * gaussian_filter(sharp, 9.0) + bodies
    return _stored(0.02 + 0.98 * seen / np.quantile(seen, 0.9995))


def moffat(side: int, width: float, power: float = 3.0) -> np.ndarray:
    """A star's image, ``[side, side]``, sum 1; ``width`` is the full width at half maximum."""
    rows, columns = np.mgrid[:side, :side] - side // 2
    core = width / 2 / np.sqrt(2 ** (1 / power) - 1)
    profile = (1 + (rows**2 + columns**2) / core**2) ** -power
    return profile / profile.sum()


def clouds(side: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose amplitude falls with frequency to the power of ``slope``; variance 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency**slope).real
    return (field - field.mean()) / field.std()


def sky(side: int = 384, seed: int = SEED) -> np.ndarray:
    """A spiral galaxy, a nebula, faint galaxies and stars, linear in light, ``[1, side, side]``.

    All is seen through a Moffat profile of 2.4 pixels.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side].astype(float)
    image = spiral(rows - 225, columns - 165, rng)
    mist = np.exp(-(((rows - 70) / 75) ** 2 + ((columns - 325) / 95) ** 2))
    image += 0.10 * mist * np.exp(0.9 * clouds(side, 1.6, rng)) / 1.5
    image *= 1 - 0.5 * mist * np.clip(clouds(side, 1.5, rng) - 0.3, 0, 1)
    for _ in range(14):
        y, x = rng.uniform(0, side, size=2)
        tilt, squash, size = rng.uniform(0, np.pi), rng.uniform(0.3, 1), rng.uniform(1.5, 4)
        along = (rows - y) * np.cos(tilt) + (columns - x) * np.sin(tilt)
        across = ((columns - x) * np.cos(tilt) - (rows - y) * np.sin(tilt)) / squash
        image += rng.uniform(0.04, 0.12) * np.exp(-np.sqrt(along**2 + across**2 + 0.3) / size)
    points = np.zeros((side, side))
    flux = 0.06 * rng.uniform(0.003, 1, size=220) ** (-1 / 1.1)
    splat(points, rng.uniform(2, side - 3, size=(220, 2)), flux)
    image = convolve(image + points, moffat(33, 2.4), mode="nearest")
    return _stored(0.012 + 1.35 * image)


def spiral(rows: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A galaxy with two arms, seen at an angle; coordinates are of its middle, in pixels."""
    tilt, squash, scale, pitch = 0.6, 0.62, 34.0, 0.30
    along = rows * np.sin(tilt) + columns * np.cos(tilt)
    across = (rows * np.cos(tilt) - columns * np.sin(tilt)) / squash
    radius, angle = np.hypot(along, across) + 1e-6, np.arctan2(across, along)
    phase = 2 * (angle - np.log(radius / 10) / np.tan(pitch))
    ruffled = phase + 0.8 * clouds(len(rows), 1.4, rng)
    arms = np.exp(2.2 * (np.cos(ruffled) - 1))
    disk = np.exp(-radius / scale) * (0.22 + 0.95 * arms * (1 - np.exp(-radius / 14)))
    dust = np.exp(5 * (np.cos(ruffled + 1.1) - 1)) * (1 - np.exp(-radius / 18))
    bright = np.clip(clouds(len(rows), 0.7, rng) - 1.5, 0, None) * arms * np.exp(-radius / 60)
    bulge = 0.85 * np.exp(-1.6 * np.sqrt(np.hypot(along, across * 0.8) / 6))
    return 0.36 * disk * (1 - 0.55 * dust) + 1.3 * bright * (radius > 12) + bulge


def _stored(values: np.ndarray) -> np.ndarray:
    """Clipped and rounded to 12 bits, in the upper bits of 16, as many cameras store them."""
    return np.round(4095 * values.clip(0, 1))[None] * 16 / 65535


#: by name: what makes it, and the type of its pixels
IMAGES: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "document": (document, "uint8"),
    "microscopy": (micrograph, "uint16"),
    "astronomy": (sky, "uint16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    out = parser.parse_args().out
    for name, (make, dtype) in IMAGES.items():
        images.write(out / f"{name}.png", images.Image(make().astype(np.float32), dtype=dtype))


if __name__ == "__main__":
    main()
