"""The recipe: a YAML file that trains a prior, as checked data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from pnp_priors.registry import SYSTEMS
from pnp_priors.schema import Strict, read_yaml_as
from pnp_priors.training.degradations import DEGRADATIONS, Degradation
from pnp_priors.training.documents import RENDERED
from pnp_priors.training.losses import LOSSES


class Sparse(Strict):
    """Keys that are not given are not written, either."""

    @model_serializer(mode="wrap")
    def _given(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in whole(self).items() if value is not None}


def _known_loss(name: str) -> str:
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    return name


LossName = Annotated[str, AfterValidator(_known_loss)]


class Source(Sparse):
    """Training images: of a folder, or rendered when training starts."""

    folder: str | None = Field(None, description="relative to the data folder")
    rendered: str | None = Field(None, description="what to render instead, e.g. documents")
    count: int | None = Field(None, ge=1, description="rendered: how many")
    seed: int | None = Field(None, ge=0, description="rendered: what decides all of them; 0")
    hold_out: int = Field(0, ge=0, description="images at the end, for validation")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Source:
        if (self.folder is None) == (self.rendered is None):
            raise ValueError("a source has either 'folder' or 'rendered'")
        if self.rendered is None:
            for key in ("count", "seed"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key!r} is for 'rendered' sources, not for a folder")
        elif self.rendered not in RENDERED:
            raise ValueError(f"unknown rendered {self.rendered!r}; known: {', '.join(RENDERED)}")
        elif self.count is None:
            raise ValueError("a 'rendered' source needs 'count'")
        return self

    def __str__(self) -> str:
        if self.folder is not None:
            return self.folder
        return f"rendered {self.rendered} ({self.count}, seed {self.seed or 0})"


class Data(Strict):
    sources: list[Source] = Field(min_length=1)
    patch: int = Field(ge=8)
    batch: int = Field(ge=1)
    degradation: str = "gaussian"
    sigma: tuple[float, float] | None = Field(
        None, description="gaussian, mixed: range of noise levels, in 0..1 units"
    )
    quality: tuple[int, int] | None = Field(
        None, description="jpeg, mixed, camera: range of qualities, 1..100"
    )
    scale: tuple[int, ...] | None = Field(
        None, description="super-resolution, mixed: some of 2, 3, 4"
    )
    shot: tuple[float, float] | None = Field(
        None, description="camera: range of the shot noise at full light, in 0..1 units"
    )
    read: tuple[float, float] | None = Field(
        None, description="camera: range of the read noise, in 0..1 units"
    )
    gamma: tuple[float, float] | None = Field(
        None, description="camera: range of the response's exponent, 2.4 is sRGB"
    )

    shares: dict[str, int] | None = Field(
        None, description="mixed: patches of each kind, of the sum of these; equal by default"
    )

    @field_validator("sigma", "shot", "read")
    @classmethod
    def _in_unit_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1] <= 1:
            raise ValueError(f"noise levels are in 0..1 units, got {list(value)}")
        return value

    @field_validator("gamma")
    @classmethod
    def _bends(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 1.1 <= value[0] <= value[1] <= 5:
            raise ValueError(f"exponents are 1.1 to 5, the lower first, got {list(value)}")
        return value

    @field_validator("quality")
    @classmethod
    def _is_quality(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 1 <= value[0] <= value[1] <= 100:
            raise ValueError(f"JPEG qualities are 1 to 100, the lower first, got {list(value)}")
        return value

    @field_validator("scale")
    @classmethod
    def _are_scales(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or list(value) != sorted({2, 3, 4} & {*value})):
            raise ValueError(f"scales are some of 2, 3, 4 in this order, got {list(value)}")
        return value

    @field_validator("degradation")
    @classmethod
    def _known_degradation(cls, value: str) -> str:
        if value not in DEGRADATIONS:
            raise ValueError(f"unknown degradation {value!r}; known: {', '.join(DEGRADATIONS)}")
        return value

    @model_validator(mode="after")
    def _keys_of_the_degradation(self) -> Data:
        kind = DEGRADATIONS[self.degradation]
        for key in sorted({key for other in DEGRADATIONS.values() for key in other.keys}):
            if (getattr(self, key) is not None) != (key in kind.keys):
                verb = "needs" if key in kind.keys else "has no"
                raise ValueError(f"degradation {self.degradation!r} {verb} {key!r}")
        if self.shares is not None:
            kinds = list(kind.kinds)
            if not kinds:
                raise ValueError(f"degradation {self.degradation!r} has no 'shares'")
            if sorted(self.shares) != sorted(kinds) or min(self.shares.values()) < 1:
                raise ValueError(
                    f"shares are whole numbers from 1 up for each of {', '.join(kinds)}, "
                    f"got {self.shares}"
                )
        if self.patch % kind.grid:
            raise ValueError(f"patch must be a multiple of {kind.grid}, got {self.patch}")
        return self


class Optimizer(Strict):
    name: Literal["adam", "muon", "lbfgs"] = "adam"
    lr: dict[str, float] = Field(description="learning rate per parameter group of the system")
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = Field(200, ge=0)
    final_fraction: float = Field(0.0, ge=0, le=1, description="cosine ends at this share of lr")
    clip: float | None = Field(None, gt=0, description="largest gradient norm")
    history: int = Field(10, ge=1, description="L-BFGS only: pairs kept")
    samples: int = Field(2000, ge=1, description="L-BFGS only: patches, drawn once")

    @model_validator(mode="after")
    def _one_rate_for_lbfgs(self) -> Optimizer:
        if self.name == "lbfgs" and len(set(self.lr.values())) > 1:
            raise ValueError("L-BFGS takes one learning rate for all groups")
        return self


class Phase(Sparse):
    """Up to a share of the budget, train with the system grown to these settings."""

    until: float = Field(gt=0, le=1)
    grow: dict[str, int] = Field(
        default={}, description="e.g. stages: 4; greedy: 1 trains the last alone"
    )
    loss: LossName | None = Field(
        default=None, description="from here on, until another phase names one; else the recipe's"
    )


class CardText(Strict):
    """What the card of the trained prior says in words."""

    title: str
    paper: str
    licence: str
    iterative_use: str
    notes: list[str] = []


class Recipe(Strict):
    """Everything that decides what a training run does, except where its data lie."""

    name: str
    description: str = ""
    system: str
    architecture: dict[str, Any] = {}
    card: CardText
    data: Data
    loss: LossName = "l2"
    level_weight: float = Field(
        0.0,
        ge=0,
        le=2,
        description="each image's loss, of whatever kind, is weighed with sigma ** -level_weight",
    )
    level_floor: float = Field(
        default=1 / 255, gt=0, le=1, description="levels below this weigh as much as this one"
    )
    optimizer: Optimizer
    phases: list[Phase] = [Phase(until=1.0)]
    steps: int | None = Field(None, ge=1, description="length; without it --minutes decides")
    revive_every: int | None = Field(
        None, ge=1, description="steps after which channels that died get a new start"
    )
    ema: float = Field(
        0.999, ge=0, lt=1, description="decay of the moving average of weights; less at first"
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    weights_dtype: Literal["float32", "float16"] = Field(
        "float32", description="of the released file; float16 halves it"
    )
    seed: int = 0
    warm_start: str | None = Field(None, description="name or card of a prior to start from")
    lighter_centre: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of a kernel's corner weights that its centre starts with, for a wider "
        "effective receptive field; for untrained networks",
    )
    validate_every: int = Field(1000, ge=1, description="steps between validations and checkpoints")
    validation_sigmas: list[float] = [15 / 255, 25 / 255, 50 / 255]
    validation_qualities: list[int] = Field([], description="by default the ends of data.quality")

    @field_validator("validation_sigmas")
    @classmethod
    def _in_unit_range(cls, value: list[float]) -> list[float]:
        if not all(0 <= sigma <= 1 for sigma in value):
            raise ValueError(f"noise levels are in 0..1 units, got {value}")
        return value

    @field_validator("validation_qualities")
    @classmethod
    def _are_qualities(cls, value: list[int]) -> list[int]:
        if not all(1 <= quality <= 100 for quality in value):
            raise ValueError(f"JPEG qualities are 1 to 100, got {value}")
        return value

    @field_validator("system")
    @classmethod
    def _known_system(cls, value: str) -> str:
        if value not in SYSTEMS:
            raise ValueError(f"unknown system {value!r}; known: {', '.join(SYSTEMS)}")
        return value

    @model_validator(mode="after")
    def _phases_rise_to_one(self) -> Recipe:
        ends = [phase.until for phase in self.phases]
        if ends != sorted(set(ends)) or ends[-1:] != [1.0]:
            raise ValueError(f"phases: 'until' must rise and end at 1.0, got {ends}")
        return self

    @model_validator(mode="after")
    def _levels_to_weigh(self) -> Recipe:
        kind = self.data.degradation
        if self.level_weight and DEGRADATIONS[kind].tasks != ("gaussian",):
            raise ValueError(f"level_weight: {kind!r} has no noise levels to weigh every image by")
        return self

    @model_validator(mode="after")
    def _lighter_from_scratch(self) -> Recipe:
        if self.lighter_centre is not None and self.warm_start is not None:
            raise ValueError("lighter_centre is for untrained networks, not for a 'warm_start'")
        return self

    def loss_in(self, phase: int) -> str:
        """The name of the loss in a phase, counted from 0."""
        named = [each.loss for each in self.phases[: phase + 1] if each.loss is not None]
        return named[-1] if named else self.loss

    def degradation(self) -> Degradation:
        """What the recipe does to clean images."""
        return DEGRADATIONS[self.data.degradation](self)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a YAML file.

        :raises MissingFileError, ConfigError: naming the file and the key.
        """
        return read_yaml_as(cls, path)
