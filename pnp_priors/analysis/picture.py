"""An assessment as one page."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors import images
from pnp_priors.analysis.convergence import SETTLED
from pnp_priors.analysis.model import Assessment
from pnp_priors.analysis.regimes import REGIMES, Regime

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A4, landscape, in inches; and dots per inch
SIZE, DPI = (11.69, 8.27), 150
#: Okabe and Ito: colours that all colour vision tells apart
BLUE, ORANGE, GREEN, PURPLE, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
#: panels that go together with another measure
_LEFT_OUT_AS = {"PSNR while solving": "convergence"}
#: dB below the best that are shown of the solvers' PSNR
_SHOWN = 8.0
_LINES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":"), (PURPLE, "D", "-."))


def draw(assessment: Assessment, title: str) -> Figure:
    """The page: one panel a measure, with the reason where one was left out.

    :param title: the prior's name and version.
    """
    from matplotlib.figure import Figure

    regime = REGIMES[assessment.task]  # type: ignore[index]
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.suptitle(title, fontsize=13)
    panels: dict[str, Callable[[Axes], None]] = {
        "restoration": lambda axes: _restoration(axes, assessment, regime),
        "wrong sigma": lambda axes: _wrong_sigma(axes, assessment),
        "mean drift": lambda axes: _mean_drift(axes, assessment, regime),
        "Lipschitz constant": lambda axes: _lipschitz(axes, assessment, regime),
        "equivariance": lambda axes: _equivariance(axes, assessment, regime),
        "convergence": lambda axes: _convergence(axes, assessment),
        "PSNR while solving": lambda axes: _solving(axes, assessment),
        "in short": lambda axes: _in_short(axes, assessment),
    }
    for axes, (measure, panel) in zip(figure.subplots(2, 4).flat, panels.items(), strict=True):
        axes.set_title(measure, fontsize=10, fontweight="bold", loc="left")
        reason = assessment.left_out.get(_LEFT_OUT_AS.get(measure, measure))
        if reason is None:
            axes.tick_params(labelsize=8)
            axes.grid(alpha=0.25, linewidth=0.6)
            panel(axes)
        else:
            axes.set_axis_off()
            text = "\n".join(textwrap.wrap(f"not measured: {reason}", 32))
            axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=GRAY)
    return figure


def write(path: Path, figure: Figure) -> None:
    """Write the page as a PNG file, whole or not at all."""
    images.whole(path, lambda temporary: figure.savefig(temporary, dpi=DPI, format="png"))


def _over(axes: Axes, values: Mapping[str, float], style: int, label: str) -> None:
    colour, marker, line = _LINES[style]
    levels = [float(level) for level in values]
    axes.plot(
        levels, list(values.values()), color=colour, marker=marker, ls=line, ms=4, label=label
    )


def _shade_trained(axes: Axes, assessment: Assessment, regime: Regime) -> None:
    low, high = assessment.trained
    if high > low:
        axes.axvspan(low, high, color=GRAY, alpha=0.12, lw=0, label="trained range", zorder=0)
    else:
        axes.axvline(low, color=GRAY, alpha=0.4, lw=5, label="trained level", zorder=0)
    axes.set_xlabel(regime.unit, fontsize=8)


def _restoration(axes: Axes, assessment: Assessment, regime: Regime) -> None:
    _shade_trained(axes, assessment, regime)
    _over(axes, assessment.levels.psnr, 0, "restored")
    _over(axes, assessment.levels.input_psnr, 1, "input")
    axes.set_ylabel("PSNR (dB)", fontsize=8)
    axes.legend(fontsize=7.5)


def _wrong_sigma(axes: Axes, assessment: Assessment) -> None:
    from matplotlib.ticker import NullLocator

    for style, (true, scores) in enumerate((assessment.wrong_sigma or {}).items()):
        _over(axes, scores, style, f"true σ = {true}")
    axes.axvline(1, color=GRAY, lw=0.8)
    axes.set_xscale("log")
    factors = [0.25, 0.5, 1, 2, 4]
    axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
    axes.xaxis.set_minor_locator(NullLocator())
    ignored = " (blind: ignored)" if assessment.blind else ""
    axes.set_xlabel(f"σ told / true σ{ignored}", fontsize=8)
    axes.set_ylabel("PSNR (dB)", fontsize=8)
    axes.legend(fontsize=7.5)


def _mean_drift(axes: Axes, assessment: Assessment, regime: Regime) -> None:
    _shade_trained(axes, assessment, regime)
    axes.axhline(0, color=GRAY, lw=0.8)
    _over(axes, assessment.levels.mean_drift, 0, "largest of the images")
    axes.set_ylabel("mean(D(x)) - mean(x), in 1/255", fontsize=8)
    axes.legend(fontsize=7.5)


def _lipschitz(axes: Axes, assessment: Assessment, regime: Regime) -> None:
    _shade_trained(axes, assessment, regime)
    axes.axhline(1, color=GRAY, lw=0.8)
    if assessment.lipschitz is not None:
        _over(axes, assessment.lipschitz.denoiser, 0, "D")
        _over(axes, assessment.lipschitz.residual, 1, "I - D")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("lower bound (found, no certificate)", fontsize=8)
    axes.legend(fontsize=7.5)


def _equivariance(axes: Axes, assessment: Assessment, regime: Regime) -> None:
    found = assessment.equivariance
    if found is None:
        return
    shifts = {f"1 px {shift}": error for shift, error in found.shifts.items()}
    bars = {**found.symmetries, **shifts}
    colours = [BLUE] * len(found.symmetries) + [ORANGE] * len(shifts)
    widths = [100 * error for error in bars.values()]
    axes.barh(list(bars), widths, color=colours)
    axes.set_xlim(0, 1.25 * max(widths) or 1)
    for row, width in enumerate(widths):
        axes.text(width, row, f" {width:.1f}", va="center", fontsize=7.5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    at = f"{regime.symbol} = {found.level}"
    # In one line it is wider than the panel.
    axes.set_xlabel(f"error at {at},\n% of the correction x - D(x)", fontsize=8)


def _convergence(axes: Axes, assessment: Assessment) -> None:
    ends, curves = assessment.convergence or {}, assessment.curves or {}
    for style, (name, end) in enumerate(ends.items()):
        values = curves[name].relative_change
        _iterations(axes, values, 1, style, f"{name.upper()} {end.verdict}")
    axes.axhline(SETTLED, color=GRAY, lw=0.8)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # Room for the legend above the curves.
    axes.set_ylim(min(low, SETTLED / 2), high * 20)
    axes.set_ylabel("relative change of the iterate (line: settled)", fontsize=8)
    axes.legend(fontsize=7.5, loc="upper right")


def _solving(axes: Axes, assessment: Assessment) -> None:
    ends, curves = assessment.convergence or {}, assessment.curves or {}
    for style, (name, end) in enumerate(ends.items()):
        last = "" if end.psnr is None else f", last {end.psnr:.2f}"
        label = f"{name.upper()} best {end.best_psnr:.2f}{last}"
        _iterations(axes, curves[name].psnr, 0, style, label)
    low, high = axes.get_ylim()
    # The first iterates of ADMM, and diverging ones, would hide the differences of interest.
    low = max(low, max(end.best_psnr for end in ends.values()) - _SHOWN)
    # Room for the legend above the curves: they begin below, and may leave there.
    axes.set_ylim(low, high + 0.25 * (high - low))
    axes.set_ylabel("PSNR (dB)", fontsize=8)
    axes.legend(fontsize=7.5, loc="upper right")


def _iterations(axes: Axes, values: list[float], first: int, style: int, label: str) -> None:
    colour, _, line = _LINES[style]
    steps = range(first, first + len(values))
    axes.plot(steps, values, color=colour, ls=line, lw=1.4, label=label)
    axes.set_xlabel("iteration", fontsize=8)


def _in_short(axes: Axes, assessment: Assessment) -> None:
    axes.set_axis_off()
    shown = {"wrong sigma", "equivariance", "convergence"}
    texts = [*assessment.headlines]
    texts += [f"not measured: {k}: {v}" for k, v in assessment.left_out.items() if k not in shown]
    texts.append(f"images: {', '.join(assessment.images)}")
    texts.append(
        "bounds of Lipschitz constants are what a search found; the true ones may be larger"
    )
    texts.append("each measure is explained in docs/assess.md")
    text = "\n\n".join("\n".join(textwrap.wrap(text, 38)) for text in texts)
    axes.text(0, 0.97, text, va="top", fontsize=8, transform=axes.transAxes)
