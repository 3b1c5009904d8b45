"""The README's tables: priors and papers from the cards, results from ``docs/results.json``.

    python docs/_ext/readme.py [--check]

writes them between the marks ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; ``--check`` only
says whether they are stale, with exit code 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from groups import Group, groups
from prior_pages import table

from pnp_priors.atomic import whole
from pnp_priors.benchmark import results
from pnp_priors.benchmark.published import published
from pnp_priors.benchmark.results import Cell
from pnp_priors.benchmark.tasks import levels_in_words

DOCS = Path(__file__).parents[1]
README = DOCS.parent / "README.md"
#: tables of results: task, set, and what it is
SETS = (
    ("denoising", "BSD68", "gray, noise"),
    ("denoising", "CBSD68", "colour, noise"),
)
LEVELS = (15.0, 25.0, 50.0)


def priors() -> str:
    """A line for each group of priors."""
    heads = ("name", "what", "from", "channels", "trained for", "parameters")
    lines = [
        (g.names, g.title, g.published, g.channels, g.trained_for, _thousands(g)) for g in groups()
    ]
    return table(lines, heads, "lllllr")


def _thousands(group: Group) -> str:
    count = group.middle.parameters
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def reached() -> str:
    """PSNR of denoising by group of priors, the published number of the same method behind it."""
    cells = results.read(DOCS / "results.json")
    lines = []
    for task, dataset, words in SETS:
        some = [c for c in cells if (c.task, c.dataset) == (task, dataset) and c.level in LEVELS]
        if not some:
            continue
        noisy = {cell.level: f"{cell.degraded_psnr:.2f}" for cell in some}
        head = f"*{dataset} ({words})*"
        lines.append((head, *(f"*{noisy.get(level, '')}*" for level in LEVELS)))
        for group in groups():
            row = _row(group, some)
            if any(row):
                lines.append((group.names, *row))
    heads = ("PSNR in dB", *(levels_in_words("denoising", level) for level in LEVELS))
    return table(lines, heads, "lrrr")


def _row(group: Group, cells: Sequence[Cell]) -> list[str]:
    names = {card.name for card in group.cards}
    found = {cell.level: _beside(cell) for cell in cells if cell.prior in names}
    return [found.get(level, "") for level in LEVELS]


def _beside(cell: Cell) -> str:
    for row in published().about(cell.task, cell.dataset):
        if cell.level in row.psnr and row.is_about(cell.prior, cell.setting):
            return f"{cell.psnr:.2f} ({row.psnr[cell.level]:.2f})"
    return f"{cell.psnr:.2f}"


def papers() -> str:
    """The papers that the priors are from, and which these are."""
    by_paper: dict[str, list[str]] = {}
    for group in groups():
        paper = group.middle.paper
        if not paper.startswith("in no paper"):
            by_paper.setdefault(paper, []).append(f"`{group.key}`")
    return "\n".join(f"- {', '.join(keys)}: {paper}" for paper, keys in by_paper.items())


TABLES: dict[str, Callable[[], str]] = {
    "priors": priors,
    "results": reached,
    "papers": papers,
}


def fresh(text: str) -> str:
    """The README with its tables as they are now.

    :raises ValueError: a table's marks are not there, once each and in order.
    """
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"README.md: expected the marks {begin} and {end}, once each")
        content = make()
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, new=f"{begin}\n{content}\n{end}": new, text)
    return text


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    new = fresh(text)
    if new == text:
        return
    if check:
        sys.exit("README.md: its tables are stale; python docs/_ext/readme.py writes them")
    whole(README, lambda part: part.write_text(new, encoding="utf-8"))


if __name__ == "__main__":
    main()
