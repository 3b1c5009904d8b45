"""Inpainting: what its pipelines may say."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pnp_priors.pipelines.schemas.observed import ProximalSolver, StatedNoise
from pnp_priors.pipelines.settings import NOISE, SOLVER, TASK, Pipeline, Prior, PriorChoice, Strict


class Mask(Strict):
    """Which pixels are missing."""

    file: str = Field(min_length=1, description="black and white image of the photos' size")
    missing: Literal["white", "black"] = Field(
        default="white", description="which of its pixels are to be filled"
    )


class Inpainting(Pipeline):
    """Fills in missing pixels. Files are looked for beside the pipeline's file."""

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "mask.file")
    of_example: ClassVar[tuple[str, ...]] = ("mask.file",)

    task: Annotated[Literal["inpainting"], TASK]
    mask: Mask = Field(description="which pixels are missing")
    prior: Prior = PriorChoice(name="ffdnet-gray")
    noise: Annotated[StatedNoise, NOISE] = StatedNoise()
    solver: Annotated[ProximalSolver, SOLVER] = ProximalSolver(iterations=24)
