"""Demosaicing: colours of a Bayer mosaic by a solver around a prior for colours."""

from __future__ import annotations

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Physics
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.bayer import PATTERNS, bayer_mask, interpolate
from pnp_priors.pipelines.outcome import Prediction, Progress, Window
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.demosaicing import Demosaicing
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.demosaicing import demosaic, demosaicing_schedule
from pnp_priors.tiles import Tiled

#: priors for it are trained for one of these
SKILLS = ("gaussian",)


class DemosaicingRestorer(Restorer):
    """Makes colours of mosaics; ``physics``, a Bayer mask of deepinv's, replaces the pattern.

    With such a ``physics``, ``y`` has three channels, of which each pixel has one.
    """

    pipeline: Demosaicing
    baseline_words = "linear interpolation"

    def __init__(self, pipeline: Demosaicing, prior: Denoiser) -> None:
        if getattr(prior, "channels", 3) != 3:
            raise InputError(
                f"prior.name: {pipeline.prior.name} is for gray images; demosaicing needs a prior "
                "for 3 channels, such as ffdnet-color"
            )
        super().__init__(pipeline, prior)

    #: its pattern would count as noise
    estimable = False

    def predict(self, x: np.ndarray, window: Window) -> Prediction:
        part = x[:, window[0], window[1]]
        # The pattern repeats after two pixels, and windows start at even ones.
        mask = bayer_mask(self.pipeline.pattern, *part.shape[-2:])[0].numpy()
        return Prediction((mask * part).sum(axis=0, keepdims=True))

    def _check(self, image: Tensor) -> None:
        if min(image.shape[-2:]) < 3:
            raise InputError("a mosaic has at least 3x3 pixels")

    def _baseline(self, y: Tensor) -> Tensor:
        return interpolate(y.sum(dim=1, keepdim=True), self.pipeline.pattern)

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        level = self.noise_level(y) if noise is None else noise
        assert level is not None
        pattern: str = self.pipeline.pattern
        if physics is not None:
            pattern = _pattern(physics, y)
            y = (physics.mask * y).sum(dim=1, keepdim=True)
        elif y.shape[1] != 1:
            raise InputError("a mosaic is a gray image, this one has colours already")
        prior, choice = self.prior, self.pipeline.solver
        side = self._tile_side(y, 3)
        if side is not None and isinstance(prior, Prior):
            prior = Tiled(prior, side)
        schedule = demosaicing_schedule(level, choice.iterations)
        with self._watched(progress, prior=prior):
            return demosaic(y, prior, pattern, level, schedule, choice.name, choice.mirror)


def _pattern(physics: Physics, y: Tensor) -> str:
    mask = getattr(physics, "mask", None)
    for pattern in PATTERNS:
        expected = bayer_mask(pattern, y.shape[-2], y.shape[-1])
        if isinstance(mask, Tensor) and torch.equal(mask.cpu().float(), expected):
            return pattern
    raise InputError(
        f"demosaicing needs a Bayer mask of the image's size, got {type(physics).__name__}"
    )


def build(pipeline: Demosaicing, prior: Denoiser) -> DemosaicingRestorer:
    """Nothing is read: everything else is in the photos."""
    return DemosaicingRestorer(pipeline, prior)
