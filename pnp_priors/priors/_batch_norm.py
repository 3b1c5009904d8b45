"""Batch normalisation for training only: what is released has it merged into the convolutions."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ScaleNorm2d(nn.Module):
    r"""Batch normalisation without additive constants, for bias-free networks.

    .. math:: y = \gamma\, x / \sqrt{\operatorname{Var}(x) + \epsilon}

    Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and interpretable blind image denoising
    via bias-free convolutional neural networks, ICLR 2020: the deviation is divided out, the mean
    stays, nothing is added.

    :param width: channels.
    :param momentum: share of a new batch in the running variance.
    """

    eps = 1e-5

    def __init__(self, width: int, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(width))
        self.register_buffer("running_var", torch.ones(width))
        self.running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            variance = x.float().var(dim=(0, 2, 3), unbiased=False)
            with torch.no_grad():
                self.running_var.lerp_(variance, self.momentum)
        else:
            variance = self.running_var
        return x * self.gain(variance).to(x.dtype)[:, None, None]

    def gain(self, variance: Tensor) -> Tensor:
        """What each channel is multiplied with."""
        return self.weight * torch.rsqrt(variance + self.eps)


def merged(body: nn.Sequential) -> nn.Sequential:
    """The same map in eval mode without normalisations: each joins the convolution before it."""
    layers: list[nn.Module] = []
    for layer in copy.deepcopy(body).eval():
        before = layers[-1] if layers else None
        if isinstance(layer, nn.BatchNorm2d):
            assert isinstance(before, nn.Conv2d)
            layers[-1] = fuse_conv_bn_eval(before, layer)
        elif isinstance(layer, ScaleNorm2d):
            assert isinstance(before, nn.Conv2d)
            with torch.no_grad():
                before.weight *= layer.gain(layer.running_var)[:, None, None, None]
        else:
            layers.append(layer)
    return nn.Sequential(*layers)
