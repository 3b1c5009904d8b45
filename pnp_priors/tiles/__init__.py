"""Large images in tiles: the same result in bounded memory."""

from pnp_priors.tiles.denoising import DEFAULT_TILE, Tiled, in_tiles, tiled
from pnp_priors.tiles.grid import Span, Tile, grid, least_tile, spans
from pnp_priors.tiles.memory import Footprint, footprint, tile_side
from pnp_priors.tiles.solvers import solver_halo, strict_solver_halo

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
