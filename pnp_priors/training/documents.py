"""Pages of documents and screens, rendered with real fonts: honest training images by the seed.

Articles, letters and forms, slides, program windows, terminals, in light and dark; as a screen
shows them, pixel by pixel, or as a scanner does: drawn larger, turned a little and reduced. The
text is random (:mod:`pnp_priors.training._text`); the fonts are free ones of installed packages
(:mod:`pnp_priors.training.fonts`). Another FreeType may move single gray levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from pnp_priors.training import _text
from pnp_priors.training._blocks import Box, Colour, Look, Sheet, flow, mixed
from pnp_priors.training.fonts import TRAINING, family

#: width and height of pages
SIDES = (256, 544)
#: text in pixels per em on the page
SIZES = (7.0, 24.0)
SLIDE_SIZES = (18.0, 40.0)

ARTICLE = {
    "paragraph": 8,
    "heading": 2,
    "bullets": 1,
    "table": 1,
    "chart": 0.7,
    "picture": 0.5,
    "code": 0.4,
    "notice": 0.4,
    "gap": 0.5,
}
LETTER = {"paragraph": 2, "heading": 1, "form": 3, "table": 3, "barcode": 0.7, "gap": 1}
SLIDE = {"heading": 3, "bullets": 4, "chart": 1.5, "picture": 1, "notice": 1, "table": 0.7}
WINDOW = {
    "form": 3,
    "table": 3,
    "paragraph": 2,
    "heading": 1.5,
    "notice": 1,
    "chart": 1,
    "code": 1,
    "picture": 0.6,
}
TERMINAL = {"code": 6, "paragraph": 0.5, "table": 0.5}


def article(sheet: Sheet, box: Box) -> None:
    """One to three columns under a title."""
    rng, size = sheet.rng, sheet.look.size
    body = box.inset(rng.uniform(0.03, 0.1) * box.width, rng.uniform(0.5, 2) * size)
    if rng.random() < 0.4:
        flow(sheet, replace(body, bottom=body.top + 2.5 * sheet.look.line), {"heading": 1})
        body = replace(body, top=body.top + 3 * sheet.look.line)
    columns = max(1, min(rng.choice((1, 1, 2, 2, 3)), int(body.width / (11 * size))))
    space = rng.uniform(1, 2.5) * size
    width = (body.width - (columns - 1) * space) / columns
    for index in range(columns):
        left = body.left + index * (width + space)
        flow(sheet, Box(left, body.top, left + width, body.bottom), ARTICLE)


def letter(sheet: Sheet, box: Box) -> None:
    """A form or an invoice."""
    flow(sheet, box.inset(0.06 * box.width, sheet.look.size), LETTER)


def slide(sheet: Sheet, box: Box) -> None:
    """Large text, few lines."""
    flow(sheet, box.inset(0.05 * box.width, 0.5 * sheet.look.size), SLIDE)


def window(sheet: Sheet, box: Box) -> None:
    """A program's window: title, menu, perhaps a list at the side, content."""
    look, rng = sheet.look, sheet.rng
    bar = replace(box, bottom=box.top + 1.8 * look.line)
    title = sheet.inverted() if rng.random() < 0.5 else sheet
    title.draw.rectangle(bar.corners, title.look.tint)
    title.text(bar.left + look.size, bar.top + 0.4 * look.line, _text.phrase(rng, 1, 4), box.width)
    for index in range(3):
        x = bar.right - (index + 1) * 1.6 * look.size
        spot = Box(x, bar.top + 0.5 * look.size, x + look.size, bar.top + 1.5 * look.size)
        (sheet.draw.ellipse if rng.random() < 0.5 else sheet.draw.rectangle)(
            spot.corners, outline=title.look.ink
        )
    left, top = bar.left + 0.5 * look.size, bar.bottom + 0.2 * look.line
    for _ in range(rng.randint(2, 7)):
        left += look.size + sheet.text(left, top, _text.phrase(rng, 1, 1), bar.right - left)
    sheet.rule(box, top + 1.2 * look.line)
    content = replace(box, top=top + 1.4 * look.line)
    if rng.random() < 0.5 and content.width > 14 * look.size:
        side = replace(content, right=content.left + content.width * rng.uniform(0.2, 0.35))
        sheet.draw.rectangle(side.corners, look.tint)
        flow(sheet, side.inset(0.5 * look.size), {"bullets": 3, "heading": 1})
        content = replace(content, left=side.right)
    flow(sheet, content.inset(0.8 * look.size), WINDOW)


