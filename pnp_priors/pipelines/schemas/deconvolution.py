"""Deconvolution: what its pipelines may say."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pnp_priors.pipelines.settings import NOISE, SOLVER, TASK, Noise, Pipeline, Solver, Strict


class Kernel(Strict):
    """A blur: what a point becomes."""

    file: str = Field(min_length=1, description="PNG, TIFF, NPY, NPZ or MAT file")
    key: str | None = Field(default=None, description="which array, where the file holds several")


class Deconvolution(Pipeline):
    """Removes a known blur from photos. Files are looked for beside the pipeline's file."""

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "kernel.file", "solver.preset")
    of_example: ClassVar[tuple[str, ...]] = ("kernel.file",)

    task: Annotated[Literal["deconvolution"], TASK]
    kernel: Kernel = Field(description="the blur of the photos, of the same pixels")
    noise: Annotated[Noise, NOISE] = Noise()
    solver: Annotated[Solver, SOLVER] = Solver()
    boundary: Literal["extend", "taper", "circular"] = Field(
        default="extend", description="what surrounds a photo while it is solved; circular: nothing"
    )
    color: Literal["luminance", "per-channel"] = Field(
        default="luminance", description="how a gray prior restores colours"
    )
