"""Learned diffusivities as graphs; :mod:`pnp_priors.priors._diffusivities` has their definitions.

Each function takes the trained module and returns what maps images ``[N, 1, H, W]`` in [0, 1] to
diffusivities of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from pnp_priors.export.graphs.layers import array, chain, convolve, layer, mirrored
from pnp_priors.export.graphs.priors.diffusion_term import Table, lines
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.priors import _diffusivities as trained

#: images to diffusivities
Diffusivity = Callable[[Value], Value]


def standardised(u: Value) -> Value:
    """:func:`pnp_priors.priors._diffusivities.standardise`."""
    return (u - 0.5) / 0.25


def neighbours(u: Value, axis: int) -> tuple[Value, Value]:
    """The pixels before and after every edge along an axis; at the border they are equal."""
    around = [0, 0, int(axis == 2), int(axis == 3)]
    tall = u.graph.op("Pad", u, u.graph.sizes([*around, *around]), mode="edge")
    return tall.slice(axis, 0, -1), tall.slice(axis, 1)


def difference(flux: Value, axis: int) -> Value:
    """Of the edges after and before every pixel."""
    return flux.slice(axis, 1) - flux.slice(axis, 0, -1)


# --- K from a network ----------------------------------------------------------------------------


def adaptive_k(graph: Graph, diffusivity: trained.AdaptiveK) -> Diffusivity:
    """:class:`pnp_priors.priors._diffusivities.AdaptiveK`."""
    dense = diffusivity.dense

    def contrast(u: Value) -> Value:
        x = standardised(u)
        for module in diffusivity.body:
            x = _block(x, module)
        mean = x.mean(2, 3, keep=False)
        root = graph.op("Gemm", mean, array(dense.weight), array(dense.bias), transB=1)
        return (root * root + 1.0).reshape([-1, 1, 1, 1])

    def value(u: Value) -> Value:
        squares = []
        for axis in (2, 3):
            before, after = neighbours(u * 255.0, axis)
            step = after - before
            square = step * step
            squares.append(square.slice(axis, 1) + square.slice(axis, 0, -1))
        k = contrast(u)
        return 1.0 / ((squares[0] + squares[1]) * 0.5 / (k * k) + 1.0)

    return value


def _block(x: Value, module: nn.Module) -> Value:
    if isinstance(module, trained.Separable):
        return chain(x, module)
    if not isinstance(module, trained.SeparableBlock):
        return layer(x, module)
    relu = x.graph.op("Relu", chain(x.graph.op("Relu", x), module.first))
    pooled = x.graph.op(
        "MaxPool", chain(relu, module.second), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
    )
    return pooled + layer(x, module.shortcut)


# --- fields of experts ---------------------------------------------------------------------------


def _experts(
    diffusivity: trained.Experts, functions: Callable[[Value], Value], offset: float = 0.0
) -> Diffusivity:
    """A field of experts.

    :param functions: values ``[experts, P]`` of responses in [0, 1].
    """
    reach, count = diffusivity.kernel // 2, diffusivity.experts

    def value(u: Value) -> Value:
        graph = u.graph
        batch, height, width = u.size(0), u.size(2), u.size(3)
        tall = height + 2 * reach
        # Images one below the other, so that one row of a matrix has all responses of an expert.
        column = mirrored(standardised(u), reach).reshape([1, 1, batch * tall, width + 2 * reach])
        response = graph.op("Sigmoid", convolve(column, array(diffusivity.filters)))
        total = functions(response.reshape([count, -1])).sum(0) + offset
        rows = graph.pad(total.reshape([1, 1, -1, width]), [0, 0, 0, 0], [0, 0, 2 * reach, 0])
        inside = rows.reshape([batch, 1, tall, width]).slice(2, 0, height)
        return graph.op("Sigmoid", inside)

    return value


def splines(graph: Graph, diffusivity: trained.SplineExperts) -> Diffusivity:
    """:class:`pnp_priors.priors._diffusivities.SplineExperts`, with slopes of either kind."""
    count = diffusivity.intervals
    with torch.no_grad():
        slopes = diffusivity.steepness().double().numpy() / count
        start = diffusivity.start.double().numpy()
    left = np.cumsum(np.concatenate([start, slopes[:, :-1]], axis=1), axis=1)
    intercepts = graph.constant(left - np.arange(count) * slopes, np.float32)
    table = Table(intercepts, graph.constant(slopes, np.float32), count)
    # A response of exactly 1 belongs to the last interval.
    last = float(np.nextafter(np.float32(count), np.float32(0)))
    return _experts(diffusivity, lambda x: lines((x * float(count)).clip(high=last), table))


def monomials(graph: Graph, diffusivity: trained.MonomialExperts) -> Diffusivity:
    """:class:`pnp_priors.priors._diffusivities.MonomialExperts`."""
    powers = np.arange(diffusivity.experts, dtype=np.float32)[:, None]
    coefficients = array(diffusivity.coefficients)
    return _experts(diffusivity, lambda x: graph.op("Pow", x, powers) * coefficients)


def roth_black(graph: Graph, diffusivity: trained.RothBlackExperts) -> Diffusivity:
    """:class:`pnp_priors.priors._diffusivities.RothBlackExperts`."""
    alpha = array(-diffusivity.log_alpha.double().exp())

    def functions(x: Value) -> Value:
        centred = x * 2.0 - 1.0
        return graph.op("Exp", graph.op("Log", centred * centred * 0.5 + 1.0) * alpha)

    return _experts(diffusivity, functions, float(diffusivity.bias))
