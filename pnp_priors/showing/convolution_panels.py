"""The panels of convolutional networks: first filters, gains, and how each treats noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from pnp_priors.analysis.regimes import standard_noise
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.showing import drawing
from pnp_priors.showing.convolutions import (
    Network,
    estimated,
    gain,
    networks,
    pixel_filter,
    places,
    removed,
    rising,
)
from pnp_priors.showing.drawing import BLUE, GRAY, ORANGE, SMALL, Panel
from pnp_priors.showing.example import Example

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_COLOURS, _MARKERS = (BLUE, ORANGE, "#009E73"), ("o", "s", "^")
_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


def draw_blind(figure: SubFigure, prior: Prior, shown: Example, number: int | None) -> None:
    """DnCNN and others that take no map: below, the filters that three pixels are made with."""
    usual = shown.usual
    sigma = None if prior.blind else usual.level / 255
    found = places(shown.clean)
    lower: dict[str, Panel] = {
        "three pixels": lambda axes: _places(axes, shown.clean, found),
    }
    for name, place in found.items():
        values = pixel_filter(prior, usual.input, sigma, place)
        lower[f"its filter: {name}"] = lambda axes, values=values: _pixel_filter(axes, values)  # type: ignore[misc]
    levels = _levels(prior)
    noise = standard_noise(shown.clean, 1)
    told: list[float | None] = [None] * len(levels) if prior.blind else [*levels]
    taken = removed(prior, shown.clean, noise, levels, told)
    how = "removed noise" + (", told nothing" if prior.blind else ", told σ")
    _draw(figure, prior, number, {how: lambda axes: _removed(axes, levels, taken)}, lower)


def draw_map(figure: SubFigure, prior: Prior, shown: Example, number: int | None) -> None:
    """FFDNet: below, an image whose noise rises, restored with its map and with its mean."""
    noise = standard_noise(shown.clean, 1)
    top = prior.sigma_range[1]
    noisy, levels = rising(shown.clean, noise, top)
    told = [255 * top * share for share in _SHARES]
    true = [level for level in (15.0, 25.0, 50.0) if level <= 255 * top] or [255 * top]
    curves = {t: removed(prior, shown.clean, noise, [t] * len(told), told) for t in true}
    lower: dict[str, Panel] = {
        "noise rises": lambda axes: _scored(axes, noisy, shown.clean),
        "the map told": lambda axes: drawing.map_of(
            axes, 255 * levels[0, 0], 255 * top, "noise level σ (of 255)"
        ),
        "with the map": lambda axes: _scored(axes, prior(noisy, levels), shown.clean),
        "with one σ, its mean": lambda axes: _scored(
            axes, prior(noisy, float(levels.mean())), shown.clean
        ),
    }
    panels: dict[str, Panel] = {"removed over told σ": lambda axes: _told(axes, told, curves)}
    _draw(figure, prior, number, panels, lower)


def draw_estimating(figure: SubFigure, prior: Prior, shown: Example, number: int | None) -> None:
    """CBDNet: below, an image whose noise rises, its estimate, and what it makes of it."""
    noise = standard_noise(shown.clean, 1)
    top = prior.sigma_range[1]
    noisy, levels = rising(shown.clean, noise, top)
    estimate = prior.estimate(noisy).mean(dim=1)[0]
    true = [255 * top * share for share in _SHARES]
    means = estimated(prior, shown.clean, noise, true)
    unit = "noise level σ (of 255)"
    lower: dict[str, Panel] = {
        "white noise rises": lambda axes: _scored(axes, noisy, shown.clean),
        "its noise level": lambda axes: drawing.map_of(axes, 255 * levels[0, 0], 255 * top, unit),
        "its estimate": lambda axes: drawing.map_of(axes, 255 * estimate, 255 * top, unit),
        "restored with it": lambda axes: _scored(axes, prior(noisy), shown.clean),
    }
    panels: dict[str, Panel] = {
        "estimate, white noise": lambda axes: _identity(axes, true, means, "mean estimate of σ")
    }
    _draw(figure, prior, number, panels, lower)


def _draw(
    figure: SubFigure,
    prior: Prior,
    number: int | None,
    further: dict[str, Panel],
    lower: dict[str, Panel],
) -> None:
    if number is not None:
        raise InputError(f"--stage: {type(prior).__name__} has no stages")
    found = networks(prior)
    upper: dict[str, Panel] = {}
    for network in found:
        name = "first filters" + ("" if len(found) == 1 else f", {network.name}")
        upper[name] = lambda axes, network=network: _first(axes, network)  # type: ignore[misc]
    upper["largest gain of each layer"] = lambda axes: _gains(axes, found)
    first, second = drawing.sub_figures(figure, 2, 1)[:, 0]
    upper |= further
    drawing.fill(drawing.grid(first, 1, len(upper))[0], upper)
    drawing.fill(drawing.grid(second, 1, len(lower))[0], lower)


def _levels(prior: Prior) -> list[float]:
    """Noise levels on 0..255 up to twice the trained range, 100 at most."""
    top = min(2 * 255 * prior.sigma_range[1], 100.0)
    return [round(top * share, 2) for share in (0.05, *_SHARES)]


def _first(axes: Axes, network: Network) -> None:
    side = network.first.shape[-1]
    text = f"{len(network.first)} of {side}x{side} pixels; gray = 0"
    drawing.filters(axes, network.first, text)


def _gains(axes: Axes, found: Sequence[Network]) -> None:
    for network, colour, marker in zip(found, _COLOURS, _MARKERS, strict=False):
        values = [gain(layer.weight) for layer in network.layers]
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=colour, marker=marker, ms=4, label=network.name)
    axes.axhline(1, color=GRAY, lw=0.8)
    axes.set_yscale("log")
    drawing.whole_numbers(axes)
    drawing.labels(axes, "layer", "largest singular value")
    if len(found) > 1:
        axes.legend(fontsize=SMALL)


def _removed(axes: Axes, levels: Sequence[float], taken: Sequence[float]) -> None:
    _identity(axes, levels, taken, "RMS of x - D(x)")


def _identity(axes: Axes, levels: Sequence[float], values: Sequence[float], what: str) -> None:
    axes.plot([0, levels[-1]], [0, levels[-1]], color=GRAY, lw=0.8, label="ideal")
    axes.plot(levels, values, color=BLUE, marker="o", ms=4, label="found")
    drawing.labels(axes, "true noise level σ (of 255)", f"{what}, of 255")
    axes.legend(fontsize=SMALL)


def _told(axes: Axes, told: Sequence[float], curves: dict[float, list[float]]) -> None:
    for (true, values), colour, marker in zip(curves.items(), _COLOURS, _MARKERS, strict=False):
        axes.plot(told, values, color=colour, marker=marker, ms=4, label=f"true σ = {true:g}")
        axes.axhline(true, color=colour, lw=0.6, ls=":")
    drawing.labels(axes, "noise level σ that it is told (of 255)", "RMS of x - D(x), of 255")
    axes.legend(fontsize=SMALL)


def _scored(axes: Axes, values: Tensor, clean: Tensor) -> None:
    drawing.image(axes, values, f"{psnr(values.clamp(0, 1), clean):.2f} dB")


def _places(axes: Axes, clean: Tensor, found: dict[str, tuple[int, int]]) -> None:
    drawing.image(axes, clean)
    for (name, (row, column)), colour, marker in zip(
        found.items(), _COLOURS, _MARKERS, strict=True
    ):
        axes.plot(column, row, marker=marker, color=colour, mec="white", ms=8, ls="", label=name)
    axes.legend(
        fontsize=SMALL,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=3,
        frameon=False,
        handletextpad=0.1,
        columnspacing=0.8,
    )


def _pixel_filter(axes: Axes, values: Tensor) -> None:
    half = values.shape[-1] / 2
    largest = float(values.abs().max()) or 1.0
    axes.imshow(
        values.numpy(), cmap="gray", vmin=-largest, vmax=largest, extent=(-half, half, half, -half)
    )
    drawing.labels(axes, f"offset (px); gray = 0, white = {largest:.2f}")
    axes.grid(visible=False)
    ends = [-(values.shape[-1] // 2), 0, values.shape[-1] // 2]
    axes.set_xticks(ends)
    axes.set_yticks(ends)
