"""The U-Net diffusivity as a graph, on 2×2 cells.

Kernels on cells are six times as large as the network's own, from which the graph makes them:
constants from constants, which runtimes compute once.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from pnp_priors.export.graphs.layers import (
    array,
    convolve,
    cropped,
    depth_to_space,
    grown,
    halved,
    space_to_depth,
)
from pnp_priors.export.graphs.priors.diffusivities import Diffusivity, standardised
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.priors._diffusivity_unet import UNet, cell_index

#: a kernel and additive constants
Layer = tuple[Value, np.ndarray]


def unet(graph: Graph, net: UNet) -> Diffusivity:
    """:class:`pnp_priors.priors._diffusivity_unet.UNet`."""
    down, up = ([_block(graph, block, net.width) for block in part] for part in (net.down, net.up))
    rise = [_rise(graph, layer) for layer in net.rise]

    def relu(x: Value) -> Value:
        return graph.op("Relu", x)

    def value(u: Value) -> Value:
        x = halved(space_to_depth(grown(standardised(u), 2**net.levels), 2))
        kept: list[Value] = []
        for level, block in enumerate(down):
            x = space_to_depth(_pooled(x, net.width), 2) if level else x
            for kernel, bias in block:
                x = relu(convolve(x, kernel, bias, pads=(1, 1, 1, 1)))
            kept.append(x)
        for level in reversed(range(net.levels - 1)):
            risen = convolve(depth_to_space(x, 2), *rise[level])
            x = graph.concat([risen, kept[level]], axis=1)
            for depth, (kernel, bias) in enumerate(up[level]):
                x = convolve(x, kernel, bias, pads=(1, 1, 1, 1))
                x = relu(x) if level or depth < len(up[level]) - 1 else x
        return graph.op("Sigmoid", cropped(depth_to_space(x, 2), u).cast(np.float32))

    return value


def _block(graph: Graph, block: nn.Module, width: int) -> list[Layer]:
    layers = []
    for layer in block.children():
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        weight = array(layer.weight)
        # A concatenation of cells is not the cells of a concatenation: parts by themselves.
        parts = [
            _cell_kernel(graph, weight[:, start : start + width])
            for start in range(0, weight.shape[1], width)
        ]
        layers.append((graph.concat(parts, axis=1), np.tile(array(layer.bias), 4)))
    return layers


def _cell_kernel(graph: Graph, weight: np.ndarray) -> Value:
    """:func:`pnp_priors.priors._diffusivity_unet.cell_kernel`."""
    out, width = weight.shape[:2]
    kernel = graph.constant(weight.reshape(out, width, 25), graph.network_dtype)
    flat = graph.pad(kernel, [0] * 3, [0, 0, 1])
    index = graph.constant(cell_index().reshape(-1).numpy(), np.int64)
    spread = flat.take(index, axis=2).reshape([out, width, 4, 4, 9])
    return spread.transpose(2, 0, 3, 1, 4).reshape([4 * out, 4 * width, 3, 3])


def _rise(graph: Graph, layer: nn.Module) -> Layer:
    """A transposed convolution by 2 as one of 1×1 on cells."""
    assert isinstance(layer, nn.ConvTranspose2d)
    assert layer.bias is not None
    weight = array(layer.weight.permute(2, 3, 1, 0).flatten(0, 2)[..., None, None])
    return graph.constant(weight, graph.network_dtype), np.tile(array(layer.bias), 4)


def _pooled(x: Value, width: int) -> Value:
    """The largest value of each cell."""
    a, b, c, d = (x.slice(1, start, start + width) for start in range(0, 4 * width, width))
    return x.graph.op("Max", a, b, c, d)
