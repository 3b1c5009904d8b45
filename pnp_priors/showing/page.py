"""One page about a prior: what it has learned, how far it looks, what it makes of a photo."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors.analysis import receptive_field
from pnp_priors.analysis._receptive_field_picture import LOWEST, panel
from pnp_priors.analysis.scenes import SIDE
from pnp_priors.atomic import whole
from pnp_priors.priors.base import Prior
from pnp_priors.showing import drawing
from pnp_priors.showing.example import Example, example
from pnp_priors.showing.notebook import facts, system_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Panels = Callable[["SubFigure", Prior, Example, "int | None"], None]

#: by system, what draws what is special about it; others show the rest of the page larger
PANELS = {
    "cbdnet": "pnp_priors.showing.convolution_panels:draw_estimating",
    "class-aware": "pnp_priors.showing.convolution_panels:draw_blind",
    "dncnn": "pnp_priors.showing.convolution_panels:draw_blind",
    "ffdnet": "pnp_priors.showing.convolution_panels:draw_map",
    "jpeg-reaction-diffusion": "pnp_priors.showing.diffusion_panels:draw",
    "nn3d": "pnp_priors.showing.grouping_panels:draw",
    "perona-malik": "pnp_priors.showing.perona_malik_panels:draw",
    "reaction-diffusion": "pnp_priors.showing.diffusion_panels:draw",
}

#: of a page, in inches; and dots per inch of a PNG file: 1800 by 1320 pixels
SIZE, DPI = (12.0, 8.8), 150


def page(
    prior: Prior,
    title: str,
    stage: int | None = None,
    side: int = SIDE,
    crops: int = 16,
    seed: int = 0,
) -> Figure:
    """Draw the page of any prior; nothing is downloaded, nothing is written.

    :param title: its name, and what it is.
    :param stage: whose filters are drawn, from 1, of systems with stages; the first by default.
    :param side: of the part of the bundled photo, in pixels, 128 at most.
    :param crops: over which the receptive field is averaged, at least.
    :param seed: of the noise.
    :raises InputError: a stage that there is not, or a prior that nothing can be shown of.
    """
    from matplotlib.figure import Figure

    shown = example(prior, side, seed)
    figure = Figure(figsize=SIZE, layout="constrained")
    about = facts(prior)
    words = ", ".join([about["trained for"], about["parameters"], about["receptive field"]])
    figure.suptitle(f"{title}\n{words}", fontsize=11)
    special = PANELS.get(system_of(prior) or "")
    if special is None:
        below = figure
    else:
        upper, below = drawing.sub_figures(figure, 2, 1, height_ratios=[2.0, 1])[:, 0]
        module, _, name = special.partition(":")
        draw: Panels = getattr(importlib.import_module(module), name)
        draw(upper, prior, shown, stage)
    left, right = drawing.sub_figures(below, 1, 2, width_ratios=[1, 3.1])[0]
    _field(left, prior, crops, seed)
    _examples(right, shown)
    return figure


def write(path: Path, figure: Figure) -> None:
    """Write the page, whole or not at all.

    :param path: ``.png``, ``.pdf`` or ``.svg``.
    """
    kind = path.suffix[1:].lower()
    whole(path, lambda temporary: figure.savefig(temporary, dpi=DPI, format=kind))


def _field(figure: SubFigure, prior: Prior, crops: int, seed: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    found = receptive_field(prior, crops=crops, seed=seed)
    axes, norm = figure.subplots(), LogNorm(LOWEST, 1)
    panel(axes, "effective receptive field", found, norm)
    colours = axes.images[0].cmap
    square = "" if found.theoretical is None else "square: what it may see,\n"
    words = f"offset (px); {square}circle: area of what it sees"
    axes.set_xlabel(words, fontsize=drawing.SMALL)
    scale = figure.colorbar(ScalarMappable(norm, colours), ax=axes, extend="min", shrink=0.8)
    scale.set_label("mean |gradient|, peak = 1", fontsize=drawing.SMALL)
    scale.ax.tick_params(labelsize=drawing.SMALL)


def _examples(figure: SubFigure, shown: Example) -> None:
    axes = drawing.grid(figure, 1, 2 * len(shown.levels))[0]
    for number, one in enumerate(shown.levels):
        places = axes[2 * number : 2 * number + 2]
        untrained = "" if one.trained else "\n(not trained for it)"
        for place, name, values, score in zip(
            places, ("input", "restored"), (one.input, one.output), one.psnr, strict=True
        ):
            drawing.image(place, values, f"{score:.2f} dB")
            head = f"{shown.named(one.level)}{untrained}" if name == "input" else name
            place.set_title(head, fontsize=9)
