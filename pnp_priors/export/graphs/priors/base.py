"""What the graphs of all priors share: channels, noise levels and sizes, as the contract has them.

:class:`pnp_priors.priors.base.Prior` is the definition, and the tests compare with it. Here, sizes
are values of the graph: nothing may be decided by them.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.priors.base import MAP_OCTAVES, Prior

#: how a graph takes sigma: ``[B]`` or ``[B, 1, H, W]``
SigmaForm = Literal["level", "map"]


class PriorGraph:
    """A prior as nodes that every target runs.

    :param prior: in float32 and eval mode.
    :param sigma: how sigma comes in; ``None``: not at all.
    """

    #: largest difference to the prior in torch, image in [0, 1]
    tolerance: float = 2e-6
    #: whether a file in float16 is of any use
    halves: bool = True
    #: of a file in int8: percentage of an activation's values that its scale covers; ``None``:
    #: there is no such file
    percentile: float | None = None

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        self.form = sigma
        self.channels, self.sigma_range = prior.channels, prior.sigma_range
        self.largest_gain = prior.largest_gain

    @property
    def inputs(self) -> dict[str, tuple[str | int, ...]]:
        """Names and dimensions of the inputs, in their order."""
        planes = "channels" if self.channels == 1 else self.channels
        named: dict[str, tuple[str | int, ...]] = {"x": ("batch", planes, "height", "width")}
        if self.form == "level":
            named["sigma"] = ("batch",)
        elif self.form == "map":
            named["sigma"] = ("batch", 1, "height", "width")
        return named

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        """Denoise ``[N, channels, H, W]`` at levels in the trained range.

        :param sigma: ``[N, 1, 1, 1]`` or ``[N, 1, H, W]``; ``None`` if the graph takes none.
        """
        raise NotImplementedError

    def restored(self, x: Value, sigma: Value | None = None) -> Value:
        """Denoise ``[B, C, H, W]``; a gray prior does so for each channel."""
        level = (
            sigma.reshape([-1, 1, 1, 1]) if sigma is not None and self.form == "level" else sigma
        )
        if self.channels != 1:
            return self.at_any_level(x, level)
        batch, colours, height, width = (x.size(axis) for axis in range(4))
        if level is not None:
            size = [1, 1] if self.form == "level" else [height, width]
            level = level.expand([batch, colours, 1, 1]).reshape([-1, 1, *size])
        gray = self.at_any_level(x.reshape([-1, 1, height, width]), level)
        return gray.reshape([batch, colours, height, width])

    def at_any_level(self, x: Value, sigma: Value | None) -> Value:
        """Denoise ``[N, channels, H, W]`` at any level: rescaled into the trained range, faded."""
        if sigma is None:
            return self.denoise(x, None)
        low, high = self.sigma_range
        if low == high:
            return self._at_one_level(x, sigma)
        scale = high / sigma.max(1, 2, 3).clip(low=high)
        restored = self._rescaled(x, scale, (scale * sigma).clip(low=low))
        return restored if low == 0 else faded(x, restored, sigma / low)

    def _rescaled(self, x: Value, scale: Value, sigma: Value) -> Value:
        return (self.denoise((x - 0.5) * scale + 0.5, sigma) - 0.5) / scale + 0.5

    def _at_one_level(self, x: Value, sigma: Value) -> Value:
        trained = self.sigma_range[1]
        lowest = trained / self.largest_gain
        level = sigma.max(1, 2, 3).clip(low=lowest)
        graph: Graph = x.graph
        told = graph.constant(np.full((1, 1, 1, 1), trained), np.float32)
        if self.form == "level":
            return faded(x, self._rescaled(x, trained / level, told), sigma / level)
        # All octaves below a map's maximum go through the network as one batch.
        count, height, width = MAP_OCTAVES + 1, x.size(2), x.size(3)
        ratio = graph.op("Log", level / sigma.clip(low=lowest)) / math.log(2)
        depth = ratio.clip(low=0.0, high=float(MAP_OCTAVES))
        octave = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1, 1)
        levels = (level * 2.0**-octave).clip(low=lowest)  # [octaves, N, 1, 1, 1]
        scale = trained / levels
        stretched = ((x - 0.5) * scale + 0.5).reshape([-1, self.channels, height, width])
        several = self.denoise(stretched, told)
        several = several.reshape([count, -1, self.channels, height, width])
        several = (several - 0.5) / scale + 0.5
        share = (1.0 - graph.op("Abs", depth - octave)).clip(low=0.0)
        reached = levels.take(MAP_OCTAVES)
        return faded(x, (share * several).sum(0, keep=False), sigma / reached)


def faded(x: Value, restored: Value, ratio: Value) -> Value:
    """The correction times the square of a ratio of levels, where that is below 1."""
    share = ratio.clip(high=1.0)
    return x + share * share * (restored - x)
