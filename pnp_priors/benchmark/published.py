"""Published numbers, each with its source, as checked data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pnp_priors.schema import read_yaml_as

PUBLISHED = Path(__file__).with_name("published.yaml")

Task = Literal["denoising", "deconvolution"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Row(Strict):
    """What one method reaches on one data set, by noise level on the 0..255 scale."""

    task: Task
    dataset: str
    method: str
    counterpart: str | None = Field(None, description="the prior of ours that this row is about")
    psnr: dict[float, float] = Field(min_length=1, description="dB")
    ssim: dict[float, float] = {}
    source: str = Field(min_length=1)


class Published(Strict):
    """All rows, in the order in which tables show them."""

    rows: list[Row] = Field(min_length=1)

    def about(self, task: Task, dataset: str) -> list[Row]:
        """The rows on one data set."""
        return [row for row in self.rows if row.task == task and row.dataset == dataset]


@lru_cache(maxsize=1)
def published() -> Published:
    """The rows of ``published.yaml``.

    :raises ConfigError: naming the key that is wrong.
    """
    return read_yaml_as(Published, PUBLISHED)
