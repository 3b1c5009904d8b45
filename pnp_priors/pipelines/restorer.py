"""What the restorers of all tasks have in common; each task is a subclass below ``tasks/``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from deepinv.models import Denoiser, Reconstructor
from deepinv.physics import Physics
from torch import Tensor, nn

from pnp_priors.pipelines import tiling
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.photos import Photo, as_given, batch
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.pipelines.watching import counted


class Restorer(RestorerBase, Reconstructor):
    """A pipeline as a ``deepinv.models.Reconstructor``.

    A subclass implements :meth:`_restore` and, where its task asks for it, :meth:`_baseline`.

    :param pipeline: checked settings.
    :param prior: any deepinv denoiser.
    """

    def __init__(self, pipeline: Pipeline, prior: Denoiser) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.prior = prior
        # Knows where this is and how precise, also beside a prior without parameters.
        self.register_buffer("_here", torch.zeros(()), persistent=False)
        self._here: Tensor

    @torch.no_grad()
    def forward(
        self,
        y: Photo,
        physics: Physics | None = None,
        noise: float | None = None,
        progress: Progress | None = None,
    ) -> Photo:
        """Restore photos.

        :param y: a tensor or array ``[H, W]``, ``[C, H, W]`` or ``[B, C, H, W]``, float, in [0, 1].
        :param physics: to use instead of the degradation that the pipeline states, where its task
            has one.
        :param noise: the noise level, where it is known better than the pipeline knows it.
        :param progress: called after each step.
        :returns: restored photos of the same kind.
        :raises InputError: not such a photo, NaN in it, or one that the task or prior is not for.
        """
        image = batch(y).to(self._here)
        self._check(image)
        if noise is None and self._estimates and len(image) > 1:
            # Each photo has its own noise, and so its own schedule.
            parts = [self._restore(one[None], physics, None, progress) for one in image]
            restored = torch.cat(parts)
        else:
            restored = self._restore(image, physics, noise, progress)
        return as_given(self._at_strength(image, restored), y)

    @property
    def engine(self) -> dict[str, str]:
        return {"name": "torch", "device": str(self._here.device)}

    def _batched(self, y: Tensor | np.ndarray) -> Tensor:
        return batch(y)

    @torch.no_grad()
    def baseline(self, pixels: np.ndarray) -> np.ndarray:
        y = torch.from_numpy(np.ascontiguousarray(pixels))[None]
        return self._baseline(y.to(self._here))[0].cpu().numpy()

    # --- for the tasks ---------------------------------------------------------------------------

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        """Restore ``[B, C, H, W]`` of one noise level; several photos only if ``noise`` is given.

        :param noise: ``None``: take that of :meth:`noise_level`.
        """
        raise NotImplementedError

    def _baseline(self, y: Tensor) -> Tensor:
        """What ``strength: 0`` gives: the input, brought to the size of the result."""
        return y

    def _check(self, image: Tensor) -> None:
        """Refuse photos that this prior is not for."""
        self._check_channels(image.shape[1])

    def _at_strength(self, y: Tensor, restored: Tensor) -> Tensor:
        strength = self.pipeline.strength
        return restored if strength == 1 else torch.lerp(self._baseline(y), restored, strength)

    def _tile_side(self, y: Tensor, channels: int | None = None, halo: int = 0) -> int | None:
        """Of the pipeline's key ``tiles``, see :func:`pnp_priors.pipelines.tiling.side`."""
        size = (y.shape[-2], y.shape[-1])
        return tiling.side(self.pipeline.tiles, self.prior, channels or y.shape[1], size, halo)

    @contextmanager
    def _watched(
        self, progress: Progress | None, tiles: int = 1, prior: nn.Module | None = None
    ) -> Iterator[None]:
        """Count its iterations.

        :param tiles: how many times it iterates.
        :param prior: that is called, if it is not the pipeline's own.
        """
        with counted(prior or self.prior, tiles * self.iterations, progress):
            yield
