"""Pieces of networks and of image arithmetic as nodes, for the graphs of priors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from pnp_priors.export.graphs.restorations.builder import Value


def array(tensor: Tensor) -> np.ndarray:
    """A weight as it is stored in a file."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def convolve(
    x: Value,
    kernel: np.ndarray | Value,
    bias: np.ndarray | Value | None = None,
    stride: int = 1,
    pads: Sequence[int] = (0, 0, 0, 0),
    groups: int = 1,
) -> Value:
    """Correlate ``[N, C, H, W]`` with ``[O, C/groups, s, s]``, with zeros outside.

    :param pads: top, left, bottom, right.
    """
    extra = [] if bias is None else [bias]
    return x.graph.op(
        "Conv", x, kernel, *extra, strides=[stride, stride], pads=list(pads), group=groups
    )


def convolve_transposed(
    x: Value,
    kernel: np.ndarray | Value,
    bias: np.ndarray | Value | None = None,
    stride: int = 1,
    pads: Sequence[int] = (0, 0, 0, 0),
) -> Value:
    """The transposed convolution with ``[C, O, s, s]``; ``pads`` are cut off."""
    extra = [] if bias is None else [bias]
    return x.graph.op("ConvTranspose", x, kernel, *extra, strides=[stride, stride], pads=list(pads))


def layer(x: Value, module: nn.Module) -> Value:
    """A layer of torch's that networks here are made of."""
    if isinstance(module, nn.ReLU):
        return x.graph.op("Relu", x)
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d), type(module)
    kernel = array(module.weight)
    bias = None if module.bias is None else array(module.bias)
    assert not isinstance(module.padding, str)
    down, right = module.padding
    pads = (down, right, down, right)
    if isinstance(module, nn.ConvTranspose2d):
        return convolve_transposed(x, kernel, bias, module.stride[0], pads)
    return convolve(x, kernel, bias, module.stride[0], pads, module.groups)


def chain(x: Value, modules: nn.Module) -> Value:
    """Layers one after the other; in float16, where a graph has its networks in it."""
    x = halved(x)
    for module in modules.children():
        x = layer(x, module)
    return x.cast(np.float32)


def halved(x: Value) -> Value:
    """What a network takes: float16 in graphs that have their networks in it."""
    return x.cast(x.graph.network_dtype)


def grown(x: Value, multiple: int) -> Value:
    """Repeat the last row and column until height and width are multiples of a number."""
    # Whole numbers must stay positive: ONNX rounds quotients towards zero.
    missing = [
        (x.size(axis) + (multiple - 1)) / multiple * multiple - x.size(axis) for axis in (2, 3)
    ]
    return x.graph.op("Pad", x, x.graph.sizes([0, 0, 0, 0, 0, 0, *missing]), mode="edge")


def cropped(x: Value, like: Value) -> Value:
    """The upper left part, of the height and width of another image."""
    return x.slice(2, 0, like.size(2)).slice(3, 0, like.size(3))


def mirrored(x: Value, pad: int) -> Value:
    """Mirror images at their edges, the edge repeated, for any size from 1×1 and any ``pad``."""
    behind = np.arange(pad)
    for axis in (2, 3):
        length = x.size(axis)
        period = length * 2

        def inside(position: Value, period: Value = period) -> Value:
            place = position % period
            return place.clip(high=period - 1 - place)

        # Few rows and columns are gathered, the image itself is copied: half of the time.
        before = x.take(inside(x.graph.constant(behind[::-1], np.int64)), axis)
        after = x.take(inside(length + x.graph.constant(behind, np.int64)), axis)
        x = x.graph.concat([before, x, after], axis)
    return x


def average_pool(x: Value, size: int) -> Value:
    """Means of cells."""
    return x.graph.op("AveragePool", x, kernel_shape=[size, size], strides=[size, size])


def space_to_depth(x: Value, size: int) -> Value:
    """``[N, C, H, W]`` as cells ``[N, size² C, H/size, W/size]``, ordered by place first."""
    return x.graph.op("SpaceToDepth", x, blocksize=size)


def depth_to_space(x: Value, size: int, mode: str = "DCR") -> Value:
    """The inverse; ``CRD``: of cells ordered by channel first, as torch's pixel shuffle."""
    return x.graph.op("DepthToSpace", x, blocksize=size, mode=mode)
