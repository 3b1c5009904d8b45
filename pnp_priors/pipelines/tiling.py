"""Whether a photo is restored whole or in tiles, and in which ones: the key ``tiles``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.tiles import DEFAULT_TILE, least_tile, tile_side

if TYPE_CHECKING:
    from deepinv.models import Denoiser

#: bytes that the prior's computation may take where the pipeline says auto
MEMORY = 10**9


def fits(choice: int | str, size: tuple[int, int]) -> bool:
    """Whether a photo of this height and width is restored whole without looking at the prior."""
    limit = DEFAULT_TILE if isinstance(choice, str) else choice
    return choice == "none" or max(size) <= limit


def side(
    choice: int | str, prior: Denoiser, channels: int, size: tuple[int, int], halo: int = 0
) -> int | None:
    """The side of the tiles for a photo of this height and width; ``None``: it is restored whole.

    :param choice: the pipeline's key: ``auto``, ``none`` or a side in pixels.
    :param channels: that the prior gets.
    :param halo: that tiles need where it is more than the prior's own.
    :raises InputError: a stated side that cannot be: the prior looks at the whole image, or it
        leaves nothing between the halos; says the smallest.
    """
    if fits(choice, size):
        return None
    tileable = isinstance(prior, Prior) and prior.receptive_field is not None
    if isinstance(choice, int):
        if not tileable:
            raise InputError(
                f"tiles: {choice}: this prior looks at the whole photo at once; write none or auto"
            )
        least = _least(prior, halo)
        if choice < least:
            raise InputError(f"tiles: {choice}: too small here; at least {least}, none or auto")
        return choice
    if not tileable:
        return None
    found = max(tile_side(prior, MEMORY, channels), _least(prior, halo))
    return None if size[0] * size[1] <= found**2 else found


def _least(prior: Prior, halo: int) -> int:
    """The smallest side; a map of noise levels needs room for a cell more than the prior's halo."""
    cell = prior.size_multiple
    halo = max(halo, prior.halo + cell)
    return least_tile(halo + -halo % cell, cell)
