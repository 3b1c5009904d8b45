"""What the pipelines of all tasks may say. Checked without torch."""

from __future__ import annotations

from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pnp_priors.pipelines.keys import naming
from pnp_priors.registry import available
from pnp_priors.schema import Strict
from pnp_priors.tuning.schema import Preset, read

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


#: what each task says of the keys that it has in common with others: a default of its own leaves
#: no description behind
TASK = Field(description="what is restored; decides which other keys there are")
NOISE = Field(description="noise of the photos")
SOLVER = Field(description="puts prior and degradation together, iteration by iteration")
_SPLITTING = (
    "hqs: half-quadratic splitting; admm: alternating direction method of multipliers; "
    "drs: Douglas-Rachford splitting"
)
#: solvers whose data step is in closed form
Splitting = Annotated[Literal["hqs", "admm", "drs"], Field(description=_SPLITTING)]
#: those, and two that need a gradient
AnySolver = Annotated[
    Literal["hqs", "admm", "drs", "pgd", "red"],
    Field(
        description=f"{_SPLITTING}; pgd: proximal gradient descent; red: regularisation by "
        "denoising"
    ),
]
#: a number in a schema, for editors: YAML has no fractions, 2.55/255 is a text there
Fraction = Annotated[str, Field(pattern=r"^\s*[0-9.eE+-]+\s*(/\s*[0-9.eE+-]+\s*)?$")]


class Noise(Strict):
    """White Gaussian noise, equally strong everywhere."""

    sigma: Annotated[
        float | Literal["auto"],
        BeforeValidator(noise_level, json_schema_input_type=float | Literal["auto"] | Fraction),
    ] = Field(
        default="auto",
        description="standard deviation in 0..1 units (2.55/255), or auto: estimate it",
    )


def _released(schema: dict[str, Any]) -> None:
    """Names for an editor to offer; other values are allowed, a card's path is one."""
    schema["examples"] = available()


class PriorChoice(Strict):
    """A trained denoiser."""

    name: str = Field(
        default="genericdp",
        description="one of `pnp-priors list`, or the path of a card",
        json_schema_extra=_released,
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="a DnCNN's or FFDNet's file, as KAIR or deepinv saves it, for that prior",
    )


#: of every task; the default differs
Prior = Annotated[
    PriorChoice, Field(description="the trained denoiser that photos are restored with")
]

#: of a solver that has presets
Iterations = Annotated[
    int | None,
    Field(ge=1, le=10_000, strict=True, description="by default the preset's, or 8"),
]

#: of every solver
Mirror = Annotated[
    bool,
    Field(
        description="each iteration shows the prior the photo mirrored another way, which costs "
        "nothing and gains some hundredths of a dB; false: never mirrored",
    ),
]


class TunedSolver(Strict):
    """One that there can be presets for; tasks say which names and schedules they have."""

    name: str = "hqs"
    schedule: str = "preset"
    preset: str | None = Field(
        default=None,
        min_length=1,
        description="file that `pnp-priors tune` wrote for this prior and solver; its schedule is "
        "used in place of the shipped preset's",
    )
    iterations: Iterations = None
    mirror: Mirror = True

    @field_validator("schedule", mode="before")
    @classmethod
    def _no_file(cls, value: Any) -> Any:
        if isinstance(value, str) and value.endswith((".yaml", ".yml")):
            raise ValueError(f"the key of a preset's file is solver.preset, not this (got {value})")
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> TunedSolver:
        if self.preset is not None and self.schedule != "preset":
            raise ValueError(
                f"preset: {self.preset} is not used with schedule: {self.schedule}; "
                "leave out one of them"
            )
        return self

    @cached_property
    def own(self) -> Preset | None:
        """What the file of ``preset`` says. Read once: a run has one schedule, whatever becomes of
        the file meanwhile.

        :raises MissingFileError, ConfigError: one line that begins with the key.
        """
        if self.preset is None:
            return None
        with naming("solver.preset"):
            return read(Path(self.preset))


class Solver(TunedSolver):
    """Solvers with a data step in closed form, or by the gradient."""

    name: AnySolver = "hqs"
    schedule: Literal["preset", "dpir", "genericdp"] = Field(
        default="preset",
        description="preset: the one tuned for this prior and solver; dpir where there is none",
    )


class Example(Strict):
    """What is restored when no input is given."""

    input: str = Field(description="the degraded photo")
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
    prior: Prior = PriorChoice()
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
    example: Example | None = Field(
        default=None, description="what is restored when no input is given"
    )
