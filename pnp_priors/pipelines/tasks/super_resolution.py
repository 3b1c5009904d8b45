"""Super-resolution: a solver around a prior for noise, or one pass of a prior trained for it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Downsampling, Physics
from torch import Tensor

from pnp_priors import images, kernels
from pnp_priors.errors import InputError
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.decimation import Decimation, placed
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.pipelines.restorer import Prediction, Progress, Restorer, Used, Window
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.schedules import super_resolution
from pnp_priors.solvers.super_resolution import (
    LUMA,
    Enlargement,
    bicubic,
    decimation,
    enlarge,
    enlarged_size,
    luminance,
    super_resolve,
)
from pnp_priors.tiles import Tiled, tiled

#: small pixels at a border over which a bicubic reduction reaches
_REACH = 3

#: priors for it are trained for one of these
SKILLS = ("gaussian", "super-resolution")


class SuperResolutionRestorer(Restorer):
    """Enlarges photos; ``physics``, a bicubic reduction or a circular ``Downsampling``, may be
    given instead of what the pipeline says of the reduction.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read` returns it; ``None``: bicubic.
    """

    pipeline: SuperResolution

    def __init__(
        self, pipeline: SuperResolution, prior: Denoiser, kernel: np.ndarray | None = None
    ) -> None:
        super().__init__(pipeline, prior)
        found = None if kernel is None else torch.from_numpy(kernels.check(kernel))
        self.register_buffer("kernel", found)
        self.kernel: Tensor | None

    @property
    def one_pass(self) -> bool:
        """Whether the prior itself is for super-resolution, so that there is nothing to iterate."""
        return "super-resolution" in getattr(self.prior, "tasks", ())

    @property
    def iterations(self) -> int:
        return 1 if self.one_pass else self.pipeline.solver.iterations

    def noise_level(self, y: Tensor | np.ndarray) -> float | None:
        return None if self.one_pass else super().noise_level(y)

    def describe(self, level: float | None, image: images.Image) -> Used:
        used = super().describe(level, image)
        size = image.pixels.shape[-2:]
        height, width = enlarged_size(size[0], size[1], self.pipeline.factor)
        words = f"{size[1]}x{size[0]} to {width}x{height}, {used.words}"
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
        large = torch.from_numpy(np.ascontiguousarray(x)).float()[None]
        if self.kernel is None:
            small, border = resize(large, height, width), _REACH
        else:
            scale = int(factor)
            kernel = placed(self.kernel.cpu().float(), scale, self.pipeline.alignment)
            size = (large.shape[1], large.shape[2], large.shape[3])
            small = Decimation(size, kernel, scale).A(large)
            border = math.ceil(max(kernel.shape) / 2 / scale)
        return Prediction(small[0].numpy(), border, weights=weights)

    def _on_luminance(self, channels: int) -> bool:
        # A colour prior has no use for the luminance alone.
        gray = channels == 3 and getattr(self.prior, "channels", 1) == 1
        return gray and self.pipeline.color == "luminance"

    def _remarks(self) -> tuple[str, ...]:
        if not self.one_pass:
            return super()._remarks()
        name, factor = self.pipeline.prior.name, self.pipeline.factor
        notes: tuple[str, ...] = ()
        if self.kernel is not None or self.pipeline.noise.sigma != 0:
            notes += (f"{name} enlarges in one pass: kernel and noise are not used",)
        scales = getattr(self.prior, "scales", None)
        if scales and factor not in scales:
            known = ", ".join(f"{scale:g}" for scale in scales)
            notes += (f"factor {factor:g} is not among {known}, for which {name} is trained",)
        return notes

    def _baseline(self, y: Tensor) -> Tensor:
        return enlarge(y, self.pipeline.factor)

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        if physics is not None:
            return self._with_physics(y, physics, noise or 0.0, progress)
        factor = self.pipeline.factor
        gray = self._on_luminance(y.shape[1])
        side = self._tile_side_of(y, 1 if gray else y.shape[1])
        if self.one_pass:
            if gray:
                return luminance(y, factor, lambda part: self._pass(part, side, progress))
            return self._pass(y, side, progress)
        level = self.noise_level(y) if noise is None else noise
        assert level is not None
        if not gray:
            return self._solve(y, level, side, progress)
        # Its noise is that of a weighted mean of three independent channels.
        of_mean = level * math.sqrt(sum(weight**2 for weight in LUMA))
        shift = 0.0
        if self.kernel is not None and self.pipeline.alignment == "first":
            shift = (factor - 1) / 2
        return luminance(y, factor, lambda part: self._solve(part, of_mean, side, progress), shift)

    def _tile_side_of(self, y: Tensor, channels: int) -> int | None:
        height, width = enlarged_size(y.shape[-2], y.shape[-1], self.pipeline.factor)
        return self._tile_side(y.new_empty(0, channels, height, width), channels)

    def _pass(self, y: Tensor, side: int | None, progress: Progress | None) -> Tensor:
        large = enlarge(y, self.pipeline.factor)
        if side is not None and isinstance(self.prior, Prior):
            return tiled(self.prior, large, tile=side, progress=progress)
        restored = self.prior(large, None)
        if progress is not None:
            progress(1, 1)
        return restored

    def _solve(
        self, y: Tensor, noise: float, side: int | None, progress: Progress | None
    ) -> Tensor:
        if self.kernel is None:
            task = bicubic(y, self.pipeline.factor)
        else:
            task = decimation(y, self.kernel, int(self.pipeline.factor), self.pipeline.alignment)
        return self._iterate(task, noise, side, progress)

    def _iterate(
        self, task: Enlargement, noise: float, side: int | None, progress: Progress | None
    ) -> Tensor:
        prior, choice = self.prior, self.pipeline.solver
        if side is not None and isinstance(prior, Prior):
            prior = Tiled(prior, side)
        scale = task.init.shape[-2] / task.y.shape[-2]
        schedule = super_resolution(noise, max(scale, 1.0), choice.iterations)
        with self._watched(progress, prior=prior):
            return super_resolve(task, prior, schedule, choice.name)

    def _with_physics(
        self, y: Tensor, physics: Physics, noise: float, progress: Progress | None
    ) -> Tensor:
        circular = isinstance(physics, Downsampling) and physics.padding == "circular"
        if self.one_pass or not (circular or isinstance(physics, BicubicReduction)):
            raise InputError(
                "super-resolution in a solver needs a BicubicReduction or a circular Downsampling "
                f"as physics, and a prior for noise; got {type(physics).__name__}"
            )
        size = physics.A_adjoint(y).shape
        init = resize(y, size[-2], size[-1]).clamp(0, 1)
        side = self._tile_side(init)
        return self._iterate(Enlargement(physics, y, init), noise, side, progress)


def build(pipeline: SuperResolution, prior: Denoiser) -> SuperResolutionRestorer:
    """Reads the kernel, where there is one."""
    kernel = None
    if pipeline.kernel is not None:
        kernel = kernels.read(Path(pipeline.kernel.file), pipeline.kernel.key)
    return SuperResolutionRestorer(pipeline, prior, kernel)
