"""The table of what is exported: prior × precision × opset × tolerance, and whole restorations.

``export/targets.yaml`` in a checkout, inside the package in a wheel. ``pnp-priors export --all``
builds it; a file's name follows from its row.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from pnp_priors import registry
from pnp_priors.export.graphs.priors.base import SigmaForm
from pnp_priors.pipelines import files
from pnp_priors.runtime.passport import Passport, Precision
from pnp_priors.schema import Strict, read_yaml_as

_PACKAGED = Path(__file__).parent / "targets.yaml"
#: in a checkout the file is in the top-level folder, which the wheel merges into the package
_CHECKOUT = _PACKAGED.parents[2] / "export" / "targets.yaml"


class PriorTarget(Strict):
    """A prior's file: ``NAME.onnx``, ``NAME-map.onnx``, ``NAME-float16.onnx``, …"""

    prior: str = Field(description="a released prior")
    precision: Precision
    opset: Literal[18]
    tolerance: float = Field(gt=0, lt=1, description="largest difference to torch, stated in it")
    sigma: SigmaForm | None = Field(default=None, description="if not as by default")

    @field_validator("prior")
    @classmethod
    def _known(cls, value: str) -> str:
        return _one_of(value, registry.available())

    @property
    def file(self) -> str:
        """Its name; what is by default is not in it."""
        precision = None if self.precision == "float32" else self.precision
        return "-".join(filter(None, (self.prior, self.sigma, precision))) + ".onnx"


class RestorationTarget(Strict):
    """A pipeline's file, ``NAME.onnx``."""

    name: str = Field(pattern=r"^[\w.-]+$", description="of the file, without .onnx")
    pipeline: str = Field(description="a shipped pipeline")
    set: dict[str, Any] = Field(default={}, description="its keys that are changed, dotted")
    iterations: Literal["fixed", "input"] = "fixed"
    channels: Literal[1, 3] | None = Field(default=None, description="of JPEG deblocking; 3")
    precision: Literal["float32"]
    opset: Literal[18]
    tolerance: float = Field(gt=0, lt=1, description="largest difference to torch, stated in it")

    @field_validator("pipeline")
    @classmethod
    def _known(cls, value: str) -> str:
        return _one_of(value, files.available())

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.name}.onnx"


class Targets(Strict):
    """The whole table."""

    priors: list[PriorTarget]
    restorations: list[RestorationTarget] = []

    @model_validator(mode="after")
    def _each_once(self) -> Targets:
        names = [row.file for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rows make {', '.join(twice)}")
        return self

    @property
    def rows(self) -> list[PriorTarget | RestorationTarget]:
        """All of them, in their order."""
        return [*self.priors, *self.restorations]


def _one_of(value: str, known: list[str]) -> str:
    if value not in known:
        raise ValueError(f"expected one of {', '.join(known)}, got {value!r}")
    return value


def shipped() -> Path:
    """Where the table is."""
    return _PACKAGED if _PACKAGED.is_file() else _CHECKOUT


def read(path: Path | None = None) -> Targets:
    """Read and check a table; by default the shipped one.

    :raises MissingFileError: no such file.
    :raises ConfigError: one line with the file, the key and what is allowed.
    """
    return _shipped() if path is None else read_yaml_as(Targets, path)


@lru_cache
def _shipped() -> Targets:
    return read_yaml_as(Targets, shipped())


def stated_tolerance(passport: Passport) -> float | None:
    """What the shipped table states of a released prior in a precision; ``None``: nothing.

    :param passport: of the file that is to be written.
    """
    name = passport.name
    if name not in registry.available():
        return None
    if registry.fingerprint(registry.describe(name)) != passport.weights_sha256:
        return None  # a card of one's own that has the name of a released one
    rows = [
        row for row in read().priors if (row.prior, row.precision) == (name, passport.precision)
    ]
    return max((row.tolerance for row in rows), default=None)


#: values that ``--precision`` takes
KNOWN_PRECISIONS: tuple[str, ...] = get_args(Precision)
