"""The halo that tiles need where an iterative solver deblurs them.

In every iteration, a gradient step on the data looks two radii of the kernel far, and the prior as
far as its halo: one after the other in PGD, both at the same image in RED. Beyond the sum over the
iterations nothing counts. The data step of HQS, ADMM and DRS
inverts a matrix: every pixel depends on the whole image, on far ones ever less, and no halo is
strict. benchmarks/tile_halo.py measures how much is left; docs/large-images.md has the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pnp_priors.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from pnp_priors.priors.base import Prior

#: how far a solver looks in an iteration, of the reach of the data step and of the prior; ``None``
#: where it looks at the whole image
STRICT: dict[str, Callable[[int, int], int] | None] = {
    "pgd": lambda data, prior: data + prior,
    "red": max,
    "hqs": None,
    "admm": None,
    "drs": None,
}
#: sides of the kernel after which differences beside a seam were measured to be below 1/255
KERNEL_SIDES = 2


def strict_solver_halo(
    name: str, iterations: int, kernel: tuple[int, int], prior: Prior
) -> int | None:
    """The halo beyond which nothing counts, where there is one.

    It holds for a blur whose borders are local (padding, not circular), and, of a prior that works
    in cells, for a solver that does not mirror: cells of a mirrored tile may lie elsewhere.

    :param name: a solver of :data:`pnp_priors.solvers.SOLVERS`.
    :param kernel: height and width.
    :returns: pixels, a multiple of the prior's cells; ``None`` for HQS, ADMM and DRS, and for a
        prior that looks at the whole image.
    :raises UnknownNameError: lists the known solvers.
    :raises InputError: no iterations.
    """
    if name not in STRICT:
        raise UnknownNameError("solver", name, sorted(STRICT))
    if iterations < 1:
        raise InputError(f"iterations must be at least 1, got {iterations}")
    reach = STRICT[name]
    if reach is None or prior.receptive_field is None:
        return None
    radius = max(kernel) // 2
    # Solvers start from A' y, which looks a radius far.
    halo = iterations * reach(2 * radius, prior.halo) + radius
    return halo + -halo % prior.size_multiple


def solver_halo(kernel: tuple[int, int]) -> int:
    """A halo with which seams of HQS, ADMM and DRS cannot be seen: twice the kernel's longer side.

    With the bundled photo and its kernel of 25 pixels, noise of 2.55/255 or 7.65/255 and eight
    iterations around trd-5x5-s15 or genericdp, restored values beside a seam differed from those of
    the whole photo by less than 1/255, by 0.15/255 RMS at most. Near a photo's own borders the
    difference is larger: what is beyond them is made up anew for each tile.

    :param kernel: height and width.
    """
    return KERNEL_SIDES * max(kernel)
