"""What the restorers of all tasks have in common where exported graphs compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.pipelines import tiling
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.pipelines.units import check_units
from pnp_priors.runtime.session import Session
from pnp_priors.tiles.grid import DEFAULT_TILE


class GraphRestorer(RestorerBase):
    """A pipeline whose pixels come out of an exported graph; called with arrays.

    A subclass implements :meth:`_restore` and, where its task asks for it, :meth:`_baseline`.

    :param pipeline: checked settings.
    :param prior: what is known of it, :class:`pnp_priors.runtime.engine.priors.Facts`.
    :param session: of the graph.
    """

    #: whether the graph itself blends by the key ``strength``
    blended = False

    def __init__(self, pipeline: Pipeline, prior: Any, session: Session) -> None:
        self.pipeline, self.prior, self.session = pipeline, prior, session

    def __call__(
        self,
        y: np.ndarray,
        *,
        noise: float | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Restore photos.

        :param y: an array ``[C, H, W]`` or ``[B, C, H, W]``, float, in [0, 1].
        :param noise: the noise level, where it is known better than the pipeline knows it.
        :param progress: called after each step.
        :returns: restored photos, float32.
        :raises InputError: not such a photo, NaN in it, or one that the task or prior is not for.
        """
        image = self._batched(y).astype(np.float32, copy=False)
        self._check(image)
        if noise is None and self._estimates and len(image) > 1:
            # Each photo has its own noise, and so its own schedule.
            parts = [self._restore(one[None], None, progress) for one in image]
            restored = np.concatenate(parts)
        else:
            restored = self._restore(image, noise, progress)
        strength = np.float32(self.pipeline.strength)
        if strength != 1 and not self.blended:
            before = self._baseline(image)
            restored = before + strength * (restored - before)
        return restored if y.ndim == 4 else restored[0]

    def baseline(self, pixels: np.ndarray) -> np.ndarray:
        return self._baseline(pixels[None].astype(np.float32))[0]

    @property
    def engine(self) -> dict[str, str]:
        passport = self.session.passport
        return {
            "name": "onnxruntime",
            "provider": self.session.provider,
            "graph": str(self.session.path),
            "precision": passport.precision,
        }

    @property
    def on_gpu(self) -> bool:
        """Whether tiles are to be of one size, so that memory for few sizes is kept."""
        return self.session.provider != "cpu"

    # --- for the tasks ---------------------------------------------------------------------------

    def _restore(self, y: np.ndarray, noise: float | None, progress: Progress | None) -> np.ndarray:
        """Restore ``[B, C, H, W]`` of one noise level; several photos only if ``noise`` is given.

        :param noise: ``None``: take that of :meth:`noise_level`.
        """
        raise NotImplementedError

    def _baseline(self, y: np.ndarray) -> np.ndarray:
        """What ``strength: 0`` gives: the input, brought to the size of the result."""
        return y

    def _check(self, image: np.ndarray) -> None:
        """Refuse photos that this prior is not for."""
        self._check_channels(image.shape[1])

    def _batched(self, y: Any) -> np.ndarray:
        if not isinstance(y, np.ndarray):
            raise InputError(f"expected an array, got {type(y).__name__}")
        if y.ndim not in {2, 3, 4} or y.size == 0:
            raise InputError(f"expected [H, W], [C, H, W] or [B, C, H, W], got {list(y.shape)}")
        if y.dtype.kind != "f":
            raise InputError(f"expected floating point values in [0, 1], got {y.dtype}")
        image = y.reshape((1,) * (4 - y.ndim) + y.shape)
        if image.shape[1] not in {1, 3}:
            raise InputError(f"expected 1 or 3 channels, got {image.shape[1]}")
        if not np.isfinite(image).all():
            raise InputError("the photo has values that are NaN or infinite")
        check_units(float(image.min()), float(image.max()))
        return image

    def _tile_side(self, y: np.ndarray, halo: int = 0) -> int | None:
        """Of the pipeline's key ``tiles``, see :func:`pnp_priors.pipelines.tiling.side`.

        ``auto`` takes tiles of 512 pixels, where the torch engine measures what fits in memory.
        """
        size = (y.shape[-2], y.shape[-1])
        largest = DEFAULT_TILE
        return tiling.side(self.pipeline.tiles, self.prior, y.shape[1], size, halo, largest)
