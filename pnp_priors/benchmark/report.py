"""What a benchmark hands back: a table, a JSON file, a row of a card."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pnp_priors.benchmark.measuring import bench
from pnp_priors.benchmark.metrics import Means, Score, means
from pnp_priors.benchmark.published import Row, published
from pnp_priors.benchmark.tasks import LEVELS, Setting, Task, command, levels_in_words
from pnp_priors.card import Card, Result
from pnp_priors.schema import parse_as, read_yaml

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """One row of ours: what a prior reached, by level (see :mod:`pnp_priors.benchmark.tasks`)."""

    prior: str
    setting: Setting
    scores: dict[float, list[Score]]

    @property
    def label(self) -> str:
        return ", ".join([self.prior, *self.setting.how])

    def means(self) -> dict[float, Means]:
        """Mean scores by level."""
        return {level: means(scores) for level, scores in self.scores.items()}

    def is_counterpart(self, row: Row) -> bool:
        """Whether a published row is about this prior, used and measured in this way."""
        return row.is_about(self.prior, self.setting)


@dataclass(frozen=True)
class Report:
    """Everything that one command found on ``count`` problems of a set."""

    task: Task
    dataset: str
    count: int
    limit: int | None
    measured: list[Measured]
    command: str

    @property
    def extent(self) -> str:
        """On how much of the set."""
        images = f"{self.count} image{'s' if self.count != 1 else ''}"
        return images + (" (published: whole set)" if self.limit is not None else "")

    @property
    def protocol(self) -> str:
        """How it was measured."""
        return bench(self.task).protocol(self.measured[0].setting)

    @property
    def published(self) -> list[Row]:
        """The published rows on the same data set."""
        return published().about(self.task, self.dataset)

    @property
    def levels(self) -> list[float]:
        """All that were measured, in order."""
        return sorted({level for row in self.measured for level in row.scores})


def cell(psnr: float | None, ssim: float | None) -> str:
    """``28.90 .8142``: four levels then fit into 80 columns."""
    if psnr is None:
        return ""
    return f"{psnr:.2f}" if ssim is None else f"{psnr:.2f} {ssim:.4f}".replace(" 0.", " .")


def table(report: Report) -> Table:
    """PSNR in dB and SSIM by level: the input, ours, published rows, differences in dB.

    Published rows carry the number of their source in the caption.
    """
    from rich.table import Table

    measured, levels = report.measured, report.levels
    shown = [row for row in report.published if any(level in row.psnr for level in levels)]
    sources = list(dict.fromkeys(row.source for row in shown))
    out = Table(
        title=f"{report.task}, {report.dataset}, {report.extent}: PSNR in dB, SSIM",
        title_justify="left",
        caption="\n".join(f"[{n}] {source}" for n, source in enumerate(sources, 1)) or None,
        caption_justify="left",
    )
    out.add_column("")
    for level in levels:
        out.add_column(levels_in_words(report.task, level), justify="right")
    inputs: dict[float, Means] = {}
    for row in measured:
        inputs |= row.means()
    cells = (cell(inputs[level].degraded_psnr, inputs[level].degraded_ssim) for level in levels)
    out.add_row(f"({LEVELS[report.task].degraded})", *cells)
    for row in measured:
        ours = row.means()
        found = (ours.get(level) for level in levels)
        out.add_row(row.label, *(cell(m.psnr, m.ssim) if m else "" for m in found), style="bold")
    out.add_section()
    for reference in shown:
        cells = (cell(reference.psnr.get(level), reference.ssim.get(level)) for level in levels)
        out.add_row(f"{reference.method} [{sources.index(reference.source) + 1}]", *cells)
    out.add_section()
    for row in measured:
        ours = row.means()
        for reference in filter(row.is_counterpart, shown):
            both = ours.keys() & reference.psnr.keys()
            if both:
                cells = (
                    f"{ours[level].psnr - reference.psnr[level]:+.2f}" if level in both else ""
                    for level in levels
                )
                out.add_row(f"{row.label} - [{sources.index(reference.source) + 1}]", *cells)
    return out


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # mkstemp makes private files; the finished one is like any other new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    import deepinv
    import torch

    from pnp_priors.registry import version

    return {
        "pnp_priors": version(),
        "torch": torch.__version__.split("+")[0],
        "deepinv": deepinv.__version__,
    }


def write_json(path: Path, report: Report) -> None:
    """Write everything measured, image by image, and the published rows beside it."""
    content = {
        "task": report.task,
        "dataset": report.dataset,
        "extent": report.extent,
        "protocol": report.protocol,
        "command": report.command,
        "versions": versions(),
        "measured": [
            {
                "prior": row.prior,
                "method": row.setting.method,
                "blur": row.setting.blur,
                "levels": {
                    f"{level:g}": asdict(means(scores)) | {"images": [asdict(s) for s in scores]}
                    for level, scores in row.scores.items()
                },
            }
            for row in report.measured
        ],
        "published": [row.model_dump(mode="json") for row in report.published],
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def result(measured: Measured) -> Result:
    """The row of a card: means with the digits that papers print."""
    by_level, setting = measured.means(), measured.setting
    return card_row(
        setting, measured.prior, {level: (m.psnr, m.ssim) for level, m in by_level.items()}
    )


def card_row(setting: Setting, prior: str, means: dict[float, tuple[float, float]]) -> Result:
    """The row of a card from means of PSNR and SSIM by level."""
    return Result(
        task=setting.task,
        dataset=", ".join([setting.dataset, *setting.how]),
        psnr={f"{level:g}": round(psnr, 2) for level, (psnr, _) in means.items()},
        ssim={f"{level:g}": round(ssim, 4) for level, (_, ssim) in means.items()},
        command=command(setting, [prior], list(means)),
    )


def add_to_card(path: Path, new: Result) -> None:
    """Put a result into a card, in the place of an earlier one of the task on the same data set.

    Other keys, their values and their order stay as they are.

    :raises MissingFileError, ConfigError: no card there, or not a valid one.
    """
    content: dict[str, Any] = read_yaml(path)
    card = parse_as(Card, content, str(path))
    kept = [(row.task, row.dataset) for row in card.results]
    rows = content.get("results") or []
    row = new.model_dump(mode="json")
    if (new.task, new.dataset) in kept:
        rows[kept.index((new.task, new.dataset))] = row
    else:
        rows.append(row)
    content["results"] = rows
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, text)
