"""Super-resolution: what its pipelines may say."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pnp_priors.pipelines.schemas.deconvolution import Kernel
from pnp_priors.pipelines.schemas.observed import PerhapsNoise
from pnp_priors.pipelines.settings import (
    NOISE,
    SOLVER,
    TASK,
    Pipeline,
    Prior,
    PriorChoice,
    Splitting,
    TunedSolver,
)


class Solver(TunedSolver):
    """Solvers whose data step is in closed form."""

    name: Splitting = "hqs"
    schedule: Literal["preset", "default"] = Field(
        default="preset",
        description="preset: the one tuned for this prior and solver on bicubically reduced "
        "photos; default where there is none, and with a kernel",
    )
    iterations: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        strict=True,
        description="by default the preset's, or 16",
    )


class SuperResolution(Pipeline):
    """Enlarges photos. Files are looked for beside the pipeline's file.

    A prior trained for super-resolution does it in one pass; any other that is trained for noise
    does it in a solver, which alone uses the keys kernel, alignment, noise and solver.
    """

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "kernel.file", "solver.preset")

    task: Annotated[Literal["super-resolution"], TASK]
    factor: float = Field(
        default=2.0, ge=1, le=8, description="of the enlargement; with a kernel, a whole number"
    )
    kernel: Kernel | None = Field(
        default=None,
        description="blur, in pixels of the enlarged photo, before every factor-th pixel was "
        "taken; without one, the photo was reduced bicubically with antialiasing",
    )
    alignment: Literal["centre", "first"] = Field(
        default="centre",
        description="with a kernel: whether a pixel lies in the middle of those that it stands "
        "for, as in photos, or on the first of them, as in many papers",
    )
    noise: Annotated[PerhapsNoise, NOISE] = PerhapsNoise()
    prior: Prior = PriorChoice(name="ffdnet-gray")
    solver: Annotated[Solver, SOLVER] = Solver()
    color: Literal["luminance", "per-channel"] = Field(
        default="luminance",
        description="how a gray prior restores colours; luminance: the rest is bicubic",
    )

    @model_validator(mode="after")
    def _whole(self) -> SuperResolution:
        if self.kernel is not None and self.factor != int(self.factor):
            raise ValueError(f"factor: with a kernel, a whole number; got {self.factor:g}")
        return self
