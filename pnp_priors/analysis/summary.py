"""An assessment in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from pnp_priors.analysis.model import Assessment
from pnp_priors.analysis.regimes import REGIMES


def _row(label: str, values: Mapping[str, float], form: str, unit: str = "") -> str:
    cells = "  ".join(f"{key}: {value:{form}}" for key, value in values.items())
    return f"  {label:<21} {cells}{unit}"


def summary(assessment: Assessment) -> str:
    """What was found, a measure a line; levels are sigma on 0..255, or JPEG qualities."""
    levels = assessment.levels
    symbol = REGIMES[assessment.task].symbol  # type: ignore[index]
    low, high = (f"{level:g}" for level in map(_short, assessment.trained))
    trained = low if low == high else f"{low} to {high}"
    blind = ", blind" if assessment.blind else ""
    rows = [
        f"  trained for           {symbol} = {trained}{blind}",
        _row(f"PSNR over {symbol}", levels.psnr, ".2f", " dB"),
        _row("  of the input", levels.input_psnr, ".2f", " dB"),
        _row(f"mean drift over {symbol}", levels.mean_drift, "+.3f", " (units of 1/255)"),
    ]
    for true, scores in (assessment.wrong_sigma or {}).items():
        named = {f"×{factor}": score for factor, score in scores.items()}
        rows.append(_row(f"σ = {true}, told wrong", named, ".2f", " dB"))
    if assessment.equivariance is not None:
        found = assessment.equivariance
        rows += [
            f"  equivariance error    {100 * max(found.symmetries.values()):.2f} % of the "
            f"correction under flips and rotations, {100 * max(found.shifts.values()):.2f} % under "
            f"shifts by a pixel (largest, at {symbol} = {found.level})"
        ]
    if assessment.lipschitz is not None:
        rows += [
            _row("Lipschitz of D ≥", assessment.lipschitz.denoiser, ".3f"),
            _row("Lipschitz of I - D ≥", assessment.lipschitz.residual, ".3f"),
        ]
    for name, end in (assessment.convergence or {}).items():
        change = "" if end.relative_change is None else f" at {end.relative_change:.1e} a step"
        score = "" if end.psnr is None else f", {end.psnr:.2f} dB"
        rows.append(
            f"  {name.upper():<21} {end.verdict} in {assessment.iterations} iterations{change}"
            f"{score}; best {end.best_psnr:.2f} dB in iteration {end.best_iteration}"
        )
    rows += [f"  not measured          {what}: {why}" for what, why in assessment.left_out.items()]
    return "\n".join(rows)


def _short(level: float) -> float:
    return round(level, 2)
