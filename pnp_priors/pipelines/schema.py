"""What a pipeline file may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Strict(BaseModel):
    """A wrong key is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid")


def _noise_level(value: Any) -> float | str:
    """A standard deviation in (0, 1], a fraction such as ``2.55/255``, or ``auto``."""
    if value == "auto":
        return "auto"
    number = value
    if isinstance(value, str):
        upper, slash, lower = value.partition("/")
        try:
            number = float(upper) / float(lower) if slash else float(upper)
        except (ValueError, ZeroDivisionError):
            number = None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"expected a number in 0..1 units or auto, got {value!r}")
    if number > 1:
        raise ValueError(
            f"{number:g} looks like 0..255 units; images are in [0, 1], so write {number:g}/255"
        )
    if not number > 0:
        raise ValueError(f"expected a noise level above 0, got {value!r}")
    return float(number)


class Kernel(Strict):
    file: str = Field(min_length=1, description="PNG, TIFF, NPY, NPZ or MAT file")
    key: str | None = Field(default=None, description="which array, where the file holds several")


class Noise(Strict):
    sigma: Annotated[float | Literal["auto"], BeforeValidator(_noise_level)] = Field(
        default="auto",
        description="standard deviation in 0..1 units (2.55/255), or auto: estimate it",
    )


class PriorChoice(Strict):
    name: str = Field(default="genericdp", description="one of `pnp-priors list`")
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="a DnCNN's or FFDNet's file, as KAIR or deepinv saves it, for that prior",
    )


class Solver(Strict):
    name: Literal["hqs", "admm", "drs", "pgd", "red"] = "hqs"
    schedule: Literal["dpir", "genericdp"] = "dpir"
    iterations: int = Field(default=8, ge=1, le=10_000, strict=True)


class Example(Strict):
    """What is restored when no input is given."""

    blurred: str
    sharp: str | None = Field(default=None, description="the truth, to measure against")


class Deconvolution(Strict):
    """Removes a known blur from photos. Files are looked for beside the pipeline's file."""

    task: Literal["deconvolution"]
    kernel: Kernel
    noise: Noise = Noise()
    prior: PriorChoice = PriorChoice()
    solver: Solver = Solver()
    boundary: Literal["extend", "taper", "circular"] = Field(
        default="extend", description="what surrounds a photo while it is solved; circular: nothing"
    )
    color: Literal["luminance", "per-channel"] = Field(
        default="luminance", description="how a gray prior restores colours"
    )
    input: list[str] = Field(
        default=[], description="files or folders to restore; arguments replace them"
    )
    output: str | None = Field(
        default=None, description="folder (or file) to write; -o replaces it"
    )
    example: Example | None = None


#: pipelines by the value of their key `task`
TASKS: dict[str, type[Deconvolution]] = {"deconvolution": Deconvolution}

#: keys whose values are paths that are read: those in a file are relative to that file
PATHS = ("kernel.file", "prior.weights", "input", "example.blurred", "example.sharp", "output")
