"""Demosaicing: what its pipelines may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pnp_priors.pipelines.schemas.observed import ProximalSolver, StatedNoise
from pnp_priors.pipelines.settings import Pipeline, PriorChoice


class Demosaicing(Pipeline):
    """Makes colours of Bayer mosaics, which are gray images with the gamma of photos."""

    task: Literal["demosaicing"]
    pattern: Literal["rggb", "bggr", "grbg", "gbrg"] = Field(
        default="rggb", description="colours of the upper left 2x2 pixels, row by row"
    )
    noise: StatedNoise = StatedNoise()
    prior: PriorChoice = PriorChoice(name="ffdnet-color")
    solver: ProximalSolver = ProximalSolver(iterations=32)
