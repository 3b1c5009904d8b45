"""``docs/results.md``: the cells of :mod:`pnp_priors.benchmark.results` as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pnp_priors.benchmark.measuring import bench
from pnp_priors.benchmark.published import Row, published
from pnp_priors.benchmark.results import Cell
from pnp_priors.benchmark.tasks import LEVELS, Setting, Task, command, levels_in_words

_HEAD = """\
# What the priors reach

Made by `pnp-priors bench all`; all numbers, image by image, are in `results.json`. PSNR in dB and
SSIM, means over each set. Beside each level is the published number of the same method with the
number of its source, and ours minus that; rows in italics are other published results on the same
set. The commands need the image sets (`--data DIR` or `PNP_PRIORS_DATA`).
"""


def markdown(cells: Sequence[Cell]) -> str:
    """The whole page: a section for each task, a table for each set."""
    parts = [_HEAD]
    for task in LEVELS:
        some = [cell for cell in cells if cell.task == task]
        if some:
            parts.append(f"## {task.capitalize()}\n")
            for dataset in dict.fromkeys(cell.dataset for cell in some):
                parts.append(_section(task, [c for c in some if c.dataset == dataset]))
    parts += ["## When and with what\n", *_history(cells)]
    return "\n".join(parts) + "\n"


def _section(task: Task, cells: list[Cell]) -> str:
    dataset = cells[0].dataset
    levels = sorted({cell.level for cell in cells})
    rows: dict[tuple[str, Setting], dict[float, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.prior, cell.setting), {})[cell.level] = cell
    references = [
        row
        for row in published().about(task, dataset)
        if any(level in row.psnr for level in levels)
    ]
    sources = list(dict.fromkeys(row.source for row in references))
    count = len(cells[0].images)
    extent = f"{count} image{'s' if count > 1 else ''}"
    if cells[0].limit is not None:
        extent += ", the first of the set only"
    heads = [h for level in levels for h in (levels_in_words(task, level), "published")]
    lines = [
        f"### {dataset} ({extent})\n",
        _line(["", *heads]),
        _line([":--", *(["--:"] * len(heads))]),
    ]
    degraded = {cell.level: _pair(cell.degraded_psnr, cell.degraded_ssim) for cell in cells}
    lines.append(_line([f"({LEVELS[task].degraded})", *_interleaved(degraded, levels)]))
    for (prior, setting), by_level in rows.items():
        ours = {level: f"**{c.psnr:.2f}** {c.ssim:.4f}" for level, c in by_level.items()}
        theirs = {level: _beside(cell, references, sources) for level, cell in by_level.items()}
        label = ", ".join([f"`{prior}`", *setting.how])
        lines.append(_line([label, *_interleaved(ours, levels, theirs)]))
    for row in references:
        theirs = {level: _pair(psnr, row.ssim.get(level)) for level, psnr in row.psnr.items()}
        label = f"*{row.method}* [{sources.index(row.source) + 1}]"
        lines.append(_line([label, *_interleaved(theirs, levels)]))
    if sources:
        lines += ["", *(f"[{n}] {source}  " for n, source in enumerate(sources, 1))]
    protocol = dict.fromkeys(bench(task).protocol(cell.setting) for cell in cells)
    lines += ["", f"Protocol: {'; '.join(protocol)}.", "", "```", *_commands(rows), "```", ""]
    return "\n".join(lines)


def _beside(cell: Cell, references: Iterable[Row], sources: list[str]) -> str:
    """The first published number of the same method at this level, and ours minus it.

    Some images of a set are not compared with a mean over all.
    """
    for row in references:
        if cell.level in row.psnr and row.is_about(cell.prior, cell.setting):
            psnr = row.psnr[cell.level]
            number = sources.index(row.source) + 1
            if cell.limit is not None:
                return f"{psnr:.2f} [{number}]"
            # The difference of the numbers as they are printed, with a true minus sign.
            difference = f"{round(cell.psnr, 2) - psnr:+.2f}".replace("-", "−")
            return f"{psnr:.2f} [{number}] {difference}"
    return ""


def _commands(rows: dict[tuple[str, Setting], dict[float, Cell]]) -> list[str]:
    """The commands that measure a table again: priors with the same levels at once."""
    together: dict[tuple[Setting, tuple[float, ...], int | None], list[str]] = {}
    for (prior, setting), by_level in rows.items():
        limit = next(iter(by_level.values())).limit
        together.setdefault((setting, tuple(by_level), limit), []).append(prior)
    return [
        command(setting, names, levels, limit)
        for (setting, levels, limit), names in together.items()
    ]


def _history(cells: Iterable[Cell]) -> list[str]:
    by_run: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        words = ", ".join(f"{name} {number}" for name, number in cell.versions.items())
        by_run.setdefault((cell.date, words), []).append(cell.prior)
    return [
        f"- {date}, {words}: {', '.join(f'`{name}`' for name in dict.fromkeys(names))}"
        for (date, words), names in sorted(by_run.items())
    ]


def _interleaved(
    values: dict[float, str], levels: Iterable[float], beside: dict[float, str] | None = None
) -> list[str]:
    return [v for level in levels for v in (values.get(level, ""), (beside or {}).get(level, ""))]


def _pair(psnr: float, ssim: float | None) -> str:
    return f"{psnr:.2f}" if ssim is None else f"{psnr:.2f} {ssim:.4f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
