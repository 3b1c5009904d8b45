"""Keys of the tasks in which only some pixels were observed, often without noise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pnp_priors.pipelines.settings import Strict, number


def _level(value: Any) -> float:
    level = number(value, "a number in 0..1 units")
    if not level >= 0:
        raise ValueError(f"expected a noise level of 0 or more, got {value!r}")
    return level


def _level_or_auto(value: Any) -> float | str:
    return "auto" if value == "auto" else _level(value)


class StatedNoise(Strict):
    """Noise that cannot be estimated, because neighbouring pixels are missing."""

    sigma: Annotated[float, BeforeValidator(_level)] = Field(
        default=0.0, description="standard deviation in 0..1 units (2.55/255); 0: none"
    )


class PerhapsNoise(Strict):
    sigma: Annotated[float | Literal["auto"], BeforeValidator(_level_or_auto)] = Field(
        default=0.0,
        description="standard deviation in 0..1 units (2.55/255); 0: none; auto: estimate it",
    )


class ProximalSolver(Strict):
    """Solvers whose data step is in closed form."""

    name: Literal["hqs", "admm", "drs"] = "hqs"
    iterations: int = Field(default=16, ge=1, le=10_000, strict=True)
