"""Denoising: one call of a prior, told a noise level, a map of them, or none if it is blind."""

from __future__ import annotations

import math

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Denoising as DenoisingPhysics
from deepinv.physics import GaussianNoise, Physics
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.pipelines.bases.denoising import SKILLS, DenoisingBase, stated_map
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.stabilising import stabilised
from pnp_priors.tiles import tiled

__all__ = ["SKILLS", "DenoisingRestorer", "build"]


class DenoisingRestorer(DenoisingBase, Restorer):
    """A prior and what it is told; a gray one restores colours channel by channel.

    A colour prior gets a gray photo three times and the mean of what it makes of it counts. It is
    told the square root of 3 times the noise level, at which the mean of three channels of
    *independent* noise, which it knows, is as noisy as the gray photo. Measured on 160×160 pixels
    of the bundled photo's mean at sigma 15/255 and 25/255, dB: ffdnet-gray 34.1 and 31.6;
    ffdnet-color 33.8 and 31.1 (without that factor 28.4 and 24.2); genericdp 33.8 and 31.4,
    genericdp-color 33.9 and 31.1. The blind dncnn-color-b, which cannot be told, left the photo as
    noisy as it was: blind colour priors refuse gray photos.

    :param levels: map of standard deviations ``[H, W]`` in [0, 1], in place of one noise level.
    """

    def __init__(
        self, pipeline: Denoising, prior: Denoiser, levels: np.ndarray | None = None
    ) -> None:
        super().__init__(pipeline, prior)
        values = None if levels is None else torch.from_numpy(levels)[None, None]
        self.register_buffer("levels", values, persistent=False)
        self.levels: Tensor | None

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        gain = self.pipeline.noise.gain
        if physics is not None:
            gain, noise = None, _level_of(physics)
        level = self.noise_level(y) if noise is None else noise
        if gain is None:
            return self._denoise(y, self._map(y) if level is None else level, progress)
        assert level is not None
        return stabilised(lambda z, sigma: self._denoise(z, sigma, progress), y, gain, level)

    def _denoise(
        self, y: Tensor, level: float | Tensor | None, progress: Progress | None
    ) -> Tensor:
        gray = y.shape[1] == 1 and getattr(self.prior, "channels", 1) == 3
        if gray and level is not None:
            y = y.expand(-1, 3, -1, -1)
            root = math.sqrt(3)
            level = (
                (root * level).clamp(max=1) if isinstance(level, Tensor) else min(root * level, 1)
            )
        side = self._tile_side(y)
        if side is None or not isinstance(self.prior, Prior):
            restored = self.prior(y, level)
            if progress is not None:
                progress(1, 1)
        else:
            restored = tiled(self.prior, y, level, tile=side, progress=progress)
        return restored.mean(dim=1, keepdim=True) if gray else restored

    def _map(self, y: Tensor) -> Tensor | None:
        self._check_map((y.shape[-2], y.shape[-1]))
        return self.levels

    def _check(self, image: Tensor) -> None:
        self._check_photo(image.shape[1])


def build(pipeline: Denoising, prior: Denoiser) -> DenoisingRestorer:
    """Reads the map of noise levels, if there is one.

    :raises InputError: a map for a blind prior, or one that cannot be used.
    """
    return DenoisingRestorer(pipeline, prior, stated_map(pipeline, prior))


def _level_of(physics: Physics) -> float:
    """The noise level that deepinv's ``Denoising(GaussianNoise(sigma))`` states."""
    model = getattr(physics, "noise_model", None)
    if not isinstance(physics, DenoisingPhysics) or not isinstance(model, GaussianNoise):
        raise InputError(
            "a denoising needs deepinv's Denoising with GaussianNoise; leave physics out to use "
            "what the pipeline states"
        )
    return float(model.sigma)
