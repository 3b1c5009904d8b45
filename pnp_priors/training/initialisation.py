"""An initialisation whose kernels are lighter at the centre: a wider view from the start.

Luo, Li, Urtasun, Zemel: Understanding the effective receptive field in deep convolutional neural
networks, NeurIPS 2016, section 4: draw the weights by any method, then scale them, less at the
centre of a kernel and more outside. The paper leaves the profile open; this one is linear in the
distance from the centre.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pnp_priors.errors import ConfigError


def profile(height: int, width: int, share: float) -> Tensor:
    """Factors for the weights of a kernel, ``[height, width]``, float64.

    They rise linearly with the distance from the kernel's middle, from ``share`` of the corners'
    factor. Their mean square is 1: with independent weights of zero mean and one variance, what the
    convolution makes of an input with the same mean square everywhere has the variance it had.

    :param share: factor of the centre over that of the corners, in [0, 1].
    """
    y = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    distance = torch.hypot(y[:, None], x)
    factors = share + (1 - share) * distance / distance.max().clamp(min=1)
    return factors / factors.square().mean().sqrt()


@torch.no_grad()
def lighten_centres(network: nn.Module, share: float) -> int:
    """Scale the kernels of all convolutions that have a centre and something around it.

    Whatever the weights were drawn by, orthogonal or normal, it comes after; layers that start at
    zero, as the last one of a residual network, stay at zero.

    :param share: as in :func:`profile`; 1 leaves everything as it is.
    :returns: how many convolutions there were.
    :raises ConfigError: there are none.
    """
    count = 0
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 2:
            height, width = layer.weight.shape[-2:]
            layer.weight *= profile(height, width, share).to(layer.weight)
            count += 1
    if not count:
        raise ConfigError(
            f"lighter_centre: {type(network).__name__} has no convolutions with kernels from 3×3 up"
        )
    return count
