"""JPEG deblocking: what a file stores as the data term of a solver, or one pass of a JPEG prior."""

from __future__ import annotations

from pathlib import Path

import torch
from deepinv.models import Denoiser
from deepinv.physics import Physics
from torch import Tensor

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import chrominance_table, luminance_table
from pnp_priors.physics.jpeg_file import JPEGFile, from_pixels, read_file
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_planes import to_planes, to_rgb
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.jpeg_deblocking import (
    SKILLS,
    JpegDeblockingBase,
    checked_path,
    history,
)
from pnp_priors.pipelines.outcome import Progress, Used
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.watching import quiet
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.deblocking import deblock, quantisation_noise
from pnp_priors.tiles import Tiled, tiled

__all__ = ["SKILLS", "JpegDeblockingRestorer", "build"]


class JpegDeblockingRestorer(JpegDeblockingBase, Restorer):
    """Restores JPEG files, and decoded images where ``quality`` or a ``JPEG`` physics is given.

    A prior trained for JPEG restores the luminance in one pass and leaves the colours as they were
    decoded; any other prior is used in a solver, where all planes are kept in their intervals.
    """

    def restore_image(
        self, image: images.Image, path: Path | None = None, progress: Progress | None = None
    ) -> tuple[images.Image, Used]:
        """Restore a JPEG file, of which tables and coefficients are read too.

        :param path: not needed where the pipeline states ``quality``.
        :raises InputError: no JPEG file, and no quality.
        """
        y = torch.from_numpy(image.pixels)[None].to(self._here)
        self._check(y)
        notes: tuple[str, ...] = ()
        if self.pipeline.quality is not None:
            file = self._as_stated(y[0])
        else:
            file = read_file(checked_path(path))
            notes = history(
                file.exact, [plane[0, 0].numpy() for plane in file.indices], file.tables
            )
        with torch.no_grad(), quiet():
            restored, noise = self._from_file(file, y, progress)
        pixels = self._at_strength(y, restored)[0].cpu().numpy()
        used = self._described(file.tables[0].numpy(), noise, notes)
        return image.with_pixels(pixels), used

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        if physics is not None and not isinstance(physics, JPEG):
            raise InputError(f"JPEG deblocking needs a JPEG physics, got {type(physics).__name__}")
        parts = []
        for one in y:
            if physics is None:
                file = self._as_stated(one)
            else:
                file = from_pixels(one, list(physics.tables), physics.subsampling)
            parts.append(self._from_file(file, one[None], progress, noise)[0])
        return torch.cat(parts)

    def _as_stated(self, image: Tensor) -> JPEGFile:
        """As if a decoded image ``[C, H, W]`` came from a file of the stated quality."""
        quality = self.pipeline.quality
        if quality is None:
            raise InputError(
                "pixels do not say how they were compressed: give a JPEG file, state quality "
                "(1 to 100), or pass a JPEG physics with its tables"
            )
        tables = [luminance_table(quality), *[chrominance_table(quality)] * (len(image) - 1)]
        return from_pixels(image, tables, self.pipeline.subsampling)

    def _from_file(
        self, file: JPEGFile, y: Tensor, progress: Progress | None, noise: float | None = None
    ) -> tuple[Tensor, float]:
        """Restored ``[1, C, H, W]`` and the quantisation noise.

        :param y: the decoded image.
        """
        physics = file.physics(y.device).to(y)
        measured = file.measurements(physics)
        if noise is None:
            noise = quantisation_noise(measured, physics)
        if self.one_pass:
            luma = physics.planes[0].decoded(measured[0]).clamp(0, 1)
            restored = self._pass(luma, file.tables[0], progress)
            if y.shape[1] == 1:
                return restored, noise
            return to_rgb(torch.cat([restored, to_planes(y)[:, 1:]], dim=1)), noise
        side, prior = self._tile_side(y), self.prior
        if side is not None and isinstance(prior, Prior):
            prior = Tiled(prior, side)
        tuned = schedule.chosen(self.pipeline, noise)
        width, mirror = self.pipeline.width or tuned.width, self.pipeline.solver.mirror
        assert width is not None
        with self._watched(progress, prior=prior):
            found = deblock(measured, physics, prior, tuned.schedule, tuned.solver, width, mirror)
        return found, noise

    def _pass(self, luma: Tensor, table: Tensor, progress: Progress | None) -> Tensor:
        assert isinstance(self.prior, Prior)
        steps = table if self.prior.takes_table else None
        side = self._tile_side(luma)
        if side is not None:
            return tiled(self.prior, luma, table=steps, tile=side, progress=progress)
        restored = self.prior(luma) if steps is None else self.prior(luma, table=steps)
        if progress is not None:
            progress(1, 1)
        return restored


def build(pipeline: JpegDeblocking, prior: Denoiser) -> JpegDeblockingRestorer:
    """Nothing is read: everything else is in the photos."""
    return JpegDeblockingRestorer(pipeline, prior)
