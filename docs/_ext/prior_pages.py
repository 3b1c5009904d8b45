"""A Markdown page for each group of priors, and their table, from cards and measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from groups import Group

from pnp_priors import registry
from pnp_priors.benchmark.published import published
from pnp_priors.benchmark.results import Cell
from pnp_priors.benchmark.tasks import levels_in_words
from pnp_priors.card import Card

NO_BREAK = "\N{NO-BREAK SPACE}"
#: pages of the site that say more about some priors, by the key of their group
FURTHER = {
    "bf-dncnn": ("bias-free.md",),
    "bf-dncnn-narrow": ("bias-free.md",),
    "cbdnet": ("camera-noise.md",),
    "class-aware": ("class-aware.md",),
    "nn3d": ("repeated-structure.md",),
    "trd-5x5": ("trd-experiments.md",),
    "trd-7x7": ("trd-experiments.md",),
    "trd-jpeg": ("jpeg.md",),
}


@dataclass(frozen=True)
class Speed:
    """What ``docs/speed.yaml`` holds of one machine."""

    machine: str
    clock: str
    size: int
    milliseconds: dict[str, float]
    reference: str
    ratio: dict[str, float]


def speeds(path: Path) -> list[Speed]:
    """The measurements of all machines; none where there is no file."""
    if not path.is_file():
        return []
    runs = yaml.safe_load(path.read_text(encoding="utf-8"))["runs"]
    return [
        Speed(
            r["machine"], r["clock"], r["size"], r["ms_per_megapixel"], r["reference"], r["ratio"]
        )
        for r in runs
    ]


def table(lines: Iterable[Sequence[str]], heads: Sequence[str], align: str = "") -> str:
    """A Markdown table; ``align`` has a letter (l or r) for each column."""
    rule = ["--:" if letter == "r" else ":--" for letter in align.ljust(len(heads), "l")]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines])


def facts(group: Group, measured: Sequence[Speed]) -> str:
    """Two columns: what it is, and what it takes."""
    card = group.middle
    reach = [c.receptive_field for c in group.cards if c.receptive_field is not None]
    field = f"{_span(reach)} pixels" if reach else "the whole image"
    rows = [
        ("names", group.names),
        ("system", f"`{card.system}`, class {{py:class}}`{_class(card)}`"),
        ("channels", f"{card.channels} ({group.channels})"),
        ("trained for", group.trained_for),
        *_of_each("outside of that", {c.name: c.outside_range for c in group.cards}),
        ("blind", "yes: sigma is ignored" if card.blind else _sigma(card)),
        ("parameters", _span([c.parameters for c in group.cards])),
        ("receptive field", field),
        *_of_each("inside solvers", {c.name: c.iterative_use for c in group.cards}),
    ]
    for run in measured:
        times = {c.name: _time(c, run) for c in group.cards if c.name in run.milliseconds}
        rows += _of_each("speed", times)
    rows += [("licence", card.licence), ("source", card.paper)]
    for one in group.cards:
        if one.weights is not None:
            own = one.weights
            size = f"{own.bytes / 1e3:,.0f} kB, {own.dtype}"
            rows.append(("weights", f"`{own.file}`, {size}, SHA-256 `{own.sha256[:16]}…`"))
    return table(rows, ("from the card", ""))


def _of_each(head: str, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """One row where all cards say the same, else one for each of the things that they say."""
    different = list(dict.fromkeys(values.values()))
    if len(different) < 2:
        return [(head, value) for value in different]
    return [
        (f"{head}: " + ", ".join(f"`{name}`" for name in values if values[name] == value), value)
        for value in different
    ]


def _time(card: Card, run: Speed) -> str:
    ratio = f"{run.ratio[card.name]:.2f} times {run.reference}'s time"
    time = f"{run.milliseconds[card.name]:,.0f} ms of {run.clock} per megapixel"
    return f"{time} ({ratio}): {run.machine}"


def _span(numbers: Sequence[int]) -> str:
    """The number that all have, or the lowest and the highest."""
    return " to ".join(f"{number:,}" for number in sorted({min(numbers), max(numbers)}))


def _sigma(card: Card) -> str:
    if card.estimates_sigma:
        return "no: it estimates sigma where none is given"
    if "gaussian" not in card.tasks:
        return "it takes no sigma"
    return "no: it takes sigma, a number or a map"


def _class(card: Card) -> str:
    return registry.SYSTEMS[card.system].replace(":", ".")


def results(group: Group, cells: Sequence[Cell]) -> str:
    """A table for each task and set, with the published numbers of the same method."""
    names = {card.name for card in group.cards}
    mine = [cell for cell in cells if cell.prior in names]
    parts = []
    for setting in dict.fromkeys(cell.setting for cell in mine):
        some = sorted((c for c in mine if c.setting == setting), key=lambda c: c.level)
        how = f", {', '.join(setting.how)}" if setting.how else ""
        rows = []
        for cell in some:
            known = [
                row
                for row in published().about(setting.task, setting.dataset)
                if cell.level in row.psnr and row.is_about(cell.prior, setting)
            ]
            theirs = f"{known[0].psnr[cell.level]:.2f} ({known[0].source})" if known else "–"
            rows.append(
                (
                    levels_in_words(setting.task, cell.level).replace(" ", NO_BREAK),
                    f"`{cell.prior}`",
                    f"{cell.degraded_psnr:.2f}",
                    f"**{cell.psnr:.2f}**",
                    f"{cell.ssim:.4f}",
                    theirs,
                )
            )
        images = len(some[0].images)
        parts.append(f"**{setting.task.capitalize()}, {setting.dataset}**, {images} images{how}\n")
        heads = ("level", "prior", "input (dB)", "PSNR (dB)", "SSIM", "published PSNR (dB)")
        parts.append(table(rows, heads, "llrrrl") + "\n")
    if not parts:
        return "Not measured on a benchmark yet.\n"
    return "\n".join(parts)


def training(group: Group) -> str:
    """Data, duration and machine of each training, and the middle one's recipe."""
    known = [card for card in group.cards if card.training is not None]
    if not known:
        return "It has no weights of its own: those of its base are used.\n"
    rows = []
    for card in known:
        run = card.training
        assert run is not None
        start = "" if run.started_from is None else run.started_from.partition(":")[0]
        rows.append(
            (
                f"`{card.name}`",
                ", ".join(f"`{name}`" for name in run.data) + f", {run.images} images",
                f"{run.megapixels_in_all:,.0f}",
                f"{run.minutes:,.0f}",
                run.hardware,
                f"`{start}`" if start else "–",
            )
        )
    heads = ("prior", "data", "million pixels in all", "minutes", "machine", "started from")
    one = group.middle
    assert one.training is not None
    recipe = yaml.safe_dump(one.training.recipe_text, sort_keys=False, allow_unicode=True)
    details = (
        f"<details><summary>The recipe of <code>{one.name}</code>, as it was run</summary>\n\n"
        f"```yaml\n{recipe}```\n\n</details>\n"
    )
    words = (
        "Minutes are those of the last run alone, on a machine that others used as well. A prior "
        "of your own: [training](../training.md).\n"
    )
    return "\n".join([table(rows, heads, "llrrll"), "", words, details])


