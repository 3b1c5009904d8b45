"""Super-resolution: a solver around a prior for noise, or one pass of a prior trained for it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Downsampling, Physics
from torch import Tensor

from pnp_priors import kernels
from pnp_priors.errors import InputError
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.super_resolution import SKILLS, SuperResolutionBase
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.priors.base import Prior
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

__all__ = ["SKILLS", "SuperResolutionRestorer", "build"]


class SuperResolutionRestorer(SuperResolutionBase, Restorer):
    """Enlarges photos; ``physics``, a bicubic reduction or a circular ``Downsampling``, may be
    given instead of what the pipeline says of the reduction.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read_as_given` returns it; ``None``:
        bicubic.
    """

    def __init__(
        self, pipeline: SuperResolution, prior: Denoiser, kernel: np.ndarray | None = None
    ) -> None:
        super().__init__(pipeline, prior)
        self.kernel_as_given = kernel
        self.kernel_values = None if kernel is None else kernels.check(kernel)
        values = self.kernel_values
        self.register_buffer("kernel", None if values is None else torch.from_numpy(values))
        self.kernel: Tensor | None

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
        tuned = schedule.enlarging(self.pipeline, noise, max(scale, 1.0))
        with self._watched(progress, prior=prior):
            return super_resolve(task, prior, tuned, choice.name, mirror=choice.mirror)

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
        with naming("kernel.file"):
            kernel = kernels.read_as_given(Path(pipeline.kernel.file), pipeline.kernel.key)
    return SuperResolutionRestorer(pipeline, prior, kernel)
