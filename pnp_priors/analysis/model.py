"""What an assessment holds: numbers with their units, whole in a JSON file, compact in a card."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pnp_priors.schema import Strict

#: to be raised when the numbers change without the weights
PROTOCOL = 1

Verdict = Literal["converged", "did not settle", "diverged"]


class Levels(Strict):
    """Numbers by level: sigma on 0..255, or the quality of JPEG."""

    input_psnr: dict[str, float] = Field(description="mean PSNR of the degraded images in dB")
    psnr: dict[str, float] = Field(description="mean PSNR of the restored images in dB")
    mean_drift: dict[str, float] = Field(
        description="mean(D(x)) - mean(x) in units of 1/255, of the image where it is largest"
    )


class Equivariance(Strict):
    r"""Relative errors :math:`\|T^{-1}D(Tx) - D(x)\| / \|x - D(x)\|`, by the name of T."""

    level: str = Field(description="at which level of degradation")
    symmetries: dict[str, float] = Field(description="of flips and rotations")
    shifts: dict[str, float] = Field(description="of shifts by a pixel")


class LipschitzBounds(Strict):
    """Largest found gains of D and of I - D, by level: lower bounds, no certificate."""

    denoiser: dict[str, float]
    residual: dict[str, float]


class Convergence(Strict):
    """How one solver with fixed step and sigma ended on the standard problem."""

    verdict: Verdict
    relative_change: float | None = Field(
        description="of the last iteration, |x_k - x_(k-1)| / |x_k|; null: not finite"
    )
    psnr: float | None = Field(description="dB after the last iteration; null: not finite")
    best_psnr: float = Field(description="the highest on the way, dB")
    best_iteration: int = Field(description="where that was; 0: the start A'y")


class Curve(Strict):
    """Every iteration of one solver, up to the first one that is not finite."""

    relative_change: list[float] = Field(description="from iteration 1 on")
    psnr: list[float] = Field(description="dB, from iteration 0, the start A'y, on")


class Assessment(Strict):
    """How far a prior can be trusted; see docs/assess.md for each number."""

    protocol: int = PROTOCOL
    weights: str | None = Field(
        default=None, description="what was assessed: pnp_priors.registry.fingerprint, a SHA-256"
    )
    command: str | None = Field(default=None, description="that measures this again")
    versions: dict[str, str] = {}
    images: list[str]
    task: str = Field(description="how the images were degraded")
    trained: tuple[float, float] = Field(description="trained levels, on the scale of the levels")
    blind: bool
    levels: Levels
    wrong_sigma: dict[str, dict[str, float]] | None = Field(
        default=None,
        description="PSNR in dB, by true sigma and by the factor of the sigma that is given",
    )
    equivariance: Equivariance | None = None
    lipschitz: LipschitzBounds | None = None
    iterations: int | None = Field(default=None, description="of the solvers")
    convergence: dict[str, Convergence] | None = None
    left_out: dict[str, str] = Field(default={}, description="what was not measured, and why")
    curves: dict[str, Curve] | None = Field(
        default=None, description="every iteration; not in cards"
    )

    def compact(self) -> dict[str, Any]:
        """The block of a card: plain values, rounded, without the curves."""
        content = self.model_dump(mode="json", exclude_none=True, exclude={"curves"})
        return _rounded(content)

    @property
    def headlines(self) -> list[str]:
        """The most important numbers in two lines or less."""
        lines, parts = [], []
        if self.lipschitz is not None:
            denoiser = max(self.lipschitz.denoiser.values())
            residual = max(self.lipschitz.residual.values())
            parts.append(f"Lipschitz constant of D {denoiser:.2f}, of I - D {residual:.2f} or more")
        if self.equivariance is not None:
            worst = max(self.equivariance.symmetries.values())
            parts.append(f"flips and rotations change {100 * worst:.1f} % of the correction")
        if parts:
            lines.append("; ".join(parts))
        if self.convergence is not None:
            ends = ", ".join(
                f"{name.upper()} {end.verdict}" for name, end in self.convergence.items()
            )
            lines.append(f"{self.iterations} iterations: {ends}")
        return lines


def _rounded(content: Any) -> Any:
    """Numbers with four significant digits, PSNR's and all others alike."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.4g}") if isinstance(content, float) else content
