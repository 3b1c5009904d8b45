"""Images in tiles, as :mod:`pnp_priors.tiles` cuts them, for functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.tiles.grid import DEFAULT_TILE, Span, Tile, check_tile, grid


class Cells(Protocol):
    """Of a prior: what its tiles need, see :class:`pnp_priors.priors.base.Prior`."""

    @property
    def halo(self) -> int: ...
    @property
    def size_multiple(self) -> int: ...


def in_tiles(
    function: Callable[[np.ndarray, Tile], np.ndarray],
    image: np.ndarray,
    cut: Sequence[Tile],
    progress: Progress | None = None,
) -> np.ndarray:
    """Apply a function of images tile by tile.

    :param function: maps ``[1, C, h, w]`` and the tile that it is to an array of that shape.
    :param image: ``[B, C, H, W]``.
    :param cut: tiles of one image, see :func:`cut_up`.
    :param progress: told after each tile how many are finished, and how many there are.
    """
    restored = np.empty_like(image)
    done, total = 0, len(image) * len(cut)
    for before, after in zip(image, restored, strict=True):
        for tile in cut:
            rows, columns = tile
            part = np.ascontiguousarray(before[:, rows.read, columns.read])[None]
            found = function(part, tile)[0]
            if found.shape != part.shape[1:]:
                raise InputError(f"tiles keep their shape {part.shape[1:]}, got {found.shape}")
            after[:, rows.kept, columns.kept] = found[:, rows.inside, columns.inside]
            done += 1
            if progress is not None:
                progress(done, total)
    return restored


def cut_up(
    size: tuple[int, int], side: int, halo: int, multiple: int, fixed: bool = False
) -> list[Tile]:
    """Tiles of an image of this height and width.

    :param fixed: of ``side`` pixels all, but for the rest of a cell at the end, so that a GPU keeps
        memory for few sizes; they overlap more, then.
    :raises InputError: a side too small for the halo.
    """
    if not fixed:
        return grid(*size, side, halo, multiple)
    rows, columns = (_fixed_spans(length, side, halo, multiple) for length in size)
    return [Tile(row, column) for row in rows for column in columns]


def _fixed_spans(size: int, side: int, halo: int, multiple: int) -> list[Span]:
    halo += -halo % multiple
    check_tile(side, halo, multiple)
    side -= side % multiple
    if size <= side:
        return [Span(0, size, 0, size)]
    # The last one starts as late as its cells allow.
    final = (size - side) // multiple * multiple
    starts = [*range(0, final, side - 2 * halo), final]
    spans = []
    kept = 0
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        stop, last = (size, size) if following is None else (start + side, start + side - halo)
        spans.append(Span(start, stop, kept, last))
        kept = last
    return spans


def denoise_in_tiles(
    prior: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    image: np.ndarray,
    sigma: np.ndarray | None,
    cells: Cells,
    side: int = DEFAULT_TILE,
    progress: Progress | None = None,
    fixed: bool = False,
) -> np.ndarray:
    """Denoise an image of any size in tiles; equal to denoising it whole, to rounding.

    :param prior: of images ``[1, C, h, w]`` and levels ``[1]`` or ``[1, 1, h, w]``.
    :param image: ``[B, C, H, W]``.
    :param sigma: ``[B]``, or a map ``[1 or B, 1, H, W]``; ``None`` where the prior takes none.
    :param cells: the prior's own.
    """
    height, width = image.shape[-2:]
    spread = sigma is not None and sigma.ndim == 4
    # A map needs a pixel beyond what the inside depends on, for its peak.
    halo = cells.halo + (cells.size_multiple if spread else 0)
    cut = cut_up((height, width), side, halo, cells.size_multiple, fixed)
    parts = []
    for index, one in enumerate(image):
        level = None if sigma is None else sigma[index % len(sigma)]

        def denoise(x: np.ndarray, tile: Tile, level: np.ndarray | None = level) -> np.ndarray:
            if level is None or not spread:
                return prior(x, None if level is None else np.reshape(level, 1))
            return prior(x, _with_peak(level, tile)[None])

        def step(done: int, total: int, index: int = index) -> None:
            if progress is not None:
                progress(index * total + done, len(image) * total)

        parts.append(in_tiles(denoise, one[None], cut, step))
    return np.concatenate(parts)


def _with_peak(level: np.ndarray, tile: Tile) -> np.ndarray:
    """A tile's part of a map ``[1, H, W]``, with the map's peak at a pixel outside of the halos.

    The largest level decides how a prior rescales the image, so that each tile has to know it.
    """
    rows, columns = tile
    part = level[:, rows.read, columns.read].copy()
    beyond = (
        (rows.start > 0, 0, 0),
        (rows.stop < level.shape[-2], -1, 0),
        (columns.start > 0, 0, 0),
        (columns.stop < level.shape[-1], 0, -1),
    )
    for there, row, column in beyond:
        if there:
            part[:, row, column] = level.max()
            break
    return part
