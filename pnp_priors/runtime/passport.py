"""The passport: what an exported file says of itself, in the model's ``metadata_props``.

Metadata maps strings to strings. Every key is always there, with an empty string where it does not
apply; there is no date, path or host among them, so that two exports are equal byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pnp_priors.errors import InputError, MissingFileError

#: version of the set of keys
PASSPORT = "1"

Kind = Literal["prior", "restoration"]
Precision = Literal["float32", "float16", "int8"]
#: the lowest noise level for int8, whose own error is as large as weaker noise
INT8_LOWEST = 10 / 255


class Passport(BaseModel):
    """What a graph is and takes. Fields are in the order in which a file states them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passport: Literal["1"] = "1"
    kind: Kind
    name: str = Field(min_length=1, description="of the prior, or of the pipeline")
    prior: str = Field(description="name of the prior inside")
    title: str
    task: str = Field(description="gaussian, jpeg, super-resolution, camera; or the pipeline's")
    prior_version: str = Field(description="first 12 digits of the weights' SHA-256")
    package: str = "pnp_priors"
    package_version: str
    channels: Literal["any", "1", "3"]
    channel_order: Literal["any", "gray", "RGB"]
    value_range: Literal["[0, 1]"] = "[0, 1]"
    sigma_range: tuple[float, float] | None = Field(description="null: it takes no sigma")
    sigma_unit: str = "standard deviation, image in [0, 1]"
    sigma_outside: str = Field(default="", description="what happens outside the trained range")
    receptive_field: int | Literal["whole image"] = Field(description="in pixels")
    halo: int | None = Field(description="pixels around a tile; null: it cannot be tiled")
    size_multiple: int = Field(description="tiles must start at a multiple of it")
    licence: str
    training_data: list[str]
    weights_sha256: str
    psnr: dict[str, dict[str, float]] = Field(
        default={},
        description="measured mean PSNR in dB, by data set, with a solver's name, and level",
    )
    tolerance: float = Field(gt=0, description="largest allowed difference to torch")
    opset: int
    precision: Precision
    lipschitz_lower_bound: dict[str, float] | None = Field(
        default=None,
        description="largest found gain of the prior, by sigma*255; a lower bound, no certificate",
    )
    settings: dict[str, Any] | None = Field(default=None, description="of a pipeline")
    psnr_difference: dict[str, float] | None = Field(
        default=None, description="of int8: to float32, measured in dB, by sigma*255"
    )

    @field_validator("sigma_range")
    @classmethod
    def _in_order(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1] <= 1:
            raise ValueError("must be [low, high] with 0 <= low <= high <= 1")
        return value

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str | Path = "model") -> Passport:
        """Read it from a model's metadata.

        :param metadata: keys and values as the file has them.
        :param source: the file's name, for messages.
        :raises InputError: none there, one of another version, or a wrong key or value; one line.
        """
        if "passport" not in metadata:
            raise InputError(f"{source}: no passport: `pnp-priors export` did not write this file")
        if metadata["passport"] != PASSPORT:
            raise InputError(
                f"{source}: its passport is of version {metadata['passport']!r}, this package "
                f"reads version {PASSPORT!r}"
            )
        missing = [key for key in cls.model_fields if key not in metadata]
        if missing:
            raise InputError(f"{source}: its passport lacks {', '.join(missing)}")
        try:
            return cls.model_validate({key: _parsed(key, text) for key, text in metadata.items()})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise InputError(f"{source}: its passport's {key!r}: {first['msg']}") from error

    def metadata(self) -> dict[str, str]:
        """Keys and values for a model's metadata, in the order of the fields."""
        values = self.model_dump(mode="json")
        return {key: _text(key, value) for key, value in values.items()}

    def __str__(self) -> str:
        low, high = self.sigma_range or (0.0, 0.0)
        levels = f"{255 * low:g}/255 to {255 * high:g}/255" if self.sigma_range else "takes none"
        outside = f"; trained range: {self.sigma_outside}" if self.sigma_outside else ""
        field = self.receptive_field
        extent = field if isinstance(field, str) else f"{field} pixels, halo {self.halo}"
        rows = [
            f"{self.name}: {self.title}",
            "",
            f"  {'kind':<16}{self.kind}, task {self.task}",
            f"  {'prior':<16}{self.prior}, version {self.prior_version}",
            f"  {'package':<16}{self.package} {self.package_version}",
            f"  {'channels':<16}{self.channels}, {self.channel_order}; values {self.value_range}",
            f"  {'sigma':<16}{levels}{outside}",
            f"  {'receptive field':<16}{extent}, size multiple {self.size_multiple}",
            f"  {'precision':<16}{self.precision}, opset {self.opset}, "
            f"within {self.tolerance:g} of torch",
            f"  {'licence':<16}{self.licence}",
            f"  {'trained on':<16}{', '.join(self.training_data)}",
            f"  {'weights':<16}SHA-256 {self.weights_sha256}",
        ]
        for dataset, psnr in self.psnr.items():
            levels = "  ".join(f"{level}: {value:.2f}" for level, value in psnr.items())
            rows.append(f"  {'PSNR':<16}{levels} dB on {dataset}")
        if self.psnr_difference:
            levels = "  ".join(f"{level}: {v:+.2f}" for level, v in self.psnr_difference.items())
            rows.append(f"  {'to float32':<16}{levels} dB by level")
        if self.lipschitz_lower_bound:
            bounds = "  ".join(
                f"{level}: {v:.2f}" for level, v in self.lipschitz_lower_bound.items()
            )
            whose = "" if self.kind == "prior" else f"of {self.prior} alone "
            rows.append(f"  {'Lipschitz':<16}{whose}at least {bounds} (lower bounds by level)")
        if self.settings is not None:
            rows += [f"  {key:<16}{json.dumps(value)}" for key, value in self.settings.items()]
        return "\n".join(rows)


#: fields that are JSON in a file; the others are as they read
_JSON = (
    "sigma_range",
    "training_data",
    "psnr",
    "lipschitz_lower_bound",
    "settings",
    "psnr_difference",
)
#: of these, an empty string means none
_EMPTY_IS_NONE = ("sigma_range", "halo", "lipschitz_lower_bound", "settings", "psnr_difference")


def _parsed(key: str, text: str) -> object:
    if key in _EMPTY_IS_NONE and not text:
        return None
    if key not in _JSON:
        return text
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError as error:
        return f"not JSON: {error}"  # of a wrong type: the field's check refuses it


def _text(key: str, value: object) -> str:
    if value is None:
        return ""
    if key in _JSON:
        # An object with nothing in it says no more than an empty string.
        return json.dumps(value, ensure_ascii=False) if value or key == "training_data" else ""
    return f"{value:g}" if key == "tolerance" else str(value)


def read_passport(path: str | Path) -> Passport:
    """The passport of an exported file.

    :raises MissingFileError: no such file.
    :raises InputError: not an ONNX model, a damaged one, or one without a passport; one line.
    """
    from pnp_priors.runtime.metadata import metadata_of

    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    return Passport.from_metadata(metadata_of(path), path.name)
