"""What a benchmark hands back: a table, a JSON file, a row of a card."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pnp_priors.benchmark.metrics import Means, Score, means
from pnp_priors.benchmark.published import Row, Task, published
from pnp_priors.card import Card, Result
from pnp_priors.schema import parse_as, read_yaml

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """One row of ours: what a prior reached, by noise level on the 0..255 scale."""

    prior: str
    method: str | None
    scores: dict[float, list[Score]]
    blur: str | None = None

    @property
    def unusual(self) -> list[str]:
        """What has to be said beside the method: a blur other than the tables' circular one."""
        return [] if self.blur in (None, "circular") else [f"{self.blur} blur"]

    @property
    def label(self) -> str:
        return ", ".join(part for part in (self.prior, self.method, *self.unusual) if part)

    def means(self) -> dict[float, Means]:
        """Mean scores by noise level."""
        return {sigma: means(scores) for sigma, scores in self.scores.items()}


@dataclass(frozen=True)
class Report:
    """Everything that one run of a benchmark found; ``extent`` says on how much of the set."""

    task: Task
    dataset: str
    extent: str
    protocol: str
    command: str
    measured: list[Measured]

    @property
    def published(self) -> list[Row]:
        """The published rows on the same data set."""
        return published().about(self.task, self.dataset)


def _cell(psnr: float | None, ssim: float | None) -> str:
    """``28.90 .8142``: four levels then fit into 80 columns."""
    if psnr is None:
        return ""
    return f"{psnr:.2f}" if ssim is None else f"{psnr:.2f} {ssim:.4f}".replace(" 0.", " .")


def table(report: Report) -> Table:
    """PSNR in dB and SSIM by noise level: the input, ours, published rows, differences in dB.

    Published rows carry the number of their source in the caption.
    """
    from rich.table import Table

    measured = report.measured
    sigmas = list(measured[0].scores)
    shown = [row for row in report.published if any(s in row.psnr for s in sigmas)]
    sources = list(dict.fromkeys(row.source for row in shown))
    out = Table(
        title=f"{report.task}, {report.dataset}, {report.extent}: PSNR in dB, SSIM",
        title_justify="left",
        caption="\n".join(f"[{n}] {source}" for n, source in enumerate(sources, 1)) or None,
        caption_justify="left",
    )
    out.add_column("")
    for sigma in sigmas:
        out.add_column(f"σ = {sigma:g}", justify="right")
    inputs = measured[0].means()
    out.add_row("(input)", *(_cell(inputs[s].degraded_psnr, None) for s in sigmas))
    for row in measured:
        ours = row.means()
        out.add_row(row.label, *(_cell(ours[s].psnr, ours[s].ssim) for s in sigmas), style="bold")
    out.add_section()
    for reference in shown:
        cells = (_cell(reference.psnr.get(s), reference.ssim.get(s)) for s in sigmas)
        out.add_row(f"{reference.method} [{sources.index(reference.source) + 1}]", *cells)
    out.add_section()
    for row in measured:
        ours = row.means()
        for reference in shown:
            if reference.counterpart == row.prior and not row.unusual:
                cells = (
                    f"{ours[s].psnr - reference.psnr[s]:+.2f}" if s in reference.psnr else ""
                    for s in sigmas
                )
                number = sources.index(reference.source) + 1
                out.add_row(f"{row.label} - [{number}]", *cells)
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


def write_json(path: Path, report: Report) -> None:
    """Write everything measured, image by image, and the published rows beside it."""
    import deepinv
    import torch

    from pnp_priors.registry import version

    content = {
        "task": report.task,
        "dataset": report.dataset,
        "extent": report.extent,
        "protocol": report.protocol,
        "command": report.command,
        "versions": {
            "pnp_priors": version(),
            "torch": torch.__version__,
            "deepinv": deepinv.__version__,
        },
        "measured": [
            {
                "prior": row.prior,
                "method": row.method,
                "blur": row.blur,
                "sigma": {
                    f"{sigma:g}": asdict(means(scores)) | {"images": [asdict(s) for s in scores]}
                    for sigma, scores in row.scores.items()
                },
            }
            for row in report.measured
        ],
        "published": [row.model_dump(mode="json") for row in report.published],
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def result(measured: Measured, dataset: str, command: str) -> Result:
    """The row of a card: means with the digits that papers print."""
    by_level = measured.means()
    return Result(
        dataset=dataset,
        psnr={f"{s:g}": round(m.psnr, 2) for s, m in by_level.items()},
        ssim={f"{s:g}": round(m.ssim, 4) for s, m in by_level.items()},
        command=command,
    )


def add_to_card(path: Path, new: Result) -> None:
    """Put a result into a card, in the place of an earlier one on the same data set.

    Other keys, their values and their order stay as they are.

    :raises MissingFileError, ConfigError: no card there, or not a valid one.
    """
    content: dict[str, Any] = read_yaml(path)
    card = parse_as(Card, content, str(path))
    kept = [row.dataset for row in card.results]
    rows = content.get("results") or []
    row = new.model_dump(mode="json")
    if new.dataset in kept:
        rows[kept.index(new.dataset)] = row
    else:
        rows.append(row)
    content["results"] = rows
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, text)
