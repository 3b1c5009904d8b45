"""What a prior's task means for its assessment: how images are degraded, at which levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.priors.base import Prior, Task

#: noise levels on 0..255, and JPEG qualities, at which priors are measured where trained for them
_SIGMAS = (5.0, 15.0, 25.0, 50.0, 75.0)
_QUALITIES = (5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0)
#: how far beyond the trained range, as factors of its ends
_BELOW, _ABOVE = (0.25, 0.5), (1.5, 2.0)


@dataclass(frozen=True)
class LevelRange:
    """Levels of degradation, in ascending order.

    :param trained: the range trained for.
    :param inside: some in it.
    :param beyond: some outside of it.
    """

    trained: tuple[float, float]
    inside: tuple[float, ...]
    beyond: tuple[float, ...]

    @property
    def all(self) -> tuple[float, ...]:
        return tuple(sorted({*self.inside, *self.beyond}))

    def nearest(self, level: float) -> float:
        """Of those inside, the nearest one."""
        return min(self.inside, key=lambda one: abs(one - level))


@dataclass(frozen=True)
class Regime:
    """How priors of one task are assessed.

    :param symbol: of a level.
    :param unit: what levels are, in words for an axis.
    :param levels: at which a prior is measured.
    :param degrade: a clean image, a level and standard normal noise of the image's shape to an
        input of the prior.
    :param restore: asks the prior.
    :param usual: the level of measures that are made at one level.
    :param left_out: measures that make no sense, by name, and why.
    """

    symbol: str
    unit: str
    levels: Callable[[Prior], LevelRange]
    degrade: Callable[[Tensor, float, Tensor], Tensor]
    restore: Callable[[Prior, Tensor, float], Tensor]
    usual: float
    left_out: Mapping[str, str]


def noise_levels(prior: Prior) -> LevelRange:
    """Noise levels on 0..255 inside and beyond the trained range, 255 at most."""
    low, high = (255 * sigma for sigma in prior.sigma_range)
    inside = {level for level in _SIGMAS if low - 1e-6 <= level <= high + 1e-6}
    # The upper end is of interest in itself, unless a usual level is next to it.
    if not any(0.9 * high <= level for level in inside):
        inside.add(round(high, 2))
    below = {round(share * low, 2) for share in _BELOW if low > 0}
    above = {round(min(factor * high, 255.0), 2) for factor in _ABOVE}
    beyond = (below | above) - inside
    return LevelRange((low, high), tuple(sorted(inside)), tuple(sorted(beyond)))


def qualities(prior: Prior) -> LevelRange:
    """JPEG qualities inside and beyond the trained range."""
    if prior.quality_range is None:
        raise InputError(f"{type(prior).__name__} is for JPEG but names no trained qualities")
    low, high = (float(quality) for quality in prior.quality_range)
    inside = {quality for quality in _QUALITIES if low <= quality <= high} or {low, high}
    beyond = set(_QUALITIES) - inside
    return LevelRange((low, high), tuple(sorted(inside)), tuple(sorted(beyond)))


def _noisy(clean: Tensor, level: float, noise: Tensor) -> Tensor:
    return clean + level / 255 * noise


def _denoised(prior: Prior, x: Tensor, level: float) -> Tensor:
    return prior(x, level / 255)


def _compressed(clean: Tensor, level: float, noise: Tensor) -> Tensor:
    return simulate(clean, luminance_table(int(level)))


def _deblocked(prior: Prior, x: Tensor, level: float) -> Tensor:
    options = {"table": luminance_table(int(level)).to(x)} if prior.takes_table else {}
    return prior(x, **options)


_NOISE = Regime(
    symbol="σ",
    unit="noise level σ (0..255)",
    levels=noise_levels,
    degrade=_noisy,
    restore=_denoised,
    usual=25.0,
    left_out={},
)

#: by task, in the order of preference for priors of several
REGIMES: dict[Task, Regime] = {
    "gaussian": _NOISE,
    "camera": replace(
        _NOISE,
        left_out={
            "camera noise": "everything is measured with white Gaussian noise, which solvers "
            "assume; see benchmarks/camera_noise.py for the noise that it is trained for"
        },
    ),
    "jpeg": Regime(
        symbol="q",
        unit="JPEG quality",
        levels=qualities,
        degrade=_compressed,
        restore=_deblocked,
        usual=10.0,
        left_out={
            "wrong sigma": "it is for JPEG images and takes no noise level",
            "equivariance": "JPEG's grid of blocks and its table are others after a flip, "
            "rotation or shift",
            "convergence": "a solver's iterates are no decoded JPEG images",
        },
    ),
}

#: where the further tasks of a prior are measured
_ELSEWHERE: dict[Task, str] = {
    "jpeg": "measured by pnp-priors bench deblocking",
    "super-resolution": "measured by pnp-priors bench super-resolution --method direct",
}


def regime_of(prior: Prior) -> tuple[Task, Regime]:
    """The task in which a prior is assessed.

    :raises InputError: it has none of :data:`REGIMES`.
    """
    for task, regime in REGIMES.items():
        if task in prior.tasks:
            return task, regime
    raise InputError(
        f"a prior for {', '.join(prior.tasks)} cannot be assessed; those for "
        f"{', '.join(REGIMES)} can"
    )


def left_out(prior: Prior) -> dict[str, str]:
    """What is not measured of a prior, and why."""
    chosen, regime = regime_of(prior)
    others = [task for task in prior.tasks if task != chosen and task in _ELSEWHERE]
    return {**regime.left_out, **{task: _ELSEWHERE[task] for task in others}}


def standard_noise(clean: Tensor, seed: int) -> Tensor:
    """Standard normal noise of an image's shape, drawn on the CPU: the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(clean.shape, generator=generator).to(clean)
