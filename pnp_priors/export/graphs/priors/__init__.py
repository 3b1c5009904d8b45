"""A prior as a graph: one class for each published system, found by the prior's class."""

from __future__ import annotations

import importlib

from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.priors.base import Prior

_HERE = "pnp_priors.export.graphs.priors"

#: classes of :mod:`pnp_priors.registry`'s systems, and where the graph of each is found
GRAPHS = {
    "CBDNet": f"{_HERE}.cbdnet:CBDNetGraph",
    "ClassAware": f"{_HERE}.class_aware:ClassAwareGraph",
    "DnCNN": f"{_HERE}.convolutional:DnCNNGraph",
    "FFDNet": f"{_HERE}.convolutional:FFDNetGraph",
    "JpegReactionDiffusion": f"{_HERE}.jpeg_diffusion:JpegDiffusionGraph",
    "NN3D": f"{_HERE}.nn3d:NN3DGraph",
    "PeronaMalik": f"{_HERE}.perona_malik:PeronaMalikGraph",
    "ReactionDiffusion": f"{_HERE}.reaction_diffusion:ReactionDiffusionGraph",
}


def graph_of(prior: Prior, sigma: SigmaForm | None = None) -> PriorGraph:
    """The graph of a prior; its ``restored`` takes ``x`` and what the prior needs.

    :param prior: in float32, in eval mode.
    :param sigma: ``level``: ``[B]``; ``map``: ``[B, 1, H, W]``. By default a level, or nothing
        where the prior is blind or estimates the noise.
    :raises InputError: a prior that takes no sigma was to get one, or one that has no graph.
    """
    kind = type(prior).__name__
    if kind not in GRAPHS:
        raise InputError(f"{kind} cannot be exported; those that can: {', '.join(sorted(GRAPHS))}")
    if sigma is not None and (prior.blind or prior.takes_table):
        raise InputError(f"{prior.name or kind} takes no sigma: leave the choice out")
    if sigma is None and not (prior.blind or prior.takes_table or prior.estimates_sigma):
        sigma = "level"
    module, _, name = GRAPHS[kind].partition(":")
    return getattr(importlib.import_module(module), name)(prior, sigma)


__all__ = ["GRAPHS", "PriorGraph", "SigmaForm", "graph_of"]
