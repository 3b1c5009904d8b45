"""Super-resolution, apart from how it is computed: sizes, prediction, and what is said of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pnp_priors import images
from pnp_priors.physics.reductions import (
    LUMA,
    decimated,
    enlarged_size,
    placed_kernel,
    resized,
)
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.outcome import Prediction, Used, Window
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution

#: small pixels at a border over which a bicubic reduction reaches
_REACH = 3

#: priors for it are trained for one of these
SKILLS = ("gaussian", "super-resolution")


class SuperResolutionBase(RestorerBase):
    """Enlarges photos by a factor, which were reduced bicubically or by a known kernel."""

    pipeline: SuperResolution
    baseline_words = "bicubic"
    #: ``[h, w]``, odd sizes, sum 1; ``None``: bicubic
    kernel_values: np.ndarray | None = None

    @property
    def one_pass(self) -> bool:
        """Whether the prior itself is for super-resolution, so that there is nothing to iterate."""
        return "super-resolution" in getattr(self.prior, "tasks", ())

    @property
    def iterations(self) -> int:
        return 1 if self.one_pass else schedule.iterations(self.pipeline)

    def noise_level(self, y: Any) -> float | None:
        return None if self.one_pass else super().noise_level(y)

    def describe(self, level: float | None, image: images.Image) -> Used:
        used = super().describe(level, image)
        size = image.pixels.shape[-2:]
        height, width = enlarged_size(size[0], size[1], self.pipeline.factor)
        words = f"{size[1]}x{size[0]} to {width}x{height}, {used.words}"
        if not self.one_pass:
            words += f"; {schedule.words(self.pipeline)}"
        return Used(used.noise, words, used.notes)

    def predict(self, x: np.ndarray, window: Window) -> Prediction | None:
        factor = self.pipeline.factor
        height, width = (part.stop - part.start for part in window)
        cut = [slice(round(factor * part.start), round(factor * part.stop)) for part in window]
        if factor == int(factor):
            x = x[:, cut[0], cut[1]]
        elif enlarged_size(height, width, factor) != x.shape[-2:]:
            return None  # a part of such a photo does not begin where a large pixel does
        weights = LUMA if self._on_luminance(len(x)) else None
        if weights is not None:
            x = np.tensordot(weights, x, 1)[None]
        if self.kernel_values is None:
            return Prediction(resized(x, height, width), _REACH, weights=weights)
        scale = int(factor)
        kernel = placed_kernel(self.kernel_values, scale, self.pipeline.alignment)
        border = math.ceil(max(kernel.shape) / 2 / scale)
        return Prediction(decimated(x, kernel, scale), border, weights=weights)

    def _on_luminance(self, channels: int) -> bool:
        # A colour prior has no use for the luminance alone.
        gray = channels == 3 and getattr(self.prior, "channels", 1) == 1
        return gray and self.pipeline.color == "luminance"

    def _remarks(self) -> tuple[str, ...]:
        if not self.one_pass:
            return super()._remarks()
        name, factor = self.pipeline.prior.name, self.pipeline.factor
        notes: tuple[str, ...] = ()
        if self.kernel_values is not None or self.pipeline.noise.sigma != 0:
            notes += (f"{name} enlarges in one pass: kernel and noise are not used",)
        scales = getattr(self.prior, "scales", None)
        if scales and factor not in scales:
            known = ", ".join(f"{scale:g}" for scale in scales)
            notes += (f"factor {factor:g} is not among {known}, for which {name} is trained",)
        return notes
