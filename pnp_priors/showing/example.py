"""The example of a page: the bundled photo, degraded and restored at three levels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pnp_priors.analysis.regimes import LevelRange, Regime, regime_of, standard_noise
from pnp_priors.analysis.scenes import SIDE, default_images, middle
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.priors.base import Prior


@dataclass(frozen=True, eq=False)
class Restored:
    """One level of an example.

    :param level: noise on 0..255, or JPEG quality.
    :param trained: whether the prior was trained for it.
    :param input, output: ``[1, C, H, W]``; the output clipped to [0, 1].
    :param psnr: in dB, of input and output.
    """

    level: float
    trained: bool
    input: Tensor
    output: Tensor
    psnr: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Example:
    """A photo and what a prior makes of it.

    :param clean: ``[1, C, H, W]`` in [0, 1].
    :param levels: three of them, in ascending order.
    :param usual: the one at which everything else of a page is measured.
    """

    regime: Regime
    clean: Tensor
    levels: tuple[Restored, ...]
    usual: Restored

    def named(self, level: float) -> str:
        """A level with its symbol and unit: ``σ = 25/255``, ``q = 10``."""
        unit = "/255" if self.regime.symbol == "σ" else ""
        return f"{self.regime.symbol} = {level:g}{unit}"


@torch.no_grad()
def example(prior: Prior, side: int = SIDE, seed: int = 0) -> Example:
    """Restore the bundled photo at three levels, with the same noise at each but for its strength.

    :param side: of the part of the photo, in pixels, 128 at most.
    :param seed: of the noise.
    :raises InputError: a prior for tasks that have no levels of noise or of JPEG.
    """
    _, regime = regime_of(prior)
    clean = middle(default_images(prior.channels)["photo"], side)
    noise = standard_noise(clean, seed)
    ranges = regime.levels(prior)
    levels = []
    for level in three(ranges, regime.usual):
        degraded = regime.degrade(clean, level, noise)
        output = regime.restore(prior, degraded, level).clamp(0, 1)
        scores = (psnr(degraded, clean), psnr(output, clean))
        levels.append(Restored(level, level in ranges.inside, degraded, output, scores))
    usual = ranges.nearest(regime.usual)
    (chosen,) = (one for one in levels if one.level == usual)
    return Example(regime, clean, tuple(levels), chosen)


def three(levels: LevelRange, usual: float) -> list[float]:
    """The lowest, the usual and the highest trained level.

    Where fewer are trained, the nearest ones beyond, below and above by turns.
    """
    chosen = {levels.inside[0], levels.nearest(usual), levels.inside[-1]}
    below = [level for level in levels.beyond if level < levels.inside[0]][::-1]
    above = [level for level in levels.beyond if level > levels.inside[-1]]
    for nearest in (below, above, below, above):
        if len(chosen) < 3 and nearest:
            chosen.add(nearest.pop(0))
    return sorted(chosen)


@contextmanager
def steps(prior: Prior, key: str, count: int) -> Iterator[None]:
    """Let a process run for some of its steps only.

    :param key: the attribute that holds their number.
    """
    all_of_them = getattr(prior, key)
    setattr(prior, key, count)
    try:
        yield
    finally:
        setattr(prior, key, all_of_them)


@torch.no_grad()
def iterates(prior: Prior, key: str, shown: Example) -> list[Tensor]:
    """The example's input at the usual level, and what it is after each step, not clipped.

    :param key: as in :func:`steps`.
    """
    found = [shown.usual.input]
    for count in range(1, getattr(prior, key) + 1):
        with steps(prior, key, count):
            found.append(shown.regime.restore(prior, shown.usual.input, shown.usual.level))
    return found


def scores(iterates: list[Tensor], shown: Example) -> list[float]:
    """PSNR in dB of :func:`iterates`; of all but the input as they are clipped to [0, 1]."""
    return [shown.usual.psnr[0], *(psnr(u.clamp(0, 1), shown.clean) for u in iterates[1:])]
