"""What the pipelines of all tasks may say. Checked without torch."""

from __future__ import annotations

from math import inf, isfinite
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pnp_priors.schema import Strict

__all__ = ["Pipeline", "Strict"]

#: a tile smaller than this is a slip of the keyboard; which ones are too small depends on the prior
_SMALLEST_TILE = 16


def number(value: Any, allowed: str) -> float:
    """A number, or a fraction such as ``2.55/255``.

    :param allowed: in words, for the error.
    """
    found = value
    if isinstance(value, str):
        upper, slash, lower = value.partition("/")
        try:
            found = float(upper) / float(lower) if slash else float(upper)
        except (ValueError, ZeroDivisionError):
            found = None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not isfinite(found):
        raise ValueError(f"expected {allowed}, got {value!r}")
    if found > 255:
        raise ValueError(f"expected {allowed}, such as 2.55/255, got {value!r}")
    if found > 1:
        raise ValueError(
            f"{found:g} looks like 0..255 units; images are in [0, 1], so write {found:g}/255"
        )
    return float(found)


def noise_level(value: Any, zero: bool = False, auto: bool = True) -> float | str:
    """A standard deviation in 0..1 units, also as a fraction such as ``2.55/255``, or ``auto``.

    :param zero: 0 is allowed, for no noise.
    :param auto: ``auto`` is allowed.
    :raises ValueError: another value; says what is allowed.
    """
    if auto and value == "auto":
        return "auto"
    level = number(value, "a number in 0..1 units" + (" or auto" if auto else ""))
    if not (level > 0 or (zero and level == 0)):  # NaN, too, is refused
        least = "of 0 or more" if zero else "above 0"
        raise ValueError(f"expected a noise level {least}, got {value!r}")
    return level


def _tiles(value: Any) -> int | str:
    if value in ("auto", "none"):
        return str(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected auto, none or a side in pixels, got {value!r}")
    if value < _SMALLEST_TILE:
        raise ValueError(f"tiles have at least {_SMALLEST_TILE} pixels a side, got {value}")
    return value


def _scale(value: Any) -> float | str:
    if value in ("type", "max"):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < inf:
        raise ValueError(f"expected type, max or the value that is white, got {value!r}")
    return float(value)


#: a single text is a list of one
_one_or_more = BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value,
    json_schema_input_type=str | list[str],
)


class Noise(Strict):
    sigma: Annotated[float | Literal["auto"], BeforeValidator(noise_level)] = Field(
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


#: of a solver that has presets
Iterations = Annotated[
    int | None,
    Field(ge=1, le=10_000, strict=True, description="by default the preset's, or 8"),
]


class Solver(Strict):
    name: Literal["hqs", "admm", "drs", "pgd", "red"] = "hqs"
    schedule: Literal["preset", "dpir", "genericdp"] = Field(
        default="preset",
        description="preset: the one tuned for this prior and solver; dpir where there is none",
    )
    iterations: Iterations = None


class Example(Strict):
    """What is restored when no input is given."""

    input: str
    truth: str | None = Field(default=None, description="the original, to measure against")


class Pipeline(Strict):
    """What every task has. Files are looked for beside the pipeline's file."""

    #: keys whose values are paths that are read: those in a file are relative to that file
    paths: ClassVar[tuple[str, ...]] = (
        "prior.weights",
        "input",
        "output",
        "example.input",
        "example.truth",
    )
    #: keys that describe how the bundled example was degraded: photos of one's own need other
    #: values
    of_example: ClassVar[tuple[str, ...]] = ()

    task: str
    prior: PriorChoice = PriorChoice()
    strength: float = Field(
        default=1.0, ge=0, le=1, description="1: the restored photo; 0: the input; between: a blend"
    )
    tiles: Annotated[int | Literal["auto", "none"], BeforeValidator(_tiles)] = Field(
        default="auto",
        description="side in pixels of the tiles in which large photos are restored; none: whole; "
        "auto: whole, unless the prior would take more than a gigabyte of memory",
    )
    scale: Annotated[float | Literal["type", "max"], BeforeValidator(_scale)] = Field(
        default="type",
        description="the stored value that is white (1): type: the largest of the file's integer "
        "type, 1 in float files; max: the largest in each file; or a number, 4095 for 12 bit",
    )
    input: Annotated[list[str], _one_or_more] = Field(
        default=[],
        description="files, folders or patterns (photos/**/*.png) to restore; arguments replace "
        "them",
    )
    output: str | None = Field(
        default=None, description="folder (or file) to write; -o replaces it"
    )
    report: bool = Field(default=False, description="write a report of each photo, as --report")
    example: Example | None = None
