"""JPEG deblocking: what its pipelines may say."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pnp_priors.pipelines.settings import SOLVER, TASK, Pipeline, Splitting, TunedSolver


class Solver(TunedSolver):
    """The data step is a projection, which has no gradient: solvers that need one are left out."""

    name: Splitting = "hqs"
    schedule: Literal["preset", "default"] = Field(
        default="preset",
        description="preset: the one tuned for this prior and solver, width included; default "
        "where there is none",
    )


class JpegDeblocking(Pipeline):
    """Restores JPEG files. Files are looked for beside the pipeline's file.

    A prior trained for JPEG restores the luminance in one pass; any other that is trained for noise
    does it in a solver, which alone uses the keys solver and width.
    """

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "solver.preset")

    task: Annotated[Literal["jpeg-deblocking"], TASK]
    quality: int | None = Field(
        default=None,
        ge=1,
        le=100,
        strict=True,
        description="that a photo was compressed with; by default the tables of its JPEG file are "
        "used. For photos in other files, and for a compression before the file's own",
    )
    subsampling: Literal["4:4:4", "4:2:2", "4:4:0", "4:2:0"] = Field(
        default="4:2:0", description="of the colours, where quality is stated"
    )
    solver: Annotated[Solver, SOLVER] = Solver()
    width: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="of the intervals that coefficients are kept in, in quantisation steps; by "
        "default the preset's, or 0.5; 0.998: all that the file leaves open",
    )
