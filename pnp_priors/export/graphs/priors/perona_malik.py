"""Perona–Malik diffusion with learned diffusivities as a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.priors.diffusivities import (
    Diffusivity,
    adaptive_k,
    difference,
    monomials,
    neighbours,
    roth_black,
    splines,
)
from pnp_priors.export.graphs.priors.diffusivity_unet import unet
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.priors import _diffusivities
from pnp_priors.priors._diffusivity_unet import UNet
from pnp_priors.priors.base import Prior
from pnp_priors.priors.perona_malik import PeronaMalik

#: kinds of diffusivity, and what makes a function of the graph of each
KINDS: dict[type[_diffusivities.Diffusivity], Callable[[Graph, Any], Diffusivity]] = {
    _diffusivities.AdaptiveK: adaptive_k,
    _diffusivities.SplineExperts: splines,
    _diffusivities.DecreasingExperts: splines,
    _diffusivities.MonomialExperts: monomials,
    _diffusivities.RothBlackExperts: roth_black,
    UNet: unet,
}


class PeronaMalikGraph(PriorGraph):
    """:class:`pnp_priors.priors.perona_malik.PeronaMalik`."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, PeronaMalik)
        self.diffusivity = prior.diffusivity
        # A field of experts is a thousand weights, and functions that need their digits.
        self.halves = not isinstance(prior.diffusivity, _diffusivities.Experts)
        self.iterations, self.step = prior.iterations, float(prior.step)

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        u, diffusivity = x, KINDS[type(self.diffusivity)](x.graph, self.diffusivity)
        for _ in range(self.iterations):
            u = u + divergence(u, diffusivity(u)) * self.step
        return u


def divergence(u: Value, a: Value) -> Value:
    """:func:`pnp_priors.priors.perona_malik.divergence`, for every size from 1×1."""
    parts = []
    for axis in (2, 3):
        before, after = neighbours(u, axis)
        first, second = neighbours(a, axis)
        flux = (second + first) * 0.5 * (after - before)
        parts.append(difference(flux, axis))
    return parts[0] + parts[1]
