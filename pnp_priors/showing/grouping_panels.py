"""The panels of NN3D: a group of similar blocks, shrinkage, what each round gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pnp_priors.benchmark.metrics import psnr
from pnp_priors.errors import InputError
from pnp_priors.priors.nn3d import NN3D
from pnp_priors.showing import drawing
from pnp_priors.showing.drawing import BLUE, GRAY, ORANGE, Panel
from pnp_priors.showing.example import Example
from pnp_priors.showing.grouping import Group, group, rounds, shrinkage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure


def draw(figure: SubFigure, prior: NN3D, shown: Example, number: int | None) -> None:
    """Draw what the filter adds to its base.

    :raises InputError: a stage was chosen.
    """
    if number is not None:
        raise InputError("--stage: NN3D has rounds, which share their functions")
    found, scores, usual = group(prior, shown), rounds(prior, shown), shown.usual
    base = prior.base(usual.input, usual.level / 255).clamp(0, 1)
    difference = usual.output - base
    scale = max(float(difference.abs().max()), 1 / 255)
    level = shown.named(usual.level)
    upper: dict[str, Panel] = {
        "similar blocks": lambda axes: _places(axes, shown, found),
        f"the group of {len(found.corners)}": lambda axes: _blocks(axes, found),
        "shrinkage across it": lambda axes: _shrinkage(axes, prior, usual.level),
        "after each step": lambda axes: _steps(axes, scores, level),
    }
    lower: dict[str, Panel] = {
        "input": lambda axes: drawing.image(axes, usual.input, f"{usual.psnr[0]:.2f} dB"),
        f"{prior.base_name} alone": lambda axes: drawing.image(
            axes, base, f"{psnr(base, shown.clean):.2f} dB"
        ),
        "with the filter": lambda axes: drawing.image(
            axes, usual.output, f"{usual.psnr[1]:.2f} dB"
        ),
        "what it changes": lambda axes: drawing.image(
            axes, 0.5 + difference / (2 * scale), f"gray = 0, white = {255 * scale:.1f}/255"
        ),
    }
    first, second = drawing.sub_figures(figure, 2, 1)[:, 0]
    drawing.fill(drawing.grid(first, 1, len(upper))[0], upper)
    drawing.fill(drawing.grid(second, 1, len(lower))[0], lower)


def _places(axes: Axes, shown: Example, found: Group) -> None:
    from matplotlib.patches import Rectangle

    side = found.blocks.shape[-1]
    drawing.image(axes, shown.clean, "framed thick: the reference block")
    height, width = shown.clean.shape[-2:]
    for index, (row, column) in reversed(list(enumerate(found.corners))):
        colour, thickness = (ORANGE, 2.2) if index == 0 else ("#56B4E9", 0.8)
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, lw=thickness))
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _blocks(axes: Axes, found: Group) -> None:
    # Photos, not filters: gray is a half.
    drawing.filters(axes, 2 * found.blocks - 1, "nearest first; each scaled by itself", 8)


def _shrinkage(axes: Axes, prior: NN3D, level: float) -> None:
    tau = prior.threshold * level
    q = torch.linspace(-5 * tau, 5 * tau, 201)
    axes.plot(q.numpy(), q.numpy(), color=GRAY, lw=0.8, label="as it is")
    axes.plot(q.numpy(), shrinkage(q, tau).numpy(), color=BLUE, label=f"τ = {tau:g}/255, round 1")
    drawing.labels(axes, "Haar coefficient q (of 255)", "q³ / (q² + τ²)")
    axes.legend(fontsize=drawing.SMALL)


def _steps(axes: Axes, scores: dict[str, float], level: str) -> None:
    # Without the input: its distance would hide the others'.
    after = {name: value for name, value in scores.items() if name != "input"}
    axes.plot(range(len(after)), list(after.values()), color=BLUE, marker="o", ms=4)
    axes.set_xticks(range(len(after)), [name.replace(" ", "\n") for name in after])
    drawing.labels(axes, f"{level}: input {scores['input']:.2f} dB", "PSNR (dB)")
