"""Denoising: what its pipelines may say."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from pnp_priors.pipelines.settings import (
    NOISE,
    TASK,
    Fraction,
    Pipeline,
    Strict,
    noise_level,
    number,
)

#: whether 0 is allowed depends on the model, see Noise
_level = BeforeValidator(
    partial(noise_level, zero=True), json_schema_input_type=float | Literal["auto"] | Fraction
)


def _gain(value: Any) -> float:
    gain = number(value, "a number in 0..1 units")
    if not gain > 0:
        raise ValueError(f"expected a gain above 0, got {value!r}")
    return gain


Gain = Annotated[float, BeforeValidator(_gain, json_schema_input_type=float | Fraction)]


class Noise(Strict):
    """Noise of photos; which keys go together depends on the model."""

    model: Literal["gaussian", "poisson-gaussian"] = Field(
        default="gaussian",
        description="poisson-gaussian: signal-dependent, of variance gain * intensity + sigma^2",
    )
    sigma: Annotated[float | Literal["auto"], _level] = Field(
        default="auto",
        description="standard deviation in 0..1 units (25/255), or auto: estimate it",
    )
    gain: Gain | None = Field(
        default=None, description="of poisson-gaussian: what one photon adds, in 0..1 units (1/100)"
    )
    map: str | None = Field(
        default=None,
        min_length=1,
        description="NPY or image file of standard deviations [H, W] in 0..1 units, in place of "
        "sigma",
    )

    @model_validator(mode="after")
    def _together(self) -> Noise:
        if self.model == "gaussian":
            if self.gain is not None:
                raise ValueError("gain is of model poisson-gaussian; the model is gaussian")
            if self.sigma == 0:
                raise ValueError("sigma: expected a noise level above 0, got 0")
            if self.map is not None and self.sigma != "auto":
                raise ValueError("either sigma or map is given, not both")
            return self
        if self.map is not None:
            raise ValueError("a map is of model gaussian; the model is poisson-gaussian")
        if self.gain is None:
            raise ValueError("model poisson-gaussian needs gain, what one photon adds (1/100)")
        if self.sigma == "auto":
            raise ValueError(
                "model poisson-gaussian needs sigma as a number, 0 for photons alone; "
                "auto cannot tell it from the gain"
            )
        return self


class Denoising(Pipeline):
    """Removes noise from photos. Files are looked for beside the pipeline's file."""

    paths: ClassVar[tuple[str, ...]] = (*Pipeline.paths, "noise.map")

    task: Annotated[Literal["denoising"], TASK]
    noise: Annotated[Noise, NOISE] = Noise()
