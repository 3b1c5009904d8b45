"""Schedules and solvers around a prior; the algorithms are deepinv's. Schedules need no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.lazy import lazily
from pnp_priors.solvers.schedules import SCHEDULES, Schedule, dpir, genericdp

if TYPE_CHECKING:
    from pnp_priors.solvers.build import SOLVERS, solver
    from pnp_priors.solvers.deblocking import deblock
    from pnp_priors.solvers.demosaicing import demosaic
    from pnp_priors.solvers.diffusion import RDenoise, r_denoise
    from pnp_priors.solvers.inpainting import inpaint
    from pnp_priors.solvers.presets import preset
    from pnp_priors.solvers.super_resolution import super_resolve

__all__ = [
    "SCHEDULES",
    "SOLVERS",
    "RDenoise",
    "Schedule",
    "deblock",
    "demosaic",
    "dpir",
    "genericdp",
    "inpaint",
    "preset",
    "r_denoise",
    "solver",
    "super_resolve",
]

__getattr__ = lazily(
    __name__,
    {
        "build": ("SOLVERS", "solver"),
        "deblocking": ("deblock",),
        "demosaicing": ("demosaic",),
        "diffusion": ("RDenoise", "r_denoise"),
        "inpainting": ("inpaint",),
        "presets": ("preset",),
        "super_resolution": ("super_resolve",),
    },
)