def page(
    group: Group,
    cells: Sequence[Cell],
    measured: Sequence[Speed],
    learned: Path | None,
    curves: Path | None,
) -> str:
    """The whole page of a group."""
    module = registry.SYSTEMS[group.middle.system].partition(":")[0]
    name = group.middle.name
    parts = [
        f"# {group.key}\n",
        f"{group.title}.\n",
        f'```python\nprior = pnp_priors.load("{name}")\n```\n',
        facts(group, measured),
        "\n## Equations and source\n",
        f"```{{eval-rst}}\n.. automodule:: {module}\n   :no-members:\n   :no-index:\n\n"
        f".. autoclass:: {_class(group.middle)}\n   :no-members:\n   :no-index:\n```\n",
        f"Source: {group.middle.paper}.\n",
    ]
    notes = list(dict.fromkeys(note for card in group.cards for note in card.notes))
    if notes:
        parts.append("What differs from the paper, and what else there is to know:\n")
        parts += [f"- {note}" for note in notes]
    parts.append("\n## What it has learned\n")
    if learned is None:
        parts.append(f"`pnp-priors show {name}` draws it; this build was made without figures.\n")
    else:
        parts.append(
            f"```{{image}} figures/{learned.name}\n:alt: What {name} has learned\n"
            f":target: ../_images/{learned.name}\n```\n"
        )
        parts.append(
            f"Drawn by `pnp-priors show {name}`; [pictures](../pictures.md) explains it. A click "
            "shows it larger.\n"
        )
    parts.append("\n## Results\n")
    parts.append(results(group, cells))
    parts.append("Protocols and all other numbers: [results](../results.md).\n")
    parts.append("\n## Over the noise level\n")
    parts.append(_over_levels(group, curves))
    parts.append("\n## Training\n")
    parts.append(training(group))
    further = FURTHER.get(group.key, ())
    if further:
        links = ", ".join(f"[{Path(place).stem}](../{place})" for place in further)
        parts.append(f"\nMore about it: {links}.\n")
    return "\n".join(parts)


