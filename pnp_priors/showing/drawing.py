"""What the panels of all pages have in common: colours, grids, images, tiles of filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pnp_priors.analysis.picture import BLUE, GRAY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure

__all__ = ["BLUE", "GRAY", "ORANGE", "SMALL", "TITLE", "Panel", "fill", "grid"]
__all__ += ["filters", "image", "key", "labels", "map_of"]
__all__ += ["ordered", "quality", "sub_figures", "tiles", "whole_numbers"]

TITLE, SMALL = 10, 8
Panel = Callable[["Axes"], None]


def grid(figure: SubFigure, rows: int, columns: int, widths: Sequence[float] | None = None) -> Any:
    """Axes of a grid, ``[rows, columns]``."""
    return figure.subplots(rows, columns, squeeze=False, width_ratios=widths)


def fill(axes: Sequence[Axes], panels: Mapping[str, Panel]) -> None:
    """Draw a panel into each of the axes, under its title."""
    for place, (title, panel) in zip(axes, panels.items(), strict=True):
        place.set_title(title, fontsize=TITLE, fontweight="bold", loc="left")
        panel(place)


def labels(axes: Axes, x: str, y: str = "") -> None:
    """Axes' labels with their units, and a light grid."""
    axes.set_xlabel(x, fontsize=SMALL)
    axes.set_ylabel(y, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.grid(alpha=0.25, linewidth=0.6)


def pixels(values: Tensor) -> np.ndarray:
    """``[1, C, H, W]`` or ``[C, H, W]`` as matplotlib takes it, ``[H, W, 3]`` in [0, 1]."""
    shown = values.detach().float().reshape(values.shape[-3:]).clamp(0, 1)
    return shown.expand(3, -1, -1).permute(1, 2, 0).numpy()


def image(axes: Axes, values: Tensor, below: str = "") -> None:
    """A photo without ticks, and a line below it."""
    axes.imshow(pixels(values), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(below, fontsize=SMALL)


def map_of(axes: Axes, values: Tensor, top: float, label: str, colormap: str = "cividis") -> None:
    """A map ``[H, W]`` with values from 0 to ``top``, and its scale."""
    shown = axes.imshow(values.numpy(), vmin=0, vmax=top, cmap=colormap, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    scale = axes.figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
    scale.set_label(label, fontsize=SMALL)
    scale.ax.tick_params(labelsize=SMALL)


def tiles(filters: Tensor, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Filters side by side, in rows, white between them.

    Each is scaled by its own largest magnitude, which is white, or black if negative; gray is 0.

    :param filters: ``[N, C, s, s]``, C = 1 or 3.
    :param columns: by default about as many as rows.
    :param gap: in thirds of a filter pixel, as each is drawn as 3×3 pixels.
    :returns: ``[H, W, 3]`` in [0, 1].
    """
    filters = filters.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    count, _, height, width = filters.shape
    across = math.ceil(math.sqrt(count)) if columns is None else columns
    down = math.ceil(count / across)
    largest = filters.flatten(1).abs().amax(dim=1).clamp(min=1e-12)
    shown = 0.5 + 0.5 * filters / largest[:, None, None, None]
    sheet = torch.ones(3, down * (height + gap) - gap, across * (width + gap) - gap)
    for index, one in enumerate(shown):
        top, left = (height + gap) * (index // across), (width + gap) * (index % across)
        sheet[:, top : top + height, left : left + width] = one.expand(3, -1, -1)
    return sheet.permute(1, 2, 0).numpy()


def filters(axes: Axes, which: Tensor, below: str, columns: int | None = None) -> None:
    """Tiles of filters without ticks, and a line below them."""
    axes.imshow(tiles(which, columns), interpolation="nearest")
    axes.set_axis_off()
    axes.text(0.5, -0.02, below, transform=axes.transAxes, ha="center", va="top", fontsize=SMALL)


def ordered(count: int) -> list[tuple[float, float, float, float]]:
    """Colours for things in an order, told apart by the colour-blind: viridis without its end."""
    import matplotlib

    colours: Colormap = matplotlib.colormaps["viridis"]
    return [colours(0.9 * index / max(count - 1, 1)) for index in range(count)]


def key(axes: Axes, count: int, what: str) -> None:
    """A scale of :func:`ordered` colours beside the axes, for more lines than a legend holds."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    norm = BoundaryNorm([0.5 + n for n in range(count + 1)], count)
    mappable = ScalarMappable(norm, ListedColormap(ordered(count)))
    step = 1 if count <= 10 else 2
    scale = axes.figure.colorbar(mappable, ax=axes, pad=0.02, ticks=range(1, count + 1, step))
    scale.set_label(what, fontsize=SMALL)
    scale.ax.tick_params(labelsize=SMALL, length=0)


def whole_numbers(axes: Axes) -> None:
    """Ticks at whole numbers of the horizontal axis only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def quality(axes: Axes, values: Sequence[float], what: str, level: str) -> None:
    """PSNR over the steps of a process, from the input at 0 on.

    :param level: of degradation, in words.
    """
    axes.plot(range(len(values)), values, color=BLUE, marker="o", ms=4)
    whole_numbers(axes)
    labels(axes, f"{what} (0: input, {level})", "PSNR (dB)")


def sub_figures(
    figure: Figure | SubFigure,
    rows: int,
    columns: int,
    width_ratios: Sequence[float] | None = None,
    height_ratios: Sequence[float] | None = None,
) -> Any:
    """Sub-figures of a grid, ``[rows, columns]``."""
    return figure.subfigures(
        rows,
        columns,
        squeeze=False,
        width_ratios=width_ratios,  # type: ignore[arg-type]
        height_ratios=height_ratios,  # type: ignore[arg-type]
    )
