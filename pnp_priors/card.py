"""The card: what a released prior is, in one YAML file beside its weights."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from pnp_priors.analysis.model import Assessment
from pnp_priors.benchmark.tasks import LEVELS, Task
from pnp_priors.schema import Strict
from pnp_priors.showing import notebook


class Weights(Strict):
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int
    dtype: Literal["float32", "float16"] = Field(
        "float32", description="of the stored numbers; computation is float32"
    )


class Training(Strict):
    """How exactly this weights file came to be."""

    recipe: str
    recipe_text: dict[str, Any] = Field(description="the recipe as it was run, whole")
    data: list[str]
    images: int
    megapixels_seen: float = Field(description="in this run")
    megapixels_before: float = Field(default=0.0, description="by what it started from, in all")
    minutes: float
    hardware: str
    torch: str
    seed: int
    started_from: str | None = None
    finished: bool = Field(description="whether the schedule ran to its end")
    validation_psnr: dict[str, float] = Field(
        description="dB at sigma*255, JPEG quality or scale, on held-out images; of several "
        "tasks, with that in front"
    )

    @property
    def megapixels_in_all(self) -> float:
        """Of this run and of what it started from."""
        return round(self.megapixels_before + self.megapixels_seen, 1)


class Result(Strict):
    """One measured row; printed by the command given with it."""

    task: Task = "denoising"
    dataset: str
    psnr: dict[str, float] = Field(
        description="mean PSNR in dB by sigma*255, JPEG quality or scale"
    )
    ssim: dict[str, float] = {}
    command: str


class Card(Strict):
    """A released prior. ``sigma_range`` is in [0, 1] image units, all of it for a blind prior."""

    name: str
    title: str
    system: str
    architecture: dict[str, Any]
    channels: int
    sigma_range: tuple[float, float]
    quality_range: tuple[int, int] | None = Field(None, description="trained JPEG qualities")
    scales: tuple[int, ...] | None = Field(None, description="trained scales of super-resolution")
    outside_range: str
    blind: bool = Field(description="whether it ignores sigma")
    estimates_sigma: bool = Field(False, description="where none is given, else it takes it")
    tasks: list[Literal["gaussian", "jpeg", "super-resolution", "camera"]]
    parameters: int
    receptive_field: int | None = Field(description="in pixels; null: the whole image")
    weights: Weights | None = Field(
        description="null: those of another prior, which the architecture names as its `base`"
    )
    licence: str
    paper: str
    iterative_use: str = Field(description="how it behaves inside an iterative solver")
    notes: list[str] = []
    training: Training | None = Field(description="null where `weights` is")
    results: list[Result] = []
    assessment: Assessment | None = Field(
        default=None, description="of `pnp-priors assess NAME --card`"
    )

    @model_validator(mode="after")
    def _weights_or_base(self) -> Card:
        own = self.weights is not None
        if own == ("base" in self.architecture) or own != (self.training is not None):
            raise ValueError(
                "either 'weights' and 'training' are given, or both are null and 'architecture' "
                "has the key 'base'"
            )
        return self

    @property
    def trained_for(self) -> str:
        """The noise levels, JPEG qualities and scales, in words."""
        return notebook.trained_for(self)

    @property
    def iterative_verdict(self) -> str:
        """Whether it suits iterative solvers: the first words of ``iterative_use``."""
        return re.split("[,:;]", self.iterative_use, maxsplit=1)[0]

    @property
    def _weights(self) -> str:
        if self.weights is None:
            return f"those of {self.architecture['base']}, its base; another with base=NAME"
        own = self.weights
        return f"{own.file} ({own.bytes:,} bytes), SHA-256 {own.sha256[:16]}…"

    def _rows(self) -> list[tuple[str, str]]:
        """What is shown of it: what each line is about, and the line."""
        field = "whole image" if self.receptive_field is None else f"{self.receptive_field} pixels"
        rows = [
            ("system", f"{self.system}, {self.channels} channel(s)"),
            ("trained for", f"{self.trained_for}; outside: {self.outside_range}"),
            ("parameters", f"{self.parameters:,}; receptive field {field}"),
            ("iterative use", self.iterative_use),
            ("weights", self._weights),
            ("licence", self.licence),
            ("paper", self.paper),
        ]
        if self.training is not None:
            seen = (
                f"{', '.join(self.training.data)}: "
                f"{self.training.megapixels_in_all:,.0f} million pixels seen"
                + ("" if self.training.finished else " (schedule not finished: half-trained)")
            )
            rows.append(("trained on", seen))
        for result in self.results:
            symbol = LEVELS[result.task].symbol
            psnr = "  ".join(f"{symbol}={level}: {v:.2f}" for level, v in result.psnr.items())
            rows.append((result.dataset, f"{psnr} dB"))
        if self.assessment is not None:
            rows += [("assessed", line) for line in self.assessment.headlines]
        return rows + [("note", note) for note in self.notes]

    def __repr__(self) -> str:
        """One line, as of the prior itself: pydantic's would have all that a card holds."""
        colours = {1: "gray", 3: "colour"}.get(self.channels, f"{self.channels} channels")
        about = f"{self.title}, {colours}, {self.trained_for}, {self.parameters:,} parameters"
        return f"Card({self.name}: {about})"

    def __str__(self) -> str:
        lines = [f"  {about:<15} {text}" for about, text in self._rows()]
        return "\n".join([f"{self.name}: {self.title}", "", *lines])

    def _repr_html_(self) -> str:
        """As a small table, for notebooks."""
        return notebook.table(self._rows(), f"{self.name}: {self.title}")
