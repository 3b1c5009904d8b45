"""Chains of 3×3 convolutions and ReLUs, faster in training on the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _ConvReLU(torch.autograd.Function):
    """Convolution with zero padding and ReLU in one pass of oneDNN over the memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [1, 1], [1, 1], [1, 1], 1, "relu", [], ""
        )
        ctx.save_for_backward(x, weight, y)
        ctx.biased = bias is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        through = torch.ops.aten.threshold_backward(gradient, y, 0)
        wanted = [ctx.needs_input_grad[0], True, ctx.biased]
        return torch.ops.aten.convolution_backward(
            through, x, weight, [len(weight)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted
        )


class _ConvAndEstimate(torch.autograd.Function):
    """Convolution with zero padding and ReLU, and its last channel as it was before the ReLU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [1, 1], [1, 1], [1, 1], 1, "none", [], ""
        )
        estimate = y[:, -1:].clone()
        y.relu_()
        ctx.save_for_backward(x, weight, y)
        return y, estimate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, of_estimate: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        through = torch.ops.aten.threshold_backward(gradient, y, 0)
        through[:, -1:] += of_estimate
        wanted = [ctx.needs_input_grad[0], True, True]
        return torch.ops.aten.convolution_backward(
            through, x, weight, [len(weight)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted
        )


def _fuses(x: Tensor) -> bool:
    """Whether this is bfloat16 training on a CPU whose oneDNN has the fused operator."""
    return (
        torch.is_grad_enabled()
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def chain(body: nn.Sequential, x: Tensor) -> Tensor:
    """``body(x)``; in bfloat16 training on the CPU, a convolution and its ReLU are one operation.

    :param body: 3×3 convolutions with a padding of 1, ReLUs, normalisations.
    :param x: ``[B, C, H, W]``.
    """
    if not _fuses(x):
        return body(x)
    layers = list(body)
    x = x.bfloat16()
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, nn.Conv2d) and layers and isinstance(layers[0], nn.ReLU):
            layers.pop(0)
            bias = None if layer.bias is None else layer.bias.bfloat16()
            x = _ConvReLU.apply(x, layer.weight.bfloat16(), bias)
        else:
            x = layer(x)
    return x


def convolve_and_estimate(
    x: Tensor, weight: Tensor, bias: Tensor, rectified: bool
) -> tuple[Tensor, Tensor]:
    """A 3×3 convolution with zero padding: its channels, and the last one as it is.

    Faster than its parts in bfloat16 training on the CPU.

    :param x: ``[B, C, H, W]``.
    :param rectified: whether the channels go through a ReLU, all of them.
    :returns: ``[B, len(weight), H, W]``, ``[B, 1, H, W]``.
    """
    if rectified and _fuses(x):
        return _ConvAndEstimate.apply(x.bfloat16(), weight.bfloat16(), bias.bfloat16())
    y = F.conv2d(x, weight, bias, padding=1)
    return (y.relu() if rectified else y), y[:, -1:]
