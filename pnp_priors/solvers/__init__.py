"""Schedules and solvers around a prior; the algorithms are deepinv's. Schedules need no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.lazy import lazily
from pnp_priors.solvers.schedules import SCHEDULES, Schedule, dpir, genericdp

if TYPE_CHECKING:
    from pnp_priors.solvers.build import SOLVERS, solver
    from pnp_priors.solvers.diffusion import RDenoise, r_denoise

__all__ = [
    "SCHEDULES",
    "SOLVERS",
    "RDenoise",
    "Schedule",
    "dpir",
    "genericdp",
    "r_denoise",
    "solver",
]

__getattr__ = lazily(
    __name__, {"build": ("SOLVERS", "solver"), "diffusion": ("RDenoise", "r_denoise")}
)
