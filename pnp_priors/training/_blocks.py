"""What rendered pages consist of: paragraphs, headings, tables, code, forms, charts, pictures.

Each block is a function of a sheet and of the box that it fills; its size follows the sheet's line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from PIL import Image, ImageDraw, ImageFont

from pnp_priors.training import _text
from pnp_priors.training.fonts import Weight, font

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """Pixels ``left <= x < right``, ``top <= y < bottom`` of a sheet."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """As Pillow draws it: whole pixels, the last ones inside, never turned over."""
        left, top = round(self.left), round(self.top)
        return left, top, max(left, round(self.right) - 1), max(top, round(self.bottom) - 1)

    def inset(self, across: float, down: float | None = None) -> Box:
        """A box inside, by so much on each side."""
        down = across if down is None else down
        return Box(self.left + across, self.top + down, self.right - across, self.bottom - down)


@dataclass(frozen=True)
class Look:
    """The families, the size of the text in pixels per em, and the colours of a page."""

    family: str
    headings: str
    mono: str
    size: float
    ink: Colour
    paper: Colour
    accent: Colour
    spacing: float
    justified: bool

    @property
    def line(self) -> float:
        """Pixels from one line to the next."""
        return self.size * self.spacing

    @property
    def faint(self) -> Colour:
        """Between ink and paper, for rules and what is less important."""
        return mixed(self.ink, self.paper, 0.6)

    @property
    def tint(self) -> Colour:
        """Nearly paper, for areas."""
        return mixed(self.paper, self.accent, 0.12)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` of the other colour in one."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue


class Sheet:
    """A page while it is drawn: an image, the look of what comes next, all random numbers."""

    def __init__(self, image: Image.Image, look: Look, rng: Random) -> None:
        self.image, self.look, self.rng = image, look, rng
        self.draw = ImageDraw.Draw(image)

    def inverted(self) -> Sheet:
        """The same sheet with ink and paper exchanged."""
        look = replace(self.look, ink=self.look.paper, paper=self.look.ink)
        sheet = Sheet(self.image, look, self.rng)
        sheet.draw.fontmode = self.draw.fontmode
        return sheet

    def fill(self, box: Box, colour: Colour | None, edge: Colour | None = None) -> None:
        """A rectangle, its corners round now and then."""
        radius = self.rng.choice((0, 0, 3, 6))
        self.draw.rounded_rectangle(box.corners, radius, fill=colour, outline=edge)

    def rule(self, box: Box, y: float) -> None:
        """A horizontal line across a box."""
        thickness = 1 if self.rng.random() < 0.8 else 2
        self.draw.line((box.left, y, box.right, y), self.look.faint, thickness)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        width: float,
        face: ImageFont.FreeTypeFont | None = None,
        colour: Colour | None = None,
        align: float = 0.0,
    ) -> float:
        """One line, cut where it leaves ``width``; its own width.

        :param align: 0 at the left of the width, 0.5 in its middle, 1 at its right.
        """
        face = face or self.face()
        length = face.getlength(words)
        if length > width:
            words = words[: int(len(words) * max(width, 0) / length)]
            length = face.getlength(words)
        # Parts of a pixel are kept: they decide how the outlines are antialiased.
        self.draw.text((x + align * (width - length), y), words, colour or self.look.ink, face)
        return length

    def face(self, weight: Weight = "regular", scale: float = 1.0) -> ImageFont.FreeTypeFont:
        """The text's font."""
        return font(self.look.family, weight, round(2 * scale * self.look.size) / 2)

    def rows(self, box: Box, height: float) -> Iterator[Box]:
        """The box cut into rows of this height."""
        for index in range(int(box.height / height + 1e-6)):
            top = box.top + index * height
            yield Box(box.left, top, box.right, top + height)


