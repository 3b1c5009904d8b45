"""Denoising as the tables of the field measure it.

White Gaussian noise, neither clipped nor rounded; the prior is told sigma; its output is clipped
to [0, 1]; PSNR and SSIM of each image, then their means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from deepinv.models import Denoiser

from pnp_priors.benchmark.data import load_image
from pnp_priors.benchmark.metrics import Score, score
from pnp_priors.benchmark.noise import add_noise

PROTOCOL = (
    "white Gaussian noise, not clipped or rounded; output clipped to [0, 1]; means of the images' "
    "PSNR and of their SSIM (Gaussian window 11, sigma 1.5, data range 1)"
)


@torch.no_grad()
def measure(
    prior: Denoiser,
    files: Sequence[Path],
    sigma: float,
    channels: int = 1,
    device: str = "cpu",
    done: Callable[[], None] = lambda: None,
) -> list[Score]:
    """Denoise every file at one level.

    :param prior: in eval mode, on ``device``.
    :param files: clean images; the names of file and folder decide the noise.
    :param sigma: noise level on the 0..255 scale.
    :param channels: 1 reads files as gray.
    :param done: called after each image.
    """
    scores = []
    for file in files:
        clean = load_image(file, channels)
        noisy = add_noise(clean, sigma, f"{file.parent.name}/{file.stem}")
        restored = prior(noisy.to(device), sigma / 255).cpu()
        scores.append(score(file.name, noisy, restored, clean))
        done()
    return scores
