"""Denoising through an exported prior, whole or in tiles."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from pnp_priors.card import Card
from pnp_priors.pipelines.bases.denoising import SKILLS, DenoisingBase, is_blind, stated_map
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.runtime.engine.graphs import Graphs, prior_graph
from pnp_priors.runtime.engine.priors import GraphPrior
from pnp_priors.runtime.engine.restorer import GraphRestorer
from pnp_priors.runtime.engine.stabilising import stabilised
from pnp_priors.runtime.engine.tiles import denoise_in_tiles

__all__ = ["SKILLS", "DenoisingEngine", "build"]


class DenoisingEngine(DenoisingBase, GraphRestorer):
    """See :class:`pnp_priors.pipelines.tasks.denoising.DenoisingRestorer`, with which it agrees.

    :param levels: map of standard deviations ``[H, W]`` in [0, 1], in place of one noise level.
    """

    prior: GraphPrior

    def __init__(
        self, pipeline: Denoising, prior: GraphPrior, levels: np.ndarray | None = None
    ) -> None:
        super().__init__(pipeline, prior, prior.session)
        self.levels = None if levels is None else levels[None, None]

    def _restore(self, y: np.ndarray, noise: float | None, progress: Progress | None) -> np.ndarray:
        level = self.noise_level(y) if noise is None else noise
        gain = self.pipeline.noise.gain
        if gain is None:
            self._check_map((y.shape[-2], y.shape[-1]))
            return self._denoise(y, self.levels if level is None else level, progress)
        assert level is not None
        return stabilised(lambda z, sigma: self._denoise(z, sigma, progress), y, gain, level)

    def _denoise(
        self, y: np.ndarray, level: float | np.ndarray | None, progress: Progress | None
    ) -> np.ndarray:
        gray = y.shape[1] == 1 and self.prior.channels == 3
        if gray and level is not None:
            # The mean of three channels of independent noise is as noisy as the gray photo, then.
            y = np.repeat(y, 3, axis=1)
            level = np.minimum(math.sqrt(3) * level, 1)
        sigma = level if level is None or np.ndim(level) else np.full(len(y), level)
        sigma = None if sigma is None else np.asarray(sigma, np.float32)
        side = self._tile_side(y)
        if side is not None:
            restored = denoise_in_tiles(
                self.prior, y, sigma, self.prior, side, progress, self.on_gpu
            )
        else:
            if sigma is not None and sigma.ndim == 4:
                sigma = np.broadcast_to(sigma, (len(y), *sigma.shape[1:]))
            restored = self.prior(y, sigma)
            if progress is not None:
                progress(1, 1)
        return restored.mean(axis=1, keepdims=True) if gray else restored

    def _check(self, image: np.ndarray) -> None:
        self._check_photo(image.shape[1])


def build(pipeline: Denoising, card: Card, graphs: Graphs) -> DenoisingEngine:
    """Reads the map of noise levels, if there is one, and opens the prior's graph."""
    levels = stated_map(pipeline, card)
    session = graphs.open(prior_graph(card, pipeline.prior.name, _form(pipeline, card, levels)))
    return DenoisingEngine(pipeline, GraphPrior(card, session), levels)


def _form(pipeline: Denoising, card: Card, levels: Any) -> Literal["level", "map"] | None:
    """How the graph is told the noise, see :func:`pnp_priors.runtime.engine.graphs.prior_graph`."""
    noise = pipeline.noise
    if is_blind(card) or (card.estimates_sigma and noise.sigma == "auto" and levels is None):
        return None
    return "level" if levels is None else "map"
