"""How well a prior restores over levels of degradation, and what a wrong sigma costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor

from pnp_priors.analysis.model import Levels
from pnp_priors.analysis.regimes import Regime, standard_noise
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.priors.base import Prior

#: of the true sigma, what the prior is told
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


def mean_drift(x: Tensor, restored: Tensor) -> float:
    """mean(D(x)) - mean(x) in units of 1/255, of the image of a batch where it is largest.

    Noise has mean 0, and a solver repeats the drift in every iteration.

    :param x, restored: ``[B, C, H, W]`` in [0, 1].
    """
    change = (restored.double() - x.double()).mean(dim=(1, 2, 3))
    return 255 * float(change[change.abs().argmax()])


@torch.no_grad()
def over_levels(
    prior: Prior,
    images: Sequence[Tensor],
    regime: Regime,
    levels: Sequence[float],
    seed: int = 0,
    done: Callable[[], None] = lambda: None,
) -> Levels:
    """PSNR and mean drift at each level, the prior told the true one.

    Noise is neither clipped nor rounded and, but for its strength, the same at all levels; results
    are clipped to [0, 1] for the PSNR.

    :param images: clean, ``[1, C, H, W]`` in [0, 1].
    :param done: called after each level.
    """
    found: dict[str, tuple[float, float, float]] = {}
    for level in levels:
        before, after, drifts = [], [], []
        for index, clean in enumerate(images):
            x = regime.degrade(clean, level, standard_noise(clean, seed + index))
            restored = regime.restore(prior, x, level)
            before.append(psnr(x, clean))
            after.append(psnr(restored.clamp(0, 1), clean))
            drifts.append(mean_drift(x, restored))
        found[f"{level:g}"] = fmean(before), fmean(after), max(drifts, key=abs)
        done()
    return Levels(
        input_psnr={level: row[0] for level, row in found.items()},
        psnr={level: row[1] for level, row in found.items()},
        mean_drift={level: row[2] for level, row in found.items()},
    )


@torch.no_grad()
def with_wrong_sigma(
    prior: Prior,
    images: Sequence[Tensor],
    levels: Sequence[float],
    factors: Sequence[float] = FACTORS,
    seed: int = 0,
    done: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]]:
    """PSNR in dB where the prior is told a factor times the true sigma, 255/255 at most.

    Zhang, Zuo, Zhang: FFDNet, TIP 2018: too small a sigma leaves noise, too large a one smooths.

    :param levels: true noise levels on 0..255.
    :returns: by level and factor, both as text; means over the images.
    """
    table: dict[str, dict[str, float]] = {}
    for level in levels:
        row = table.setdefault(f"{level:g}", {})
        for factor in factors:
            told = min(factor * level / 255, 1.0)
            scores = []
            for index, clean in enumerate(images):
                x = clean + level / 255 * standard_noise(clean, seed + index)
                scores.append(psnr(prior(x, told).clamp(0, 1), clean))
            row[f"{factor:g}"] = fmean(scores)
            done()
    return table
