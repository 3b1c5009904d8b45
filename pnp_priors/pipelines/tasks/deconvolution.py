"""Deconvolution: a known blur is removed by an iterative solver around a prior."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import BlurFFT, Physics
from torch import Tensor

from pnp_priors import boundary, images, kernels
from pnp_priors.errors import InputError
from pnp_priors.monitoring import iterates
from pnp_priors.pipelines import schedule, tiling
from pnp_priors.pipelines.colour import restore_luminance
from pnp_priors.pipelines.restorer import Prediction, Progress, Restorer, Used, Window
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.priors.base import Prior
from pnp_priors.solvers import solver
from pnp_priors.tiles import grid, in_tiles, solver_halo, strict_solver_halo

#: priors for it are trained for one of these
SKILLS = ("gaussian",)


class DeconvolutionRestorer(Restorer):
    """A deconvolution that knows its own blur; ``physics``, a ``BlurFFT``, replaces it.

    The blur of such a ``physics`` is circular by its own word, so nothing is done about the
    boundary then.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read` returns it.
    """

    pipeline: Deconvolution

    def __init__(self, pipeline: Deconvolution, prior: Denoiser, kernel: np.ndarray) -> None:
        super().__init__(pipeline, prior)
        self.register_buffer("kernel", torch.from_numpy(kernels.check(kernel)))
        self.kernel: Tensor

    @property
    def iterations(self) -> int:
        return schedule.iterations(self.pipeline)

    def describe(self, level: float | None, image: images.Image) -> Used:
        used = super().describe(level, image)
        return replace(used, words=f"{used.words}; {schedule.words(self.pipeline)}")

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
        size = (self.kernel.shape[0], self.kernel.shape[1])
        kernels.check_fits(
            size, y.shape[-2], y.shape[-1], f"kernel.file {self.pipeline.kernel.file}"
        )
        tile = self._tile(y, size)
        if tile is None:
            with self._watched(progress):
                return self._deblur(y, level)
        halo = self._halo(size)
        cell = getattr(self.prior, "size_multiple", 1)
        count = len(y) * len(grid(y.shape[-2], y.shape[-1], tile, halo, cell))
        with self._watched(progress, count):
            return in_tiles(lambda part: self._deblur(part, level), y, halo, tile, cell)

    def predict(self, x: np.ndarray, window: Window) -> Prediction:
        from scipy.signal import fftconvolve

        kernel = self.kernel.cpu().numpy()
        # What lies outside the frame is unknown, so the outer pixels are not to be trusted.
        part = x[:, window[0], window[1]]
        blurred = fftconvolve(part, kernel[None], mode="same", axes=(1, 2))
        return Prediction(blurred, max(kernel.shape) // 2)

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
            blur = BlurFFT(img_size=shape, filter=kernel, device=image.device)
            tuned = schedule.chosen(self.pipeline, level)
            return iterates.solve(solver(tuned.solver, self.prior, tuned.schedule), image, blur)

        if self._on_luminance(y) and kernel.shape[1] == 1:
            one = BlurFFT(img_size=(1, *size), filter=kernel, device=y.device)
            return restore_luminance(y, one, noise, solve)
        return solve(y, noise)

    def _on_luminance(self, y: Tensor) -> bool:
        # A colour prior has no use for the luminance alone.
        gray = getattr(self.prior, "channels", 1) == 1
        return self.pipeline.color == "luminance" and y.shape[1] == 3 and gray

    def _halo(self, kernel: tuple[int, int]) -> int:
        """What tiles need; of HQS, ADMM and DRS as measured in docs/large-images.md."""
        if not isinstance(self.prior, Prior) or self.prior.receptive_field is None:
            return solver_halo(kernel)
        name = self.pipeline.solver.name
        strict = strict_solver_halo(name, self.iterations, kernel, self.prior)
        return max(solver_halo(kernel), self.prior.halo) if strict is None else strict

    def _tile(self, y: Tensor, kernel: tuple[int, int]) -> int | None:
        choice = self.pipeline.tiles
        if tiling.fits(choice, (y.shape[-2], y.shape[-1])):
            return None
        # Opposite borders of the photo are neighbours then, those of a tile are not.
        if self.pipeline.boundary == "circular":
            if choice == "auto":
                return None
            raise InputError(
                f"tiles: {choice}: a photo whose boundary is circular cannot be cut; write none"
            )
        return self._tile_side(y, 1 if self._on_luminance(y) else None, self._halo(kernel))


def build(pipeline: Deconvolution, prior: Denoiser) -> DeconvolutionRestorer:
    """Reads the kernel."""
    kernel = kernels.read(Path(pipeline.kernel.file), pipeline.kernel.key)
    return DeconvolutionRestorer(pipeline, prior, kernel)
