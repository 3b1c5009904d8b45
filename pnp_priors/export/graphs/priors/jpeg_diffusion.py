"""Trained diffusion for JPEG deblocking as a graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pnp_priors.export.graphs.layers import convolve, convolve_transposed, cropped, grown
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.priors.reaction_diffusion import DiffusionStages, size_of
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.physics.jpeg import BLOCK
from pnp_priors.priors.base import Prior
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion


class Box(NamedTuple):
    """Bounds of the coefficients, ``[N, 64, H/8, W/8]`` each (H, W rounded up)."""

    low: Value
    high: Value


class JpegDiffusionGraph(PriorGraph):
    """:class:`pnp_priors.priors.jpeg_diffusion.JpegReactionDiffusion`; takes a table."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, None)
        assert isinstance(prior, ReactionDiffusion)
        self.stages = DiffusionStages(prior)

    @property
    def inputs(self) -> dict[str, tuple[str | int, ...]]:
        return {**super().inputs, "table": (BLOCK, BLOCK)}

    def restored(self, x: Value, table: Value) -> Value:  # type: ignore[override]
        """Deblock ``[B, C, H, W]``, each channel by itself."""
        batch, colours, height, width = (x.size(axis) for axis in range(4))
        u = x.reshape([-1, 1, height, width]) * 255.0
        box, size = _box(u, table), size_of(u)
        for stage, lines in enumerate(self.stages.tables(x.graph)):
            u = _projected(u - self.stages.term(u, size, stage, lines), box)
        return (u / 255.0).reshape([batch, colours, height, width])


def _basis() -> np.ndarray:
    """The orthonormal DCT-II of blocks as a kernel ``[64, 1, 8, 8]``."""
    n = np.arange(BLOCK)
    rows = np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    rows[0] /= np.sqrt(2)
    basis = np.einsum("ay,bx->abyx", rows, rows)
    return basis.reshape(BLOCK**2, 1, BLOCK, BLOCK).astype(np.float32)


_BASIS = _basis()
#: the coefficients of a block of the level 128
_SHIFT = np.zeros((1, BLOCK**2, 1, 1), np.float32)
_SHIFT[0, 0] = BLOCK * 128


def _block_dct(image: Value) -> Value:
    """Of blocks from the upper left corner; cut ones repeat the last row and column."""
    return convolve(grown(image, BLOCK), _BASIS, stride=BLOCK)


def _box(image: Value, table: Value) -> Box:
    """What the original's coefficients can have been, on 0..255."""
    graph, step = image.graph, table.reshape([1, BLOCK**2, 1, 1])
    quotient = (_block_dct(image) - _SHIFT) / step
    index = graph.op("Sign", quotient) * graph.op("Floor", graph.op("Abs", quotient) + 0.5)
    return Box((index - 0.5) * step + _SHIFT, (index + 0.5) * step + _SHIFT)


def _projected(image: Value, box: Box) -> Value:
    """The nearest image with its coefficients in the box."""
    inside = _block_dct(image).clip(box.low, box.high)
    return cropped(convolve_transposed(inside, _BASIS, stride=BLOCK), image)
