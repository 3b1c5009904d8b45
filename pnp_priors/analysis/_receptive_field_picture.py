"""The picture of effective receptive fields: maps side by side, with both sizes drawn in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pnp_priors.analysis._receptive_field import ReceptiveField

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: values below this share of a map's largest one are drawn as if they had it
LOWEST = 1e-4
PANELS_IN_A_ROW = 4
#: made for the colour-blind (Nuñez, Anderton, Renslow, 2018)
COLOURS = "cividis"
#: Okabe and Ito (2008), told apart by the colour-blind from each other and from cividis
THEORETICAL, EFFECTIVE = "#56B4E9", "#D55E00"


def draw(fields: Mapping[str, ReceptiveField]) -> Figure:
    """Draw maps on one logarithmic scale, each relative to its largest value.

    The square is the theoretical field (none where that is the whole image), the circle has the
    area of the effective one.

    :param fields: at least one, by what is written above it.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    columns = min(PANELS_IN_A_ROW, len(fields))
    rows = math.ceil(len(fields) / columns)
    figure = Figure(figsize=(2.9 * columns + 1.0, 3.25 * rows + 0.35), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    norm = LogNorm(LOWEST, 1)
    for axes in panels.flat[len(fields) :]:
        axes.set_axis_off()
    for axes, (name, field) in zip(panels.flat, fields.items(), strict=False):
        panel(axes, name, field, norm)
    figure.colorbar(
        ScalarMappable(norm, COLOURS),
        ax=list(panels.flat),
        label="mean |gradient|, largest = 1",
        extend="min",
        pad=0.01,
    )
    figure.legend(*_legend(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def panel(axes: Axes, name: str, field: ReceptiveField, norm: LogNorm) -> None:
    from matplotlib.patches import Circle, Rectangle

    half = len(field.map) / 2
    values = (field.map / field.map.max()).clamp(min=LOWEST).numpy()
    axes.imshow(values, norm=norm, cmap=COLOURS, extent=(-half, half, half, -half))
    of = "the whole image"
    if field.theoretical is not None:
        side = field.theoretical
        of = f"{side} px ({field.share:.0%})"
        axes.add_patch(
            Rectangle((-side / 2, -side / 2), side, side, fill=False, lw=1.6, ec=THEORETICAL)
        )
    radius = field.effective / math.sqrt(math.pi)
    axes.add_patch(Circle((0, 0), radius, fill=False, lw=1.6, ls="--", ec=EFFECTIVE))
    axes.set_title(f"{name}\n{field.effective:.1f} px of {of}", fontsize=9)
    axes.set_xlabel("offset (px)", fontsize=8)
    axes.tick_params(labelsize=8)


def _legend() -> tuple[list[Line2D], list[str]]:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=THEORETICAL, lw=1.6),
        Line2D([], [], color=EFFECTIVE, lw=1.6, ls="--"),
    ]
    return lines, ["theoretical field", "effective field (circle of the same area)"]
