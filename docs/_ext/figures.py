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
from typing import TYPE_CHECKING, Any

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
#: Okabe and Ito's colours, which all colour vision tells apart; markers and dashes do it in print
OWN = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."))
#: neighbours that are drawn, the reference of the differences first; of one level each the middle
NAMED = {
    "ffdnet-gray": ("#666666", "v", "-"),
    "ffdnet-color": ("#666666", "v", "-"),
    "genericdp": ("#E69F00", "D", "--"),
    "genericdp-color": ("#E69F00", "D", "--"),
    "dncnn-b": ("#56B4E9", "X", "-."),
    "dncnn-color-b": ("#56B4E9", "X", "-."),
    "trd-7x7-s25": ("#CC79A7", "P", (0, (4, 1, 1, 1, 1, 1))),
}
#: of 255; below it PSNR rises without end, and nothing is left of the panel for the levels in use
LOWEST = 1.0


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
    """Assessments of well-known other priors, measured on the same images and degradation."""
    own = assessed(group)
    if not own:
        return []
    _, mine = own[0]
    found = {
        other.middle.name: theirs
        for other in all_groups
        if other.key != group.key
        and (theirs := other.middle.assessment) is not None
        and (theirs.task, theirs.images) == (mine.task, mine.images)
        and other.middle.channels == group.middle.channels
    }
    return [(name, found[name]) for name in NAMED if name in found]


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
    figure = Figure(figsize=(9.5 if compared else 5, 4.3), layout="constrained")
    left, *rest = figure.subplots(1, 1 + compared, squeeze=False)[0]
    inputs = {k: v for _, found in [*others, *own] for k, v in found.levels.input_psnr.items()}
    left.plot(*_points(inputs), ":", color="black", linewidth=1.2, label="input")
    for name, found in others:
        left.plot(*_points(found.levels.psnr), **_neighbour(name), label=name)
    for (name, found), style in zip(own, OWN, strict=False):
        left.plot(*_points(found.levels.psnr), **_own(style), label=name)
    left.set_ylabel("PSNR (dB)")
    for axes in rest:
        _differences(axes, own, others)
    for axes in (left, *rest):
        _levels_axis(axes, own)
    handles, labels = left.get_legend_handles_labels()
    # Below the panels, where it covers nothing.
    columns = len(labels) if len(labels) <= 5 else 4
    place = "outside lower center"
    figure.legend(handles, labels, loc=place, ncols=columns, fontsize=8, frameon=False)
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr]
    return figure


def _levels_axis(axes: Axes, own: list[tuple[str, Assessment]]) -> None:
    """Levels in octaves, over which PSNR is nearly straight; the trained ones are shaded."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    jpeg = own[0][1].task == "jpeg"
    axes.set_xlabel("JPEG quality" if jpeg else "σ (of 255)")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_xscale("log")
    shown = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 200]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    for (_, found), (colour, *_) in zip(own, OWN, strict=False):
        low, high = found.trained
        low = max(low, shown[0])
        axes.axvspan(low, max(high, 1.04 * low), color=colour, alpha=0.1, linewidth=0)
    axes.set_xlim(shown)


def _differences(
    axes: Axes, own: list[tuple[str, Assessment]], others: list[tuple[str, Assessment]]
) -> None:
    reference_name, reference = _reference(own, others)
    for name, found in others:
        if found is reference:
            axes.axhline(0, **{**_neighbour(name), "marker": ""})
        else:
            axes.plot(*_points(less(found, reference)), **_neighbour(name))
    for (_, found), style in zip(own, OWN, strict=False):
        if found is reference:
            axes.axhline(0, **{**_own(style), "marker": ""})
        else:
            axes.plot(*_points(less(found, reference)), **_own(style))
    axes.set_ylabel(f"PSNR less {reference_name}'s (dB)")


def _own(style: tuple[str, str, str]) -> dict[str, Any]:
    colour, marker, line = style
    return {"color": colour, "marker": marker, "ls": line, "lw": 1.8, "ms": 4.5, "zorder": 3}


def _neighbour(name: str) -> dict[str, Any]:
    colour, marker, line = NAMED[name]
    return {"color": colour, "marker": marker, "ls": line, "lw": 1.1, "ms": 4}


def _reference(
    own: list[tuple[str, Assessment]], others: list[tuple[str, Assessment]]
) -> tuple[str, Assessment]:
    """FFDNet of the same channels, where it is among them; else the first other, or the middle."""
    named = [pair for pair in [*others, *own] if pair[0].startswith("ffdnet")]
    return (named or others or own[len(own) // 2 :])[0]


def less(found: Assessment, reference: Assessment) -> dict[str, float]:
    """PSNR less the reference's in dB, at the levels of ``found`` that lie within the reference's.

    Priors of one level each are measured at other levels than those of a range: the reference's
    PSNR is interpolated between its own levels, over their logarithm.
    """
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    levels, values = _points(reference.levels.psnr)
    between = PchipInterpolator(np.log(levels), values)
    return {
        key: value - float(between(np.log(float(key))))
        for key, value in found.levels.psnr.items()
        if levels[0] <= float(key) <= levels[-1]
    }


def _points(values: dict[str, float]) -> tuple[list[float], list[float]]:
    """Levels from the lowest that is shown, and their values."""
    pairs = sorted((float(k), value) for k, value in values.items() if float(k) >= LOWEST)
    return [level for level, _ in pairs], [value for _, value in pairs]
