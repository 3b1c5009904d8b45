"""Deconvolution: a known blur is removed by an iterative solver around a prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import BlurFFT, Physics
from torch import Tensor

from pnp_priors import boundary, kernels
from pnp_priors.errors import InputError
from pnp_priors.monitoring import iterates
from pnp_priors.physics.blur import Blur
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.deconvolution import SKILLS, DeconvolutionBase
from pnp_priors.pipelines.colour import restore_luminance
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.solvers import solver
from pnp_priors.tiles import grid, in_tiles

__all__ = ["SKILLS", "DeconvolutionRestorer", "build"]


class DeconvolutionRestorer(DeconvolutionBase, Restorer):
    """A deconvolution that knows its own blur; ``physics``, a ``BlurFFT``, replaces it.

    The blur of such a ``physics`` is circular by its own word, so nothing is done about the
    boundary then.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read_as_given` returns it.
    """

    def __init__(self, pipeline: Deconvolution, prior: Denoiser, kernel: np.ndarray) -> None:
        super().__init__(pipeline, prior)
        self.kernel_as_given, self.kernel_values = kernel, kernels.check(kernel)
        self.register_buffer("kernel", torch.from_numpy(self.kernel_values))
        self.kernel: Tensor

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        level = self.noise_level(y) if noise is None else noise
        assert level is not None
        if physics is not None:
            if not isinstance(physics, BlurFFT):
                raise InputError(
                    f"a deconvolution needs a BlurFFT, got {type(physics).__name__}; leave it out "
                    "to use the pipeline's own kernel"
                )
            with self._watched(progress):
                return self._solve(y, physics.filter, level)
        assert self.kernel_as_given is not None
        rows, columns = self.kernel_as_given.shape
        where = f"kernel.file {self.pipeline.kernel.file}"
        kernels.check_fits((rows, columns), y.shape[-2], y.shape[-1], where)
        tile = self._tile(y)
        if tile is None:
            with self._watched(progress):
                return self._deblur(y, level)
        halo = self._halo()
        cell = getattr(self.prior, "size_multiple", 1)
        count = len(y) * len(grid(y.shape[-2], y.shape[-1], tile, halo, cell))
        with self._watched(progress, count):
            # One after the other, so that it is known whose tiles the solver's traces are of.
            parts = [
                in_tiles(lambda part: self._deblur(part, level), one[None], halo, tile, cell)
                for one in y
            ]
        return torch.cat(parts)

    def _deblur(self, y: Tensor, level: float) -> Tensor:
        canvas = boundary.extend(y, self.kernel, self.pipeline.boundary)
        return canvas.crop(self._solve(canvas.y, self.kernel[None, None], level))

    def _solve(self, y: Tensor, kernel: Tensor, noise: float) -> Tensor:
        size = y.shape[-2:]
        # deepinv repeats a kernel for each channel; only a physics given by the caller may have
        # really different ones, and those cannot be solved on the luminance.
        if torch.equal(kernel, kernel[:, :1].expand_as(kernel)):
            kernel = kernel[:, :1]

        def solve(image: Tensor, level: float) -> Tensor:
            shape = (image.shape[1], *size)
            blur = Blur(img_size=shape, filter=kernel, device=image.device)
            tuned = schedule.chosen(self.pipeline, level)
            mirror = self.pipeline.solver.mirror
            model = solver(tuned.solver, self.prior, tuned.schedule, mirror=mirror)
            return iterates.solve(model, image, blur)

        if self._on_luminance(y.shape[1]) and kernel.shape[1] == 1:
            one = Blur(img_size=(1, *size), filter=kernel, device=y.device)
            return restore_luminance(y, one, noise, solve)
        return solve(y, noise)

    def _tile(self, y: Tensor) -> int | None:
        if self._in_one_piece((y.shape[-2], y.shape[-1])):
            return None
        channels = 1 if self._on_luminance(y.shape[1]) else None
        return self._tile_side(y, channels, self._halo())


def build(pipeline: Deconvolution, prior: Denoiser) -> DeconvolutionRestorer:
    """Reads the kernel."""
    with naming("kernel.file"):
        kernel = kernels.read_as_given(Path(pipeline.kernel.file), pipeline.kernel.key)
    return DeconvolutionRestorer(pipeline, prior, kernel)
