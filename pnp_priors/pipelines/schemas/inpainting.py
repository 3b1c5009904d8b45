"""Inpainting: what its pipelines may say."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pnp_priors.pipelines.schemas.observed import ProximalSolver, StatedNoise
from pnp_priors.pipelines.settings import Pipeline, PriorChoice, Strict


class Mask(Strict):
    file: str = Field(min_length=1, description="black and white image of the photos' size")
    missing: Literal["white", "black"] = Field(
        default="white", description="which of its pixels are to be filled"
    )


class Inpainting(Pipeline):
    """Fills in missing pixels. Files are looked for beside the pipeline's file."""

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "mask.file")
    of_example: ClassVar[tuple[str, ...]] = ("mask.file",)

    task: Literal["inpainting"]
    mask: Mask
    prior: PriorChoice = PriorChoice(name="ffdnet-gray")
    noise: StatedNoise = StatedNoise()
    solver: ProximalSolver = ProximalSolver(iterations=24)
