"""Schedules and solvers around a prior; the algorithms are deepinv's."""

from pnp_priors.solvers.build import SOLVERS, solver
from pnp_priors.solvers.diffusion import RDenoise, r_denoise
from pnp_priors.solvers.schedules import SCHEDULES, Schedule, dpir, genericdp

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
