"""Whether a photo is restored whole or in tiles, and in which ones: the key ``tiles``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast

from pnp_priors.errors import InputError
from pnp_priors.tiles.grid import DEFAULT_TILE, least_tile

if TYPE_CHECKING:
    from pnp_priors.priors.base import Prior

#: bytes that the prior's computation may take where the pipeline says auto
MEMORY = 10**9


class Tileable(Protocol):
    """What has to be known of a prior of which an output pixel depends on few input pixels."""

    @property
    def receptive_field(self) -> int: ...
    @property
    def halo(self) -> int: ...
    @property
    def size_multiple(self) -> int: ...


def fits(choice: int | str, size: tuple[int, int]) -> bool:
    """Whether a photo of this height and width is restored whole without looking at the prior."""
    limit = DEFAULT_TILE if isinstance(choice, str) else choice
    return choice == "none" or max(size) <= limit


def side(
    choice: int | str,
    prior: Any,
    channels: int,
    size: tuple[int, int],
    halo: int = 0,
    largest: int | None = None,
) -> int | None:
    """The side of the tiles for a photo of this height and width; ``None``: it is restored whole.

    :param choice: the pipeline's key: ``auto``, ``none`` or a side in pixels.
    :param channels: that the prior gets.
    :param halo: that tiles need where it is more than the prior's own.
    :param largest: side of the tiles that ``auto`` takes; by default those that fit in
        :data:`MEMORY`, as a call of the prior in torch measures it.
    :raises InputError: a stated side that cannot be: the prior looks at the whole image, or it
        leaves nothing between the halos; says the smallest.
    """
    if fits(choice, size):
        return None
    check(choice, prior, halo)
    if isinstance(choice, int):
        return choice
    if not _tileable(prior):
        return None
    if largest is None:
        from pnp_priors.tiles import tile_side

        largest = tile_side(cast("Prior", prior), MEMORY, channels)
    found = max(largest, _least(prior, halo))
    return None if size[0] * size[1] <= found**2 else found


def check(choice: int | str, prior: Any, halo: int = 0) -> None:
    """Refuse a stated side that cannot be, whatever the photo; see :func:`side`.

    :raises InputError: likewise.
    """
    if not isinstance(choice, int):
        return
    if not _tileable(prior):
        raise InputError(
            f"tiles: {choice}: this prior looks at the whole photo at once; write none or auto"
        )
    least = _least(prior, halo)
    if choice < least:
        raise InputError(f"tiles: {choice}: too small here; at least {least}, none or auto")


def _tileable(prior: Any) -> TypeGuard[Tileable]:
    # A denoiser that is not of this package does not say.
    return getattr(prior, "receptive_field", None) is not None


def _least(prior: Tileable, halo: int) -> int:
    """The smallest side; a map of noise levels needs room for a cell more than the prior's halo."""
    cell = prior.size_multiple
    halo = max(halo, prior.halo + cell)
    return least_tile(halo + -halo % cell, cell)
