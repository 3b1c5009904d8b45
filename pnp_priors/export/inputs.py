"""Inputs of priors' graphs, drawn by formulas, and what the prior itself makes of them."""

from __future__ import annotations

import numpy as np
import torch

from pnp_priors.export.graphs.priors import PriorGraph
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.priors.base import Prior

#: batch, channels, height, width
Size = tuple[int, int, int, int]
#: of the JPEG images that a graph with a table gets
_QUALITY = 20


def inputs_of(graph: PriorGraph, size: Size, seed: int, level: float) -> dict[str, np.ndarray]:
    """A scene with noise, or as a JPEG image, and what else the graph takes.

    :param level: standard deviation of the noise; sigma falls to 0.8 of it from the first image of
        a batch to the last, a map from the first pixel to the last to 0.4.
    """
    noise = np.random.default_rng(seed).standard_normal(size)
    if "table" in graph.inputs:
        table = luminance_table(_QUALITY)
        clean = torch.from_numpy(scene(size) + 0.02 * noise).clamp(0, 1)
        return {"x": simulate(clean, table).float().numpy(), "table": table.numpy()}
    inputs = {"x": (scene(size) + level * noise).astype(np.float32)}
    batch, _, height, width = size
    if graph.form == "level":
        inputs["sigma"] = np.linspace(level, 0.8 * level, batch, dtype=np.float32)
    elif graph.form == "map":
        ramp = np.linspace(level, 0.4 * level, height * width).reshape(1, 1, height, width)
        inputs["sigma"] = np.repeat(ramp, batch, axis=0).astype(np.float32)
    return inputs


def scene(size: Size) -> np.ndarray:
    """A shaded ground with a disc, a bar and stripes, ``[B, C, H, W]`` in [0, 1]."""
    batch, channels, height, width = size
    y = np.linspace(0, 1, height)[:, None]
    x = np.linspace(0, 1, width)[None, :]
    image = 0.3 + 0.3 * x + 0.2 * y
    image = np.where((x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.06, 0.15, image)
    image = np.where((np.abs(x - 0.8) < 0.08) & (y > 0.2), 0.9, image)
    image = image + np.where(y > 0.65, 0.08 * np.sin(1.4 * np.arange(width)), 0)
    tints = np.linspace(1, 0.8, batch * channels).reshape(batch, channels, 1, 1)
    return image * tints


@torch.no_grad()
def in_torch(prior: Prior, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What the prior itself makes of a graph's inputs, computed in the dtype of its weights."""
    dtype = next(prior.parameters()).dtype
    tensors = {name: torch.from_numpy(value).to(dtype) for name, value in inputs.items()}
    return prior(**tensors).numpy()