def terminal(sheet: Sheet, box: Box) -> None:
    """Program text."""
    flow(sheet, box.inset(0.4 * sheet.look.size), TERMINAL)


#: kinds of pages, and their shares
KINDS: dict[Callable[[Sheet, Box], None], float] = {
    article: 5,
    letter: 2,
    slide: 1.5,
    window: 3.5,
    terminal: 1.5,
}


def _near(rng: Random, level: float) -> Colour:
    """A gray level with a touch of colour."""
    red, green, blue = (min(255, max(0, round(level + rng.gauss(0, 4)))) for _ in range(3))
    return red, green, blue


def _colours(rng: Random, dark: bool) -> tuple[Colour, Colour, Colour]:
    """Ink, paper and a strong colour that both can be told from."""
    paper: Colour = (255, 255, 255)
    if rng.random() < 0.5:
        paper = _near(rng, rng.uniform(215, 255))
    ink: Colour = (0, 0, 0)
    if rng.random() < 0.6:
        ink = _near(rng, rng.choice((rng.uniform(0, 60), rng.uniform(60, 130))))
    accent = mixed(_near(rng, 110), rng.choice(((220, 30, 30), (20, 60, 220), (20, 150, 60))), 0.8)
    return (paper, mixed(ink, paper, 0.08), accent) if dark else (ink, paper, accent)


def _look(rng: Random, families: Sequence[str], kind: Callable, scale: float) -> Look:
    text = [name for name in families if family(name).kind != "mono"]
    mono = [name for name in families if family(name).kind == "mono"] or text
    low, high = SLIDE_SIZES if kind is slide else SIZES
    dark = rng.random() < {window: 0.35, terminal: 0.6, slide: 0.3}.get(kind, 0.05)
    ink, paper, accent = _colours(rng, dark)
    chosen = rng.choice(mono if rng.random() < 0.1 else text or mono)
    return Look(
        family=chosen,
        headings=rng.choice(text or mono) if rng.random() < 0.4 else chosen,
        mono=rng.choice(mono),
        size=round(2 * scale * low * (high / low) ** rng.random()) / 2,
        ink=ink,
        paper=paper,
        accent=accent,
        spacing=rng.uniform(1.15, 1.6),
        justified=rng.random() < 0.5,
    )


def page(seed: str, families: Sequence[str] = TRAINING) -> Image.Image:
    """One page, RGB, 256 to 544 pixels wide and high.

    :param seed: decides everything about it.
    :param families: the fonts to choose from, names of :data:`fonts.FAMILIES`.
    :raises UnknownNameError, MissingExtraError, MissingFileError: a font that is not there.
    """
    rng = Random(seed)
    width, height = rng.randint(*SIDES), rng.randint(*SIDES)
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    scanned = rng.random() < 0.4
    scale = rng.uniform(1.3, 2.5) if scanned else 1.0
    look = _look(rng, families, kind, scale)
    image = Image.new("RGB", (round(scale * width), round(scale * height)), look.paper)
    sheet = Sheet(image, look, rng)
    if not scanned and rng.random() < 0.1:
        sheet.draw.fontmode = "1"  # not antialiased
    kind(sheet, Box(0, 0, image.width, image.height))
    return _scan(image, (width, height), look.paper, rng) if scanned else image


def _scan(image: Image.Image, size: tuple[int, int], paper: Colour, rng: Random) -> Image.Image:
    """Turned a little, reduced, and now and then a little blurred."""
    if rng.random() < 0.6:
        image = image.rotate(rng.gauss(0, 1.2), Image.Resampling.BICUBIC, fillcolor=paper)
    kernels = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    image = image.resize(size, rng.choice(kernels))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    return image


def pages(
    count: int, seed: int, channels: int, families: Sequence[str] = TRAINING
) -> Iterator[np.ndarray]:
    """So many pages as uint8 ``[channels, H, W]``; more of them begin with the same ones.

    :param channels: 3, or 1 for ITU-R 601 luma.
    :raises UnknownNameError, MissingExtraError, MissingFileError: a font that is not there.
    """
    for index in range(count):
        image = page(f"{seed}/{index}", families)
        array = np.array(image.convert("L" if channels == 1 else "RGB"))
        yield array[None] if channels == 1 else np.moveaxis(array, -1, 0)


#: what a recipe's source may name under ``rendered``
RENDERED: dict[str, Callable[[int, int, int], Iterator[np.ndarray]]] = {"documents": pages}
