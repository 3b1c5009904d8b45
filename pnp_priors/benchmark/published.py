"""Published numbers, each with its source, as checked data."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from pnp_priors.benchmark.tasks import Setting, Task
from pnp_priors.schema import Strict, read_yaml_as

PUBLISHED = Path(__file__).with_name("published.yaml")


class Row(Strict):
    """What one method reaches on one data set, by level: sigma on 0..255, quality or scale."""

    task: Task
    dataset: str
    method: str
    counterpart: str | None = Field(
        None, description="the prior of ours that this row is about; trd-7x7-s*: several"
    )
    counterpart_method: str | None = Field(None, description="how it is used; any if not given")
    psnr: dict[float, float] = Field(min_length=1, description="dB")
    ssim: dict[float, float] = {}
    source: str = Field(min_length=1)

    def is_about(self, prior: str, setting: Setting) -> bool:
        """Whether it is the published counterpart of a prior of ours, used and measured so."""
        named = self.counterpart is not None and fnmatchcase(prior, self.counterpart)
        usual = setting.blur in (None, "circular")
        return named and usual and self.counterpart_method in (None, setting.method)


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
