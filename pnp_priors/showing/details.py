"""Restored versions of a photo side by side, and below each the same detail, magnified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.report.picture import EDGE, FRAME
from pnp_priors.showing.drawing import pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: width of a column, and room for the titles above it, in inches
_COLUMN, _TITLES = 2.4, 0.5


def details(
    photos: Mapping[str, Tensor], corner: tuple[int, int, int], notes: Sequence[str] = ()
) -> Figure:
    """Draw photos with matplotlib, framed as in reports and in ``pnp-priors compare``.

    :param photos: ``[1, C, H, W]`` in [0, 1] by title, all of one size.
    :param corner: of the detail: column, row and side in pixels.
    :param notes: a line for each, below its title; those at the end may be left out.
    :returns: a figure of pyplot: ``plt.show()`` shows it.
    :raises InputError: the detail does not lie inside the photos, or these differ in size.
    """
    import matplotlib.pyplot as plt

    shown = {title: pixels(photo) for title, photo in photos.items()}
    sizes = {photo.shape[:2] for photo in shown.values()}
    if len(sizes) != 1:
        raise InputError(f"photos of one size are compared, got {sorted(sizes)} (height, width)")
    ((height, width),) = sizes
    left, top, side = corner
    if min(left, top) < 0 or side < 1 or left + side > width or top + side > height:
        raise InputError(f"detail {corner} is not inside photos of {width}x{height} pixels")
    tall = height / width
    size = (_COLUMN * len(shown), _COLUMN * (tall + 1) + _TITLES)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.subplots(2, len(shown), squeeze=False, height_ratios=(tall, 1))
    lines = [*notes, *[""] * (len(shown) - len(notes))]
    for column, (title, photo) in enumerate(shown.items()):
        whole, part = grid[:, column]
        whole.set_title(f"{title}\n{lines[column]}" if any(notes) else title, fontsize=11)
        whole.imshow(photo, interpolation="antialiased")
        _frame(whole, left, top, side)
        part.imshow(photo[top : top + side, left : left + side], interpolation="nearest")
        for axes in (whole, part):
            axes.set_axis_off()
    return figure


def _frame(axes: Axes, left: int, top: int, side: int) -> None:
    """Orange on black, seen on light and dark."""
    from matplotlib.patches import Rectangle

    corner = (left - 0.5, top - 0.5)
    for colour, width in ((EDGE, 3.0), (FRAME, 1.6)):
        line = [value / 255 for value in colour]
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=line, linewidth=width))