def _over_levels(group: Group, curves: Path | None) -> str:
    assessed = [card for card in group.cards if card.assessment is not None]
    if not assessed:
        command = f"pnp-priors assess {group.middle.name} --card"
        return f"Not assessed yet; `{command}` measures the curve.\n"
    parts = []
    if curves is not None:
        parts.append(f"![PSNR over the level](figures/{curves.name})\n")
        parts.append(
            "Mean of two images, a photograph and dead leaves; the trained range is shaded. Thin "
            "lines: well-known priors of as many channels, of one level each the middle one. The "
            "right panel is less FFDNet's PSNR, interpolated between its levels (of JPEG: less the "
            "middle quality's). "
            "[How far can a prior be trusted?](../assess.md) says how it is measured.\n"
        )
    else:
        parts.append("This build was made without figures.\n")
    for card in assessed:
        assert card.assessment is not None
        parts += [f"- `{card.name}`: {line}" for line in card.assessment.headlines]
    return "\n".join(parts) + "\n"


def index(groups: Sequence[Group], measured: Sequence[Speed]) -> str:
    """The table of all priors, and the list of their pages."""
    cpu = measured[0] if measured else None
    heads = ["prior", "what", "from", "channels", "trained for", "parameters"]
    heads += ["ms per megapixel"] if cpu else []
    rows = []
    for group in groups:
        card = group.middle
        source = group.published.replace(" ", NO_BREAK)
        row = [f"[{group.names}]({group.key}.md)", group.title, source, group.channels]
        row += [group.trained_for, f"{card.parameters:,}"]
        if cpu:
            time = cpu.milliseconds.get(card.name, math.nan)
            row.append(f"{time:,.0f}" if not math.isnan(time) else "–")
        rows.append(row)
    note = ""
    if cpu:
        note = f"\nTimes: {cpu.clock}, one image of {cpu.size}×{cpu.size}; {cpu.machine}.\n"
    pages = "\n".join(group.key for group in groups)
    return (
        "# Priors\n\nEvery released prior, from its card (`pnp-priors info NAME`). Those that "
        "differ in the level that they were trained for share a page. σ is on 0 to 255 here; in "
        "Python it is `25/255`.\n\n"
        + table(rows, heads, "lllllrr")
        + f"\n{note}\nWhich one to take: for a solver, one that is told σ over a range "
        "(`ffdnet-gray`, `ffdnet-color`, `genericdp`, `genericdp-color`); for noise of unknown "
        "strength, a blind one; for JPEG files, `ffdnet-gray` in the solver or `dncnn-3` in one "
        "pass.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n:hidden:\n\n{pages}\n```\n"
    )
