"""Demosaicing: what its pipelines may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pnp_priors.pipelines.schemas.observed import ProximalSolver, StatedNoise
from pnp_priors.pipelines.settings import NOISE, SOLVER, TASK, Pipeline, Prior, PriorChoice


class Demosaicing(Pipeline):
    """Makes colours of Bayer mosaics, which are gray images with the gamma of photos."""

    task: Annotated[Literal["demosaicing"], TASK]
    pattern: Literal["rggb", "bggr", "grbg", "gbrg"] = Field(
        default="rggb", description="colours of the upper left 2x2 pixels, row by row"
    )
    noise: Annotated[StatedNoise, NOISE] = StatedNoise()
    prior: Prior = PriorChoice(name="ffdnet-color")
    solver: Annotated[ProximalSolver, SOLVER] = ProximalSolver(iterations=32)
