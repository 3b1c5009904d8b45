"""How an image is cut into overlapping tiles: whole numbers alone, no pixels."""

from __future__ import annotations

from typing import NamedTuple

from pnp_priors.errors import InputError

#: side of a tile, halo included; see docs/large-images.md for the memory that priors take with it
DEFAULT_TILE = 512


class Span(NamedTuple):
    """A stretch of one axis: ``start`` to ``stop`` is read, ``first`` to ``last`` of it is kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def read(self) -> slice:
        """What is read, in the image."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """What is kept, in the image."""
        return slice(self.first, self.last)

    @property
    def inside(self) -> slice:
        """What is kept, in what was read."""
        return slice(self.first - self.start, self.last - self.start)


class Tile(NamedTuple):
    """A rectangle of an image."""

    rows: Span
    columns: Span

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is read."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def least_tile(halo: int, multiple: int = 1) -> int:
    """The smallest tile of which something is left between its halos."""
    return 2 * halo + multiple


def check_tile(tile: int, halo: int, multiple: int = 1) -> None:
    """Refuse a tile that cannot be.

    :raises InputError: no whole number, or nothing is left between the halos.
    """
    if not isinstance(tile, int) or isinstance(tile, bool):
        raise InputError(f"tile is a whole number of pixels, got {tile!r}")
    least = least_tile(halo, multiple)
    if tile < least:
        raise InputError(
            f"tile: {tile} pixels leave nothing between halos of {halo} on each side; "
            f"at least {least}"
        )


def spans(size: int, tile: int, halo: int, multiple: int = 1) -> list[Span]:
    """Cut one axis: every pixel is kept once, and has its halo in what is read, or the border.

    All tiles start at a multiple of ``multiple`` and all but the last end at one. As few as
    possible, and no longer than their number asks for: 600 pixels with a halo of 50 are two tiles
    of 350 each, not one of 512 and a rest.

    :param size: of the image along this axis.
    :param tile: largest length that is read, halo included.
    :param halo: pixels beyond what is kept, except at the image's borders; rounded up to a
        multiple of ``multiple``.
    :param multiple: side of the cells that a prior works in.
    :raises InputError: see :func:`check_tile`.
    """
    halo += -halo % multiple
    check_tile(tile, halo, multiple)
    if size <= tile:
        return [Span(0, size, 0, size)]
    tile -= tile % multiple
    count = 1 + -(-(size - tile) // (tile - 2 * halo))
    length = -(-(size + (count - 1) * 2 * halo) // count)
    length += -length % multiple
    step = length - 2 * halo
    cut = []
    for start in range(0, count * step, step):
        final = start == (count - 1) * step
        first = start + halo if start else 0
        stop, last = (size, size) if final else (start + length, start + length - halo)
        cut.append(Span(start, stop, first, last))
    return cut


def grid(height: int, width: int, tile: int, halo: int, multiple: int = 1) -> list[Tile]:
    """Cut an image, see :func:`spans`; row by row from the upper left.

    :raises InputError: see :func:`check_tile`.
    """
    across = spans(width, tile, halo, multiple)
    return [
        Tile(rows, columns) for rows in spans(height, tile, halo, multiple) for columns in across
    ]
