"""What a restored image scores against its original, and means over a set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from pnp_priors.errors import InputError

#: what every protocol of the bench ends with
SCORING = (
    "output clipped to [0, 1]; means of the images' PSNR and of their SSIM (Gaussian window 11, "
    "sigma 1.5, data range 1)"
)
#: of those in which a solver of :mod:`pnp_priors.solvers` runs
MIRRORING = "the prior sees every iterate mirrored another way"

#: half of SSIM's Gaussian window of 11 pixels
_BORDER = 5


def psnr(restored: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 1], over all their pixels and channels.

    Computed in float64; ``inf`` for equal images.
    """
    error = float((restored.double() - clean.double()).square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def structural_similarity(restored: Tensor, clean: Tensor) -> Tensor:
    """SSIM of each image of a batch ``[B, C, H, W]`` in [0, 1]; differentiable. ``[B]``.

    With the settings of Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4),
    2004: Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1, no
    downsampling, averaged over the positions where the whole window lies inside the image.

    :raises InputError: images smaller than the window.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    if min(clean.shape[-2:]) < 2 * _BORDER + 1:
        raise InputError(f"SSIM needs 11x11 pixels or more, got {list(clean.shape[-2:])}")
    _, similarity = structural_similarity_index_measure(
        restored, clean, sigma=1.5, data_range=1.0, return_full_image=True
    )
    # The library averages over mirrored borders, too; Wang's own program does not.
    inside = similarity[..., _BORDER:-_BORDER, _BORDER:-_BORDER]
    return inside.flatten(1).mean(dim=1)


def ssim(restored: Tensor, clean: Tensor) -> float:
    """SSIM of images in [0, 1], see :func:`structural_similarity`; their mean, in float64."""
    return float(structural_similarity(restored.double(), clean.double()).mean())


@dataclass(frozen=True)
class Score:
    """One restored image; the degraded one's scores are those of the input, not clipped."""

    image: str
    psnr: float
    ssim: float
    degraded_psnr: float
    degraded_ssim: float


def score(image: str, degraded: Tensor, restored: Tensor, clean: Tensor) -> Score:
    """Score a restored image, clipped to [0, 1]."""
    clipped = restored.clamp(0, 1)
    return Score(
        image,
        psnr(clipped, clean),
        ssim(clipped, clean),
        psnr(degraded, clean),
        ssim(degraded, clean),
    )


@dataclass(frozen=True)
class Means:
    """Means of the images' scores: of PSNR in dB, not of squared errors."""

    psnr: float
    ssim: float
    degraded_psnr: float
    degraded_ssim: float


def means(scores: Sequence[Score]) -> Means:
    """Mean scores of a set."""
    return Means(
        fmean(s.psnr for s in scores),
        fmean(s.ssim for s in scores),
        fmean(s.degraded_psnr for s in scores),
        fmean(s.degraded_ssim for s in scores),
    )