def paragraph(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    face = sheet.face(rng.choices(("regular", "italic", "bold"), (12, 1, 1))[0])
    space = face.getlength("n") * rng.uniform(0.45, 0.6)
    words: list[str] = []
    indent = look.size * rng.choice((0, 1.5))
    for row in sheet.rows(box, look.line):
        line: list[tuple[str, float]] = []
        left, room = row.left + indent, row.width - indent
        indent = 0.0
        while True:
            if not words:
                words = _text.sentence(rng)
            length = face.getlength(words[0])
            if line and room < length:
                break
            line.append((words.pop(0), length))
            room -= length + space
            if room < 0:
                break
        loose = max(0.0, room + space) / max(1, len(line) - 1) if look.justified else 0.0
        for word, length in line:
            if left + length > row.right + 1:
                break
            sheet.draw.text((left, row.top), word, look.ink, face)
            left += length + space + loose


def heading(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    size = round(2 * min(0.7 * box.height, look.size * rng.uniform(1.2, 2.6))) / 2
    face = font(look.headings, rng.choice(("bold", "bold", "regular")), max(6.0, size))
    colour = look.accent if rng.random() < 0.3 else look.ink
    words = _text.phrase(rng, 2, 6)
    if rng.random() < 0.3:
        words = f"{rng.randint(1, 9)}.{rng.randint(1, 9)} {words}"
    sheet.text(box.left, box.top, words, box.width, face, colour, rng.choice((0, 0, 0.5)))
    if rng.random() < 0.3:
        sheet.rule(box, box.top + 1.3 * size)


def bullets(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    kind = rng.choice(("dot", "square", "number", "dash"))
    for index, row in enumerate(sheet.rows(box, 1.15 * look.line), 1):
        y = row.top + 0.6 * look.size
        mark = 0.16 * look.size
        spot = (row.left + mark, y - mark, row.left + 3 * mark, y + mark)
        if kind == "dot":
            sheet.draw.ellipse(spot, look.ink)
        elif kind == "square":
            sheet.draw.rectangle(spot, look.accent)
        else:
            sheet.text(row.left, row.top, f"{index}." if kind == "number" else "-", row.width)
        left = row.left + 1.6 * look.size
        sheet.text(left, row.top, _text.phrase(rng, 3, 12), row.right - left)


def table(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    columns = max(2, min(6, round(box.width / (look.size * rng.uniform(5, 9)))))
    grid = rng.choice(("all", "rows", "outer", "zebra", "none"))
    height = look.line * rng.uniform(1.1, 1.5)
    widths = [rng.uniform(0.7, 1.3) for _ in range(columns)]
    edges = [box.left + box.width * sum(widths[:i]) / sum(widths) for i in range(columns + 1)]
    texts = [rng.random() < 0.4 for _ in range(columns)]
    rows, shaded = list(sheet.rows(box, height)), rng.random() < 0.4
    for index, row in enumerate(rows):
        if (index == 0 and shaded) or (grid == "zebra" and index % 2):
            sheet.draw.rectangle(row.corners, look.tint)
        if grid in ("all", "rows") or index == 1:
            sheet.rule(row, row.top)
        for left, right, words in zip(edges[:-1], edges[1:], texts, strict=True):
            cell = Box(left, row.top, right, row.bottom).inset(0.3 * look.size, 0)
            wordy = words or index == 0
            content = _text.phrase(rng, 1, 2) if wordy else _text.number(rng)
            face = sheet.face("bold" if index == 0 else "regular")
            y = cell.top + 0.5 * (height - 1.2 * look.size)
            sheet.text(cell.left, y, content, cell.width, face, align=0 if wordy else 1)
    if rows and grid in ("all", "outer"):
        bottom = rows[-1].bottom
        sheet.draw.rectangle(replace(box, bottom=bottom).corners, outline=look.faint)
        if grid == "all":
            for x in edges[1:-1]:
                sheet.draw.line((x, box.top, x, bottom), look.faint)


def code(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    face = font(look.mono, "regular", round(2 * 0.95 * look.size) / 2)
    if rng.random() < 0.5:
        sheet.fill(box, look.tint, look.faint)
    inside = box.inset(0.5 * look.size)
    coloured, numbered, indent = rng.random() < 0.5, rng.random() < 0.4, 0
    for index, row in enumerate(sheet.rows(inside, look.line), 1):
        left = row.left
        if numbered:
            sheet.text(left, row.top, f"{index:>3}", row.width, face, look.faint)
            left += face.getlength("0000 ")
        indent = max(0, min(4, indent + rng.choice((-1, 0, 0, 1))))
        left += indent * face.getlength("    ")
        colour = rng.choice((look.ink, look.accent, look.faint)) if coloured else look.ink
        if rng.random() > 0.1:
            sheet.text(left, row.top, _text.code(rng), row.right - left, face, colour)


def form(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    label = box.width * rng.uniform(0.2, 0.4)
    for row in sheet.rows(box, 1.7 * look.line):
        kind = rng.choice(("field", "field", "field", "box", "button"))
        y = row.top + 0.3 * look.line
        face = sheet.face()
        if kind == "box":
            mark = Box(row.left, y, row.left + look.size, y + look.size)
            sheet.draw.rectangle(mark.corners, outline=look.ink)
            if rng.random() < 0.5:
                sheet.draw.line((*mark.corners[:2], *mark.corners[2:]), look.ink, 2)
            sheet.text(mark.right + 0.5 * look.size, y, _text.phrase(rng, 2, 6), row.width - 30)
            continue
        if kind == "button":
            words = _text.phrase(rng, 1, 2)
            width = face.getlength(words) + 2 * look.size
            sheet.fill(Box(row.left, row.top, row.left + width, row.bottom - 3), look.accent)
            sheet.text(row.left, y, words, width, face, look.paper, 0.5)
            continue
        sheet.text(row.left, y, _text.phrase(rng, 1, 2) + ":", label)
        field = Box(row.left + label, row.top, row.right, row.bottom - 3)
        sheet.fill(field, None, look.faint)
        content = _text.number(rng) if rng.random() < 0.5 else _text.phrase(rng, 1, 4)
        if rng.random() < 0.8:
            sheet.text(field.left + 0.5 * look.size, y, content, field.width - look.size)


def chart(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    face = sheet.face(scale=0.75)
    area = Box(box.left + 2.5 * look.size, box.top, box.right, box.bottom - 1.3 * look.size)
    ticks = rng.randint(3, 6)
    for index in range(ticks + 1):
        y = area.bottom - index * area.height / ticks
        if rng.random() < 0.8:
            sheet.draw.line((area.left, y, area.right, y), look.tint)
        sheet.text(box.left, y - 0.5 * look.size, str(10 * index), 2.2 * look.size, face, align=1)
        x = area.left + index * area.width / ticks
        sheet.text(x - look.size, area.bottom + 2, str(index), 2 * look.size, face, align=0.5)
    colours = (look.accent, look.ink, look.faint)
    if rng.random() < 0.5:
        count = rng.randint(4, 14)
        for index in range(count):
            left = area.left + (index + 0.15) * area.width / count
            top = area.bottom - rng.uniform(0.05, 0.95) * area.height
            bar = Box(left, top, left + 0.7 * area.width / count, area.bottom)
            sheet.draw.rectangle(bar.corners, colours[index % 2])
    else:
        for colour in colours[: rng.randint(1, 3)]:
            phase, rate = rng.uniform(0, 6), rng.uniform(2, 12)
            points = [
                (
                    area.left + t * area.width,
                    area.top
                    + area.height * (0.5 + 0.35 * math.sin(rate * t + phase) + rng.gauss(0, 0.02)),
                )
                for t in (step / 60 for step in range(61))
            ]
            sheet.draw.line(points, colour, rng.choice((1, 1, 2, 3)))
    sheet.draw.line((area.left, area.top, area.left, area.bottom), look.ink)
    sheet.draw.line((area.left, area.bottom, area.right, area.bottom), look.ink)


def picture(sheet: Sheet, box: Box) -> None:
    """A smooth gradient with some shapes, and a caption."""
    look, rng = sheet.look, sheet.rng
    frame = replace(box, bottom=box.bottom - 1.4 * look.line)
    left, top, right, bottom = frame.corners
    gradient = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270)))
    gradient = gradient.resize((right - left + 1, bottom - top + 1))
    one, other = (Image.new("RGB", gradient.size, c) for c in (look.accent, look.tint))
    sheet.image.paste(Image.composite(one, other, gradient), (left, top))
    for _ in range(rng.randint(0, 3)):
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        radius = 0.4 * min(x - left, right - x, y - top, bottom - y)
        shape = rng.choice((sheet.draw.ellipse, sheet.draw.rectangle))
        shape((x - radius, y - radius, x + radius, y + radius), rng.choice((look.ink, look.paper)))
    sheet.draw.rectangle(frame.corners, outline=look.faint)
    caption = f"Figure {rng.randint(1, 12)}: {_text.phrase(rng, 3, 9)}"
    face = sheet.face(rng.choice(("regular", "italic")), 0.85)
    sheet.text(box.left, frame.bottom + 0.2 * look.line, caption, box.width, face)


def barcode(sheet: Sheet, box: Box) -> None:
    look, rng = sheet.look, sheet.rng
    module, x = rng.choice((1, 2, 3)), box.left
    end = box.left + min(box.width, 12 * look.size)
    while x < end:
        bar = module * rng.randint(1, 3)
        lines = Box(x, box.top, min(x + bar, end), box.bottom - 1.2 * look.line)
        sheet.draw.rectangle(lines.corners, look.ink)
        x += bar + module * rng.randint(1, 3)
    digits = str(rng.randrange(10**9, 10**10))
    sheet.text(box.left, box.bottom - 1.1 * look.line, digits, end - box.left, align=0.5)


def notice(sheet: Sheet, box: Box) -> None:
    """A block in exchanged colours: text or code in a filled area."""
    other = sheet.inverted()
    other.fill(box, other.look.paper)
    content = sheet.rng.choice((paragraph, bullets, code, heading))
    content(other, box.inset(0.7 * sheet.look.size, 0.5 * sheet.look.size))


def gap(sheet: Sheet, box: Box) -> None:
    """Nothing, or a rule."""
    if sheet.rng.random() < 0.4:
        sheet.rule(box, 0.5 * (box.top + box.bottom))


@dataclass(frozen=True)
class Block:
    """How a block is drawn, and the lines that it takes, fewest and most."""

    draw: Callable[[Sheet, Box], None]
    lines: tuple[float, float]


BLOCKS = {
    "paragraph": Block(paragraph, (3, 9)),
    "heading": Block(heading, (1.5, 3)),
    "bullets": Block(bullets, (3, 7)),
    "table": Block(table, (4, 9)),
    "code": Block(code, (4, 10)),
    "form": Block(form, (4, 9)),
    "chart": Block(chart, (7, 12)),
    "picture": Block(picture, (5, 10)),
    "barcode": Block(barcode, (3, 4)),
    "notice": Block(notice, (2.5, 6)),
    "gap": Block(gap, (0.6, 1.5)),
}


def flow(sheet: Sheet, box: Box, shares: dict[str, float]) -> None:
    """Fill a column from the top with blocks, drawn by their shares."""
    names, weights = list(shares), list(shares.values())
    line, y = sheet.look.line, box.top
    while box.bottom - y > 1.5 * line:
        block = BLOCKS[sheet.rng.choices(names, weights)[0]]
        height = min(line * sheet.rng.uniform(*block.lines), box.bottom - y)
        if height >= line * block.lines[0]:
            block.draw(sheet, Box(box.left, y, box.right, y + height))
            y += height + 0.5 * line
        else:  # too little is left for this one
            paragraph(sheet, Box(box.left, y, box.right, box.bottom))
            y = box.bottom
