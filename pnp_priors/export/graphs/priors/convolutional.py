"""DnCNN and FFDNet as graphs."""

from __future__ import annotations

import copy

import torch
from torch import nn

from pnp_priors.export.graphs.layers import (
    average_pool,
    chain,
    cropped,
    depth_to_space,
    grown,
    space_to_depth,
)
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.priors.base import Prior
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.ffdnet import FFDNet
from pnp_priors.runtime.passport import INT8_LOWEST


class DnCNNGraph(PriorGraph):
    """:class:`pnp_priors.priors.dncnn.DnCNN`; convolutions and ReLUs are fused by runtimes."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, DnCNN)
        # Of a chain that predicts noise, strong noise is all in the rarest values.
        self.percentile = 99.9999 if prior.sigma_range[1] > INT8_LOWEST else None
        self.body = prior.body

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        return x - chain(x, self.body)


class FFDNetGraph(PriorGraph):
    """:class:`pnp_priors.priors.ffdnet.FFDNet`, for every size from 1×1."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, FFDNet)
        self.percentile = 99.998 if prior.sigma_range[1] > INT8_LOWEST else None
        self.residual = prior.residual
        # SpaceToDepth orders by place in the cell first, torch's pixel unshuffle by channel.
        count = prior.channels
        cells = torch.arange(4 * count).reshape(count, 4).T.flatten()
        self.body = copy.deepcopy(prior.body)
        first = self.body[0]
        assert isinstance(first, nn.Conv2d)
        order = torch.cat([cells, torch.tensor([4 * count])])
        first.weight = nn.Parameter(first.weight[:, order], requires_grad=False)

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        assert sigma is not None
        small = space_to_depth(grown(x, 2), 2)
        if self.form == "map":
            level = average_pool(grown(sigma, 2), 2)
        else:
            level = sigma.expand([small.size(0), 1, small.size(2), small.size(3)])
        out = chain(x.graph.concat([small, level], axis=1), self.body)
        out = cropped(depth_to_space(out, 2, mode="CRD"), x)
        return x - out if self.residual else out
