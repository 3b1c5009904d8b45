"""Deconvolution: what its pipelines may say."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pnp_priors.pipelines.settings import Noise, Pipeline, Solver, Strict


class Kernel(Strict):
    file: str = Field(min_length=1, description="PNG, TIFF, NPY, NPZ or MAT file")
    key: str | None = Field(default=None, description="which array, where the file holds several")


class Deconvolution(Pipeline):
    """Removes a known blur from photos. Files are looked for beside the pipeline's file."""

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "kernel.file")
    of_example: ClassVar[tuple[str, ...]] = ("kernel.file",)

    task: Literal["deconvolution"]
    kernel: Kernel
    noise: Noise = Noise()
    solver: Solver = Solver()
    boundary: Literal["extend", "taper", "circular"] = Field(
        default="extend", description="what surrounds a photo while it is solved; circular: nothing"
    )
    color: Literal["luminance", "per-channel"] = Field(
        default="luminance", description="how a gray prior restores colours"
    )
