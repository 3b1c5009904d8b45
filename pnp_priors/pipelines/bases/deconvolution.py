"""Deconvolution, apart from how it is computed: schedule, tiles, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.pipelines import schedule, tiling
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.outcome import Prediction, Used, Window
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.tiles.solvers import solver_halo, strict_solver_halo

#: priors for it are trained for one of these
SKILLS = ("gaussian",)


class DeconvolutionBase(RestorerBase):
    """Knows a blur kernel, which is not larger than the photos."""

    pipeline: Deconvolution
    #: ``[h, w]``, odd sizes, sum 1
    kernel_values: np.ndarray

    @property
    def iterations(self) -> int:
        return schedule.iterations(self.pipeline)

    def describe(self, level: float | None, image: images.Image) -> Used:
        used = super().describe(level, image)
        return replace(used, words=f"{used.words}; {schedule.words(self.pipeline)}")

    def predict(self, x: np.ndarray, window: Window) -> Prediction:
        from scipy.signal import fftconvolve

        kernel = self.kernel_values
        # What lies outside the frame is unknown, so the outer pixels are not to be trusted.
        part = x[:, window[0], window[1]]
        blurred = fftconvolve(part, kernel[None], mode="same", axes=(1, 2))
        return Prediction(blurred, max(kernel.shape) // 2)

    def check_tiles(self) -> None:
        side = self.pipeline.tiles
        if not isinstance(side, int):
            return
        if self.pipeline.boundary == "circular":
            raise InputError(
                f"tiles: {side}: a photo whose boundary is circular cannot be cut; write none"
            )
        tiling.check(side, self.prior, self._halo())

    def _on_luminance(self, channels: int) -> bool:
        # A colour prior has no use for the luminance alone.
        gray = getattr(self.prior, "channels", 1) == 1
        return self.pipeline.color == "luminance" and channels == 3 and gray

    def _halo(self) -> int:
        """What tiles need; of HQS, ADMM and DRS as measured in docs/large-images.md."""
        rows, columns = self.kernel_values.shape
        if getattr(self.prior, "receptive_field", None) is None:
            return solver_halo((rows, columns))
        name = self.pipeline.solver.name
        strict = strict_solver_halo(name, self.iterations, (rows, columns), self.prior)
        return max(solver_halo((rows, columns)), self.prior.halo) if strict is None else strict

    def _in_one_piece(self, size: tuple[int, int]) -> bool:
        """Whether a photo of this height and width is restored whole, whatever the prior."""
        # Opposite borders of the photo are neighbours then, those of a tile are not.
        return self.pipeline.boundary == "circular" or tiling.fits(self.pipeline.tiles, size)
