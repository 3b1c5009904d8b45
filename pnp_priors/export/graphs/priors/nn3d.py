"""NN3D as a graph: the base's graph and the non-local filter in turn."""

from __future__ import annotations

from pnp_priors.export.graphs.layers import cropped
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.priors.nonlocal_filter import NonLocalGraph
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.priors.base import Prior
from pnp_priors.priors.nn3d import NN3D


class NN3DGraph(PriorGraph):
    """:class:`pnp_priors.priors.nn3d.NN3D`, around any base that has a graph."""

    #: which of two nearly equally similar blocks comes first is decided by rounding: one pixel in a
    #: hundred changes by up to 1e-4, in torch's own float32 against its float64 as well
    tolerance = 5e-4

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, NN3D)
        self.rounds, self.threshold = prior.rounds, prior.threshold
        self.filter = prior.nonlocal_filter
        self.base = graph_of(prior.base, None if prior.base.blind else sigma)

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        assert sigma is not None
        graph, restored, groups = x.graph, x, None
        for k in range(1, self.rounds + 1):
            level = sigma / float(k)
            mixed = x * (1 / k) + restored * (1 - 1 / k)
            smooth = self.base.at_any_level(mixed, level if self.base.form else None)
            nonlocal_filter = NonLocalGraph(self.filter, smooth)
            groups = groups or nonlocal_filter.match()
            shrunk = nonlocal_filter.shrink(groups, level * self.threshold)
            restored = graph.where(nonlocal_filter.fits, cropped(shrunk, x), smooth)
        return restored
