"""The card: what a released prior is, in one YAML file beside its weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Weights(Strict):
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


class Training(Strict):
    """How exactly this weights file came to be."""

    recipe: str
    recipe_text: dict[str, Any] = Field(description="the recipe as it was run, whole")
    data: list[str]
    images: int
    megapixels_seen: float
    minutes: float
    hardware: str
    torch: str
    seed: int
    started_from: str | None = None
    finished: bool = Field(description="whether the schedule ran to its end")
    validation_psnr: dict[str, float] = Field(description="dB at sigma*255, on held-out images")


class Result(Strict):
    """One measured row; printed by the command given with it."""

    dataset: str
    psnr: dict[str, float] = Field(description="mean PSNR in dB at sigma*255")
    ssim: dict[str, float] = {}
    command: str


class Card(Strict):
    """A released prior. ``sigma_range`` is in [0, 1] image units."""

    name: str
    title: str
    system: str
    architecture: dict[str, Any]
    channels: int
    sigma_range: tuple[float, float]
    outside_range: str
    blind: bool
    tasks: list[Literal["gaussian", "jpeg", "super-resolution"]]
    parameters: int
    receptive_field: int
    weights: Weights
    licence: str
    paper: str
    iterative_use: str = Field(description="how it behaves inside an iterative solver")
    notes: list[str] = []
    training: Training
    results: list[Result] = []

    def __str__(self) -> str:
        rows = [f"{self.name}: {self.title}", ""]
        low, high = (round(255 * s, 2) for s in self.sigma_range)
        rows += [
            f"  system          {self.system}, {self.channels} channel(s)",
            f"  sigma           {low:g}/255 to {high:g}/255; outside: {self.outside_range}",
            f"  parameters      {self.parameters:,}; receptive field {self.receptive_field} pixels",
            f"  iterative use   {self.iterative_use}",
            f"  weights         {self.weights.file} ({self.weights.bytes:,} bytes), "
            f"SHA-256 {self.weights.sha256[:16]}…",
            f"  licence         {self.licence}",
            f"  paper           {self.paper}",
            f"  trained on      {', '.join(self.training.data)}: "
            f"{self.training.megapixels_seen:,.0f} million pixels seen"
            + ("" if self.training.finished else " (schedule not finished: half-trained)"),
        ]
        for result in self.results:
            psnr = "  ".join(f"σ={level}: {value:.2f}" for level, value in result.psnr.items())
            rows.append(f"  {result.dataset:<15} {psnr} dB")
        rows += [f"  note            {note}" for note in self.notes]
        return "\n".join(rows)
