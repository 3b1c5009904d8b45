"""The panels of Perona-Malik diffusion: diffusivity, flux, experts, where it diffuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.priors.perona_malik import PeronaMalik
from pnp_priors.showing import drawing
from pnp_priors.showing.drawing import BLUE, GRAY, SMALL, Panel
from pnp_priors.showing.example import Example, iterates, scores
from pnp_priors.showing.perona_malik import (
    Curves,
    FieldOfExperts,
    contrasts,
    curves,
    diffusivity,
    experts,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

#: experts whose functions are drawn
_FUNCTIONS = 4


def draw(figure: SubFigure, prior: PeronaMalik, shown: Example, number: int | None) -> None:
    """Draw its diffusivity; its iterations share it, so that there is no stage to choose.

    :raises InputError: a stage was chosen.
    """
    if number is not None:
        raise InputError("--stage: the iterations of Perona-Malik diffusion share their functions")
    steps = iterates(prior, "iterations", shown)
    found, field = curves(prior, steps[:-1]), experts(prior, steps[0])
    level = shown.named(shown.usual.level)
    last = len(steps) - 1
    upper: dict[str, Panel] = {
        "diffusivity g(s)": lambda axes: _diffusivity(axes, found),
        "flux s·g(s)": lambda axes: _flux(axes, found),
    }
    edges = contrasts(prior, steps[:-1])
    if edges is not None:
        upper["edge parameter K"] = lambda axes: _contrasts(axes, edges)
    found_scores = scores(steps, shown)
    upper["after each iteration"] = lambda axes: drawing.quality(
        axes, found_scores, "iteration", level
    )
    lower: dict[str, Panel] = {}
    if field is not None:
        lower["filters"] = lambda axes: _experts(axes, field)
        lower["their functions φ"] = lambda axes: _functions(axes, field)
    moments = {1, last} if field is not None else {1, (1 + last) // 2, last}
    for moment in sorted(moments):
        values = diffusivity(prior, steps[moment - 1])[0, 0]
        lower[f"g in iteration {moment}"] = lambda axes, values=values: drawing.map_of(  # type: ignore[misc]
            axes, values, 1.0, "0: an edge, kept; 1: smoothed"
        )
    first, second = drawing.sub_figures(figure, 2, 1)[:, 0]
    drawing.fill(drawing.grid(first, 1, len(upper))[0], upper)
    drawing.fill(drawing.grid(second, 1, len(lower))[0], lower)


def _axis(found: Curves) -> str:
    return "height s of a straight edge" if found.of_edges else "gradient magnitude s"


def _lines(axes: Axes, found: Curves, values: Tensor) -> None:
    colours = drawing.ordered(len(values)) if len(values) > 1 else [BLUE]
    for row, colour in zip(values, colours, strict=True):
        axes.plot(found.s.numpy(), row.numpy(), color=colour, lw=1.5)
    if len(values) > 1:
        drawing.key(axes, len(values), "iteration")


def _diffusivity(axes: Axes, found: Curves) -> None:
    _lines(axes, found, found.diffusivity)
    axes.set_ylim(0, 1.02)
    drawing.labels(axes, f"{_axis(found)} (of 255)", "g, 0 to 1")


def _flux(axes: Axes, found: Curves) -> None:
    _lines(axes, found, found.flux)
    drawing.labels(axes, f"{_axis(found)} (of 255)", "s·g(s), of 255")


def _contrasts(axes: Axes, found: Tensor) -> None:
    axes.plot(range(1, len(found) + 1), found.numpy(), color=BLUE, marker="o", ms=4)
    axes.set_ylim(0, 1.15 * float(found.max()))
    drawing.whole_numbers(axes)
    drawing.labels(axes, "iteration, on the example", "K, in 1/255")


def _experts(axes: Axes, field: FieldOfExperts) -> None:
    text = f"{len(field.filters)}, in order of their effect\non the example; gray = 0"
    drawing.filters(axes, field.filters, text)


def _functions(axes: Axes, field: FieldOfExperts) -> None:
    """The strongest experts' functions, each with its filter in the corner."""
    count = min(_FUNCTIONS, len(field.filters))
    axes.set_axis_off()
    values = field.functions[:count] - field.functions[:count].mean(dim=1, keepdim=True)
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low)
    for index, function in enumerate(values):
        row, column = divmod(index, 2)
        panel = axes.inset_axes((0.48 * column + 0.06, 0.6 - 0.44 * row, 0.44, 0.39))
        panel.axhline(0, color=GRAY, lw=0.6)
        panel.plot(field.response.numpy(), function.numpy(), color=BLUE, lw=1.4)
        panel.set_xlim(-6, 6)
        panel.set_ylim(low - margin, high + margin)
        panel.tick_params(labelsize=SMALL, labelbottom=row == 1, labelleft=column == 0)
        panel.set_xticks([-4, 0, 4])
        panel.locator_params(axis="y", nbins=4)
        panel.grid(alpha=0.25, linewidth=0.6)
        drawing.filters(panel.inset_axes((0.68, 0.66, 0.3, 0.3)), field.filters[[index]], "")
    axes.text(
        0.5,
        0.02,
        "over the filter's response to\n(u - 0.5) / 0.25, less their mean",
        transform=axes.transAxes,
        ha="center",
        va="top",
        fontsize=SMALL,
    )
