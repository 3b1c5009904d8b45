"""The panels of trained reaction diffusion: filters, influence and penalty functions, reaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.showing import drawing
from pnp_priors.showing.diffusion import Stage, reaction, stage
from pnp_priors.showing.drawing import BLUE, GRAY, ORANGE, SMALL
from pnp_priors.showing.example import Example, iterates, scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

#: filters whose functions are drawn
_FUNCTIONS = 5


def draw(figure: SubFigure, prior: ReactionDiffusion, shown: Example, number: int | None) -> None:
    """Draw one stage, and what all stages do.

    :param number: of the stage, from 1; the first one if ``None``.
    :raises InputError: no such stage.
    """
    number = 1 if number is None else number
    steps = iterates(prior, "active_stages", shown)
    chosen = stage(prior, number, steps[number - 1] if number <= prior.active_stages else steps[0])
    left, middle, right = drawing.sub_figures(figure, 1, 3, width_ratios=[3.1, 6, 2.9])[0]
    _filters(left, chosen, prior.active_stages)
    _functions(middle, chosen)
    found, level = scores(steps, shown), shown.named(shown.usual.level)
    panels = {"after each stage": lambda axes: drawing.quality(axes, found, "stage", level)}
    if prior.reaction:
        panels = {"reaction weights λ": lambda axes: _reaction(axes, prior), **panels}
    drawing.fill(right.subplots(len(panels), 1, squeeze=False)[:, 0], panels)


def _filters(figure: SubFigure, chosen: Stage, stages: int) -> None:
    axes = figure.subplots()
    title = f"filters of stage {chosen.number} of {stages}"
    axes.set_title(title, fontsize=drawing.TITLE, fontweight="bold", loc="left")
    text = f"{len(chosen.filters)}, in order of their force on the example;"
    drawing.filters(axes, chosen.filters, f"{text}\neach scaled by itself, gray = 0")


def _functions(figure: SubFigure, chosen: Stage) -> None:
    """A column each for the strongest filters: the filter, phi and rho."""
    count = min(_FUNCTIONS, len(chosen.filters))
    panels = figure.subplots(
        3, count, squeeze=False, sharex="row", sharey="row", height_ratios=[0.62, 1, 1]
    )
    # Where next to no responses lie, nothing was learned.
    reach = 3 * float(chosen.central[:count].abs().max())
    inside = chosen.z.abs() <= max(min(reach, float(chosen.z[-1])), 5.0)
    z = chosen.z[inside].numpy()
    for column in range(count):
        drawing.filters(panels[0, column], chosen.filters[column : column + 1], "")
        low, high = chosen.central[column].tolist()
        rows = ((chosen.influence, BLUE), (chosen.penalty, ORANGE))
        for axes, (values, colour) in zip(panels[1:, column], rows, strict=True):
            axes.axvspan(low, high, color=GRAY, alpha=0.15, lw=0)
            axes.axhline(0, color=GRAY, lw=0.6)
            shifted = values[column][inside]
            if values is chosen.penalty:  # its constant has no meaning
                shifted = shifted - shifted[len(shifted) // 2]
            axes.plot(z, shifted.numpy(), color=colour, lw=1.5)
            drawing.labels(axes, "")
            axes.locator_params(axis="x", nbins=3)
    panels[1, 0].set_ylabel("influence φ(z)", fontsize=SMALL)
    panels[2, 0].set_ylabel("penalty ρ(z); ρ' = φ, ρ(0) = 0", fontsize=SMALL)
    figure.suptitle(
        "the strongest filters and their functions",
        fontsize=drawing.TITLE,
        fontweight="bold",
    )
    figure.supxlabel(
        "filter response z, in 1/255 (shaded: 90 % of the example's responses)", fontsize=SMALL
    )


def _reaction(axes: Axes, prior: ReactionDiffusion) -> None:
    found = reaction(prior)
    assert found is not None
    sigmas, weights = found
    axes.axhline(0, color=GRAY, lw=0.6)
    if len(sigmas) == 1:
        stages = range(1, len(weights) + 1)
        axes.bar(stages, weights[:, 0].numpy(), color=BLUE)
        drawing.whole_numbers(axes)
        drawing.labels(axes, f"stage (σ = {255 * float(sigmas):g}/255 alone)", "λ")
        return
    for row, colour in zip(weights, drawing.ordered(len(weights)), strict=True):
        axes.plot((255 * sigmas).numpy(), row.numpy(), color=colour, lw=1.4)
    drawing.key(axes, len(weights), "stage")
    drawing.labels(axes, "noise level σ (of 255)", "λ")
