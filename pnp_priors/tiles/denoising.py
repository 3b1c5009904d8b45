"""Denoising in tiles: the same as of the whole image, in memory that its size does not decide.

The whole image counts in one place besides its pixels: where a map of noise levels exceeds the
trained range, the image is rescaled by the map's largest value. Each tile is told that value by a
pixel of its map that lies beyond the halo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior, Sigma, _check_level
from pnp_priors.tiles.arrays import Array, batched, check_out, extremes, like, read, write
from pnp_priors.tiles.grid import DEFAULT_TILE, Tile, check_tile, grid

Photo = TypeVar("Photo", Tensor, np.ndarray)
#: called with the number of finished tiles and of all of them
Progress = Callable[[int, int], None]
#: a tile of one image of a batch
Place = tuple[int, Tile]


def in_tiles(
    function: Callable[[Tensor], Tensor],
    image: Photo,
    halo: int,
    tile: int = DEFAULT_TILE,
    multiple: int = 1,
    batch: int = 1,
    out: Array | None = None,
    progress: Progress | None = None,
    device: str | torch.device | None = None,
) -> Photo:
    """Apply any function of images tile by tile.

    :param function: maps ``[n, C, h, w]`` to the same shape; each call gets tiles of one size.
    :param image: ``[H, W]``, ``[C, H, W]`` or ``[B, C, H, W]``, floating point; a tensor or an
        array, also a memory-mapped one, of which a tile at a time is copied.
    :param halo: pixels around what is kept of a tile; see
        :func:`pnp_priors.tiles.solver_halo` for iterative solvers.
    :param tile: largest side of a tile in pixels, halo included.
    :param multiple: tiles start at multiples of this, and end at one or with the image.
    :param batch: tiles in a call, of whichever images.
    :param out: where to write, of the image's shape; by default a new array like the image, in
        memory.
    :param progress: called after each call with the number of finished tiles and of all.
    :param device: where the function wants its tiles; by default they stay where the image is.
    :returns: ``out``, or the new array.
    :raises InputError: an image, tile or ``out`` that cannot be used.
    """
    return _run(lambda x, _: function(x), image, halo, tile, multiple, batch, out, progress, device)


def tiled(
    prior: Prior,
    image: Photo,
    sigma: Sigma | None = None,
    table: Any = None,
    tile: int = DEFAULT_TILE,
    batch: int = 1,
    out: Array | None = None,
    progress: Progress | None = None,
) -> Photo:
    """Denoise an image of any size in tiles; equal to denoising it whole, to rounding.

    Besides image and result, memory is that of ``batch`` tiles (see
    :func:`pnp_priors.tiles.tile_side`); memory-mapped images and results are not held at all. Tiles
    are moved to the prior's device one call at a time.

    :param prior: any prior whose receptive field is limited.
    :param image: as for :func:`in_tiles`; in [0, 1] plus noise.
    :param sigma: as the prior takes it; a map may also be a (memory-mapped) array, and has as many
        axes as the image where that has less than four.
    :param table: of a JPEG image, for a prior that takes one.
    :param tile: largest side of a tile in pixels, halo included.
    :param batch, out, progress: as for :func:`in_tiles`.
    :returns: ``out``, or a new array like the image.
    :raises InputError: a prior that looks at the whole image, a tile too small for its halo, or
        what the prior itself refuses.
    """
    view = batched(image)
    halo, multiple = tile_halo(prior, tile), prior.size_multiple
    shape = cast(tuple[int, ...], tuple(view.shape))
    levels = _Levels.of(prior, sigma, shape, batched_axes=4 - image.ndim)
    tables = None if table is None else _tables(prior, table, shape[0])

    def denoise(x: Tensor, places: Sequence[Place]) -> Tensor:
        level = levels.at(places, shape[-2:])
        if tables is None:
            return prior(x, level)
        chosen = tables[[index % len(tables) for index, _ in places]]
        return prior(x, level, table=chosen)

    if levels.varies:
        halo += multiple
    device = next(prior.parameters()).device
    return _run(denoise, image, halo, tile, multiple, batch, out, progress, device)


def tile_halo(prior: Prior, tile: int) -> int:
    """The prior's halo, once it is sure that it has one and that ``tile`` has room for it.

    Room for a map of noise levels is asked for in any case: a cell more on each side.

    :raises InputError: says which prior cannot be tiled and why, or the smallest tile.
    """
    if not isinstance(prior, Prior):
        raise InputError(
            f"expected a prior of pnp_priors, got {type(prior).__name__}; "
            "in_tiles takes any function, and its halo"
        )
    halo = prior.halo
    check_tile(tile, halo + prior.size_multiple, prior.size_multiple)
    return halo


class Tiled(Prior):
    """A prior that restores in tiles: for deepinv's solvers, and wherever else a prior goes.

    It says of itself what the prior inside, ``tiled.prior``, says.

    :param prior: any prior whose receptive field is limited.
    :param tile: largest side of a tile in pixels, halo included.
    :param batch: tiles in a call of the prior.
    :raises InputError: a prior that looks at the whole image, or a tile too small for its halo.
    """

    def __init__(self, prior: Prior, tile: int = DEFAULT_TILE, batch: int = 1) -> None:
        tile_halo(prior, tile)
        _check_batch(batch)
        super().__init__(prior.channels, prior.sigma_range, prior.blind)
        self.prior, self.tile, self.batch = prior, tile, batch
        self._say_as(prior)
        self.train(prior.training)

    @property
    def receptive_field(self) -> int | None:
        return self.prior.receptive_field

    @property
    def halo(self) -> int:
        return self.prior.halo

    def forward(self, x: Tensor, sigma: Sigma | None = None, table: Any = None) -> Tensor:
        """Denoise a batch; see :meth:`pnp_priors.priors.base.Prior.forward` and :func:`tiled`."""
        self._check_image(x)
        return tiled(self.prior, x, sigma, table, self.tile, self.batch)

    def _estimate(self, x: Tensor) -> Tensor:
        return in_tiles(
            self.prior._estimate, x, self.halo, self.tile, self.size_multiple, self.batch
        )


class _Levels:
    """Noise levels, checked, by image and tile.

    :param values: ``[1 or B, 1, 1, 1]``, or a map ``[1 or B, 1 or C, H, W]``; ``None`` where the
        prior is not told.
    :param peaks: largest value of each map, ``[1 or B]``.
    """

    def __init__(self, values: Array | None, peaks: Tensor | None = None) -> None:
        self.values, self.peaks = values, peaks

    @property
    def varies(self) -> bool:
        """Whether it is a map, so that tiles need a pixel beyond their halo."""
        return self.peaks is not None

    @classmethod
    def of(
        cls, prior: Prior, sigma: Sigma | None, shape: tuple[int, ...], batched_axes: int
    ) -> _Levels:
        """All that a prior takes, for images of this shape ``[B, C, H, W]``.

        :param batched_axes: how many of the four axes the caller's image lacks.
        :raises InputError: what the prior would refuse.
        """
        dtype = next(prior.parameters()).dtype
        # Of the shape, and of one value: checks look at the shape.
        image = torch.zeros((), dtype=dtype).expand(shape)
        prior._check_image(image)
        if sigma is None and prior.estimates_sigma:
            return cls(None)
        if isinstance(sigma, Tensor | np.ndarray) and 2 <= sigma.ndim == 4 - batched_axes:
            sigma = sigma[(None,) * batched_axes]
        spread = isinstance(sigma, Tensor | np.ndarray) and sigma.ndim >= 2
        if not spread or tuple(sigma.shape[-2:]) == (1, 1):  # type: ignore[union-attr]
            level = prior._sigma_tensor(sigma, image, dtype)
            return cls(None if prior.blind else level)
        assert isinstance(sigma, Tensor | np.ndarray)
        prior._sigma_tensor(torch.zeros((), dtype=dtype).expand(sigma.shape), image, dtype)
        low, high = extremes(sigma)
        _check_level(torch.stack([low.min(), high.max()]))
        return cls(None) if prior.blind else cls(sigma, high)

    def at(self, places: Iterable[Place], size: Sequence[int]) -> Tensor | None:
        """Levels of these tiles, ``[n, 1, 1, 1]`` or ``[n, 1 or C, h, w]``.

        :param size: height and width of the image.
        """
        if self.values is None:
            return None
        count = len(self.values)
        if self.peaks is None:
            return torch.stack([torch.as_tensor(self.values[index % count]) for index, _ in places])
        maps = []
        for index, tile in places:
            own = read(self.values, index % count, tile.rows.read, tile.columns.read)
            maps.append(_with_peak(own, self.peaks[index % count], tile, size))
        return torch.stack(maps)


def _with_peak(level: Tensor, peak: Tensor, tile: Tile, size: Sequence[int]) -> Tensor:
    """A tile's map ``[C, h, w]`` with the image's peak at a pixel that nothing kept depends on."""
    beyond = (
        (tile.rows.start > 0, 0, 0),
        (tile.rows.stop < size[0], -1, 0),
        (tile.columns.start > 0, 0, 0),
        (tile.columns.stop < size[1], 0, -1),
    )
    for there, row, column in beyond:
        if there:
            level = level.clone()
            level[:, row, column] = peak.to(level)
            break
    return level


def _tables(prior: Prior, table: Any, batch: int) -> Tensor:
    """Quantisation tables ``[1 or B, 8, 8]``."""
    from pnp_priors.physics.jpeg import checked_table

    if not prior.takes_table:
        raise InputError(f"table: {type(prior).__name__} takes none; it is not for JPEG images")
    return checked_table(table, torch.zeros(batch, 1))


def _check_batch(batch: int) -> None:
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
        raise InputError(f"batch is a number of tiles, at least 1, got {batch!r}")


def _run(
    function: Callable[[Tensor, Sequence[Place]], Tensor],
    image: Photo,
    halo: int,
    tile: int,
    multiple: int,
    batch: int,
    out: Array | None,
    progress: Progress | None,
    device: str | torch.device | None,
) -> Photo:
    """:func:`in_tiles` with a function that is also told which tiles it gets."""
    view = batched(image)
    _check_batch(batch)
    if out is not None:
        target = batched(out, "out")
        check_out(out, image, image.shape)
    height, width = view.shape[-2:]
    cut = grid(height, width, tile, halo, multiple)
    # By size, so that calls are full; sorting is stable, neighbours stay together.
    places = sorted(((b, t) for b in range(len(view)) for t in cut), key=lambda p: p[1].size)
    if out is None:
        out = like(image)
        target = batched(out)
    done = 0
    for part in _parts(places, batch):
        x = torch.stack([read(view, b, t.rows.read, t.columns.read) for b, t in part])
        # Arrays have no gradients, so that none need be prepared.
        with torch.set_grad_enabled(torch.is_grad_enabled() and isinstance(image, Tensor)):
            restored = function(x if device is None else x.to(device), part)
        if restored.shape != x.shape:
            raise InputError(
                f"the function made {list(restored.shape)} of tiles {list(x.shape)}: "
                "tiles keep their shape"
            )
        for (b, t), values in zip(part, restored, strict=True):
            inside = values[:, t.rows.inside, t.columns.inside]
            write(target, b, t.rows.kept, t.columns.kept, inside)
        done += len(part)
        if progress is not None:
            progress(done, len(places))
    return cast(Photo, out)


def _parts(places: Sequence[Place], batch: int) -> Iterable[Sequence[Place]]:
    """Consecutive tiles of one size, at most ``batch`` at a time."""
    start = 0
    while start < len(places):
        size = places[start][1].size
        stop = start + 1
        while stop < min(start + batch, len(places)) and places[stop][1].size == size:
            stop += 1
        yield places[start:stop]
        start = stop
