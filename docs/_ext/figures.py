"""Figures of the priors' pages: what each has learned, and its PSNR beside others'.

They are kept from build to build under names that hold what they depend on: the weights and the
code that draws them, or the numbers of the cards.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from groups import Group

from pnp_priors import registry
from pnp_priors.analysis.model import Assessment
from pnp_priors.atomic import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: crops over which a page's receptive field is averaged; `pnp-priors show` takes 16
CROPS = 4
DPI = 110
INK, OTHERS, INPUT = ("#0072B2", "#D55E00", "#009E73"), "#9a9a9a", "#000000"
#: neighbours that are named, and how they are dashed; the rest is thin and gray
NAMED = {
    "genericdp": "--",
    "genericdp-color": "--",
    "dncnn-b": ":",
    "dncnn-color-b": ":",
    "bf-dncnn": (0, (1, 3)),
    "trd-7x7-s25": "-.",
    "trd-jpeg-q20": "-.",
    "dncnn-3": (0, (5, 1, 1, 1, 1, 1)),
}


def learned(groups: Iterable[Group], folder: Path) -> dict[str, Path]:
    """The page of ``pnp-priors show`` of each group's middle prior, drawn where it is not there.

    :returns: files by the group's key.
    """
    found = {group.key: folder / _name(group) for group in groups}
    names = {group.key: group.middle.name for group in groups}
    missing = {key: path for key, path in found.items() if not path.is_file()}
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*-learned-*.webp"):
        if stale not in found.values():
            stale.unlink()
    if missing:
        # Fresh processes: torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        workers = min(len(missing), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            jobs = [pool.submit(draw, names[key], path) for key, path in missing.items()]
            for job in jobs:
                job.result()
    return found


def draw(name: str, path: Path) -> None:
    """Draw the page of one prior."""
    import torch

    from pnp_priors.showing.page import page

    torch.set_num_threads(1)
    card = registry.describe(name)
    save(path, page(registry.load(name), f"{card.name}: {card.title}", crops=CROPS))


def save(path: Path, figure: Figure) -> None:
    """As WebP: a third of PNG's size."""
    options = {"quality": 88, "method": 5}
    whole(path, lambda part: figure.savefig(part, dpi=DPI, format="webp", pil_kwargs=options))


def _name(group: Group) -> str:
    package = registry.PACKAGE
    code = sorted([*(package / "showing").glob("*.py"), *(package / "analysis").glob("_rec*.py")])
    parts = [registry.fingerprint(group.middle).encode(), *(path.read_bytes() for path in code)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:10]
    return f"{group.key}-learned-{digest}.webp"


def assessed(group: Group) -> list[tuple[str, Assessment]]:
    """The assessments that a group's cards hold."""
    return [(c.name, c.assessment) for c in group.cards if c.assessment is not None]


def neighbours(group: Group, all_groups: Sequence[Group]) -> list[tuple[str, Assessment]]:
    """Assessments of the other priors that were measured on the same images and degradation.

    Of priors for one level each, those of the middle level alone.
    """
    own = assessed(group)
    if not own:
        return []
    _, mine = own[0]
    return [
        (other.middle.name, theirs)
        for other in all_groups
        if other is not group
        and (theirs := other.middle.assessment) is not None
        and (theirs.task, theirs.images) == (mine.task, mine.images)
        and other.middle.channels == group.middle.channels
    ]


def curves(group: Group, all_groups: Sequence[Group], folder: Path) -> Path | None:
    """PSNR over the level, and its difference to a neighbour's; ``None`` where none is measured."""
    own = assessed(group)
    if not own:
        return None
    others = neighbours(group, all_groups)
    numbers = [(name, a.levels.model_dump(), a.trained) for name, a in [*own, *others]]
    drawing = Path(__file__).read_bytes()
    digest = hashlib.sha256(repr(numbers).encode() + drawing).hexdigest()[:10]
    path = folder / f"{group.key}-curves-{digest}.webp"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(f"{group.key}-curves-*.webp"):
            stale.unlink()
        save(path, _figure(own, others))
    return path


def _figure(own: list[tuple[str, Assessment]], others: list[tuple[str, Assessment]]) -> Figure:
    """PSNR, and where there is something to compare with, what it is less the reference's."""
    from matplotlib.figure import Figure

    compared = len(own) + len(others) > 1
    figure = Figure(figsize=(9.5 if compared else 5, 3.9), layout="constrained")
    left, *rest = figure.subplots(1, 1 + compared, squeeze=False)[0]
    for axes in (left, *rest):
        for (_, found), colour in zip(own, INK, strict=False):
            low, high = found.trained
            axes.axvspan(low, max(high, low + 0.4), color=colour, alpha=0.08, linewidth=0)
        jpeg = own[0][1].task.lower().startswith("jpeg")
        axes.set_xlabel("JPEG quality" if jpeg else "σ (of 255)")
        axes.grid(alpha=0.25, linewidth=0.6)
    _line(left, own[0][1].levels.input_psnr, "input", color=INPUT, linestyle=":", linewidth=1.2)
    for name, found in others:
        _line(left, found.levels.psnr, None, **_style(name))
    for (name, found), colour in zip(own, INK, strict=False):
        _line(left, found.levels.psnr, name, color=colour, marker="o", markersize=3.5)
    left.set_ylabel("PSNR (dB)")
    left.legend(fontsize=8, frameon=False)
    for axes in rest:
        _differences(axes, own, others)
    return figure


def _differences(
    axes: Axes, own: list[tuple[str, Assessment]], others: list[tuple[str, Assessment]]
) -> None:
    reference_name, reference = _reference(own, others)
    for name, found in others:
        if found is not reference:
            label = name if name in NAMED else None
            _line(axes, _less(found, reference), label, **_style(name))
    axes.axhline(0, color=OTHERS, linewidth=2, label=reference_name)
    for (_, found), colour in zip(own, INK, strict=False):
        _line(axes, _less(found, reference), None, color=colour, marker="o", markersize=3.5)
    axes.set_ylabel(f"PSNR less {reference_name}'s (dB)")
    axes.set_ylim(max(-6, axes.get_ylim()[0]), min(3, axes.get_ylim()[1]))
    axes.legend(fontsize=7, frameon=False, loc="lower left")


def _style(name: str) -> dict[str, object]:
    if name in NAMED:
        return {"color": INPUT, "linestyle": NAMED[name], "linewidth": 1.0}
    return {"color": OTHERS, "linewidth": 0.7}


def _reference(
    own: list[tuple[str, Assessment]], others: list[tuple[str, Assessment]]
) -> tuple[str, Assessment]:
    """FFDNet of the same channels, where it is among them."""
    named = [pair for pair in [*others, *own] if pair[0].startswith("ffdnet")]
    return (named or others or own)[0]


def _less(found: Assessment, reference: Assessment) -> dict[str, float]:
    theirs = reference.levels.psnr
    return {k: v - theirs[k] for k, v in found.levels.psnr.items() if k in theirs}


def _line(axes: Axes, values: dict[str, float], label: str | None, **style: object) -> None:
    pairs = sorted((float(level), value) for level, value in values.items())
    axes.plot(*zip(*pairs, strict=True), label=label, **style) if pairs else None  # type: ignore[arg-type]
