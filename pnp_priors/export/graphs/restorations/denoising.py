"""Denoising as one graph: a noisy photo and its noise level in, the restored photo out."""

from __future__ import annotations

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.export.graphs.restorations.solvers import PriorModel, blended
from pnp_priors.pipelines.schemas.denoising import Denoising


def denoising(
    pipeline: Denoising, prior: PriorModel, count: None, x: Value, noise: Value | None = None
) -> Value:
    """The restored photo.

    :param count: there are no iterations.
    :param x: ``[B, C, H, W]``; a gray prior restores channel by channel.
    :param noise: noise level in [0, 1] units, ``[1]``; ``None``: the prior is told none.
    """
    level = x.graph.constant(0, np.float32) if noise is None else noise.reshape([])
    return blended(pipeline.strength, x, prior(x, level))
