"""CBDNet as a graph."""

from __future__ import annotations

from torch import nn

from pnp_priors.export.graphs.layers import average_pool, chain, cropped, grown
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.priors.base import Prior
from pnp_priors.priors.cbdnet import CBDNet


class CBDNetGraph(PriorGraph):
    """:class:`pnp_priors.priors.cbdnet.CBDNet`; without sigma it uses its own estimate."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, CBDNet)
        self.net, self.multiple = prior, prior.size_multiple

    def at_any_level(self, x: Value, sigma: Value | None) -> Value:
        if sigma is None:
            sigma = chain(x, self.net.estimator).clip(high=self.sigma_range[1])
        return super().at_any_level(x, sigma)

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        assert sigma is not None
        net, sizes = self.net, [x.size(axis) for axis in range(4)]
        image = grown(x.graph.concat([x, sigma.expand(sizes)], axis=1), self.multiple)
        fine = chain(image, net.entry)
        middle = chain(average_pool(fine, 2), net.down)
        coarse = chain(average_pool(middle, 2), net.bottom)
        middle = chain(middle + chain(coarse, nn.Sequential(net.rise_to_half)), net.up)
        fine = chain(fine + chain(middle, nn.Sequential(net.rise)), net.exit)
        return x + cropped(chain(fine, nn.Sequential(net.correction)), x)
