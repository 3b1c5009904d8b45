"""Keys of the tasks in which only some pixels were observed, often without noise."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pnp_priors.pipelines.settings import Fraction, Mirror, Splitting, Strict, noise_level

_level = BeforeValidator(
    partial(noise_level, zero=True, auto=False), json_schema_input_type=float | Fraction
)
_level_or_auto = BeforeValidator(
    partial(noise_level, zero=True), json_schema_input_type=float | Literal["auto"] | Fraction
)


class StatedNoise(Strict):
    """Noise that cannot be estimated, because neighbouring pixels are missing."""

    sigma: Annotated[float, _level] = Field(
        default=0.0, description="standard deviation in 0..1 units (2.55/255); 0: none"
    )


class PerhapsNoise(Strict):
    """Noise that most photos of this task do not have."""

    sigma: Annotated[float | Literal["auto"], _level_or_auto] = Field(
        default=0.0,
        description="standard deviation in 0..1 units (2.55/255); 0: none; auto: estimate it",
    )


class ProximalSolver(Strict):
    """Solvers whose data step is in closed form."""

    name: Splitting = "hqs"
    iterations: int = Field(
        default=16, ge=1, le=10_000, strict=True, description="more take longer and gain little"
    )
    mirror: Mirror = True
