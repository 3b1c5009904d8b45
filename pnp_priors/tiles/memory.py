"""How large a tile may be: what a prior's computation takes per pixel, counted on small images."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.tiles.denoising import tile_halo
from pnp_priors.tiles.grid import least_tile

#: sides of the images that are tried: smallest and largest
_SIDES = (64, 128)
#: room for what is not counted: scratch memory inside of torch's operations, fragments. On the CPU,
#: benchmarks/tile_memory.py measured up to 1.4 times what is counted.
MARGIN = 1.5


class Footprint(NamedTuple):
    """Bytes of the tensors alive at the worst moment of a call: ``fixed + per_pixel * pixels``."""

    fixed: int
    per_pixel: float


class _Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that are made under it and still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if address in self.known or size == 0:
            return
        self.known.add(address)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.now -= size


@torch.no_grad()
def footprint(prior: Prior, channels: int | None = None) -> Footprint:
    """Memory of a call without gradients, from two small images.

    Tensors alone are counted, wherever the prior is.

    :param channels: of the images; a gray prior takes all of a colour image at once. By default
        the prior's own.
    """
    weights = next(prior.parameters())
    level = torch.full((1, 1, 1, 1), prior.sigma_range[1], dtype=weights.dtype)
    counts = []
    for side in _SIDES:
        size = (1, channels or prior.channels, side, side)
        x = torch.full(size, 0.5, dtype=weights.dtype, device=weights.device)
        prior(x, level)  # tables that are kept between calls are made here
        with _Alive() as alive:
            prior(x, level)
        counts.append(alive.peak + x.numel() * x.element_size())
    per_pixel = (counts[1] - counts[0]) / (_SIDES[1] ** 2 - _SIDES[0] ** 2)
    return Footprint(max(0, round(counts[0] - per_pixel * _SIDES[0] ** 2)), per_pixel)


def tile_side(prior: Prior, memory: int, channels: int | None = None, batch: int = 1) -> int:
    """The largest tile whose computation stays below ``memory`` bytes.

    :param memory: for the computation alone; the image, the result, the prior and Python with
        torch come on top.
    :param channels: of the image, by default the prior's own.
    :param batch: tiles in a call.
    :returns: side in pixels, for :func:`pnp_priors.tiles.tiled`.
    :raises InputError: a prior that cannot be tiled, or so little memory that no tile fits; says
        how much the smallest takes.
    """
    multiple = prior.size_multiple
    least = least_tile(prior.halo + multiple, multiple)
    fixed, per_pixel = footprint(prior, channels)
    room = memory / MARGIN - fixed
    side = int((max(room, 0) / (per_pixel * batch)) ** 0.5)
    side -= side % multiple
    if side < least:
        needed = MARGIN * (fixed + batch * per_pixel * least**2)
        raise InputError(
            f"memory: {memory / 1e6:.0f} MB are too little for {batch} tile(s) of {least} pixels, "
            f"the smallest of this prior; they take {needed / 1e6:.0f} MB"
        )
    tile_halo(prior, side)
    return side
