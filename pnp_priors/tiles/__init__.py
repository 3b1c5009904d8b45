"""Large images in tiles: the same result in bounded memory. How they are cut needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.lazy import lazily
from pnp_priors.tiles.grid import DEFAULT_TILE, Span, Tile, grid, least_tile, spans
from pnp_priors.tiles.solvers import solver_halo, strict_solver_halo

if TYPE_CHECKING:
    from pnp_priors.tiles.denoising import Tiled, in_tiles, tiled
    from pnp_priors.tiles.memory import Footprint, footprint, tile_side

__all__ = [
    "DEFAULT_TILE",
    "Footprint",
    "Span",
    "Tile",
    "Tiled",
    "footprint",
    "grid",
    "in_tiles",
    "least_tile",
    "solver_halo",
    "spans",
    "strict_solver_halo",
    "tile_side",
    "tiled",
]

__getattr__ = lazily(
    __name__,
    {
        "denoising": ("Tiled", "in_tiles", "tiled"),
        "memory": ("Footprint", "footprint", "tile_side"),
    },
)
