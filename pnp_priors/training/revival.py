"""New starts for channels that died: whose ReLU is zero whatever the network sees.

A dead channel has no gradient and never comes back by itself; large learning rates kill many. Since
it contributes nothing, it can be replaced without changing what the network does: its kernels are
drawn anew, and what the next convolution makes of it starts at zero. (In a moving average of the
weights a channel that died lately may still be alive; there the output does change a little, until
the average has caught up.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Chain = tuple[nn.Conv2d, nn.ReLU, nn.Conv2d | nn.ConvTranspose2d]


def chains(network: nn.Module) -> list[Chain]:
    """Every ReLU that stands directly between two convolutions.

    They are found in each ``nn.Sequential``; those between a block and the convolution after it are
    in an attribute ``followed`` of a network: pairs of an ``nn.Sequential`` and what alone gets its
    output.
    """
    found: list[Chain] = []
    for part in network.modules():
        layers = list(part) if isinstance(part, nn.Sequential) else []
        for before, middle, after in zip(layers, layers[1:], layers[2:], strict=False):
            if (
                isinstance(before, nn.Conv2d)
                and isinstance(middle, nn.ReLU)
                and isinstance(after, nn.Conv2d)
            ):
                found.append((before, middle, after))
        for block, after in getattr(part, "followed", ()):
            before, middle = block[-2:]
            found.append((before, middle, after))
    return found


@torch.no_grad()
def dead_channels(network: nn.Module, run: Callable[[], object]) -> list[Tensor]:
    """Which channels of each chain stay at zero.

    :param run: calls the network on typical input.
    :returns: a boolean ``[channels]`` for each of :func:`chains`.
    """
    highest: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, _: object, output: Tensor) -> None:
        top = output.amax(dim=(0, 2, 3))
        highest[layer] = torch.maximum(highest[layer], top) if layer in highest else top

    places = chains(network)
    hooks = [relu.register_forward_hook(watch) for _, relu, _ in places]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    # What did not run (an estimator, where sigma is given) is not known to be dead.
    return [
        highest[relu] <= 0
        if relu in highest
        else torch.zeros(before.out_channels, dtype=torch.bool, device=before.weight.device)
        for before, relu, _ in places
    ]


@torch.no_grad()
def revive(
    networks: Sequence[nn.Module], dead: Sequence[Tensor], generator: torch.Generator
) -> int:
    """Replace dead channels, in the same way in networks of the same architecture.

    :param dead: as :func:`dead_channels` gives it.
    :returns: how many there were.
    """
    alike = zip(*(chains(network) for network in networks), strict=True)
    for places, lost in zip(alike, dead, strict=True):
        weight = places[0][0].weight
        if not lost.any():
            continue
        shape = weight[lost].shape
        new = torch.randn(shape, generator=generator, device=weight.device, dtype=weight.dtype)
        # Of a layer that is dead as a whole, no scale is left: as Kaiming starts it.
        new *= (2 / weight[0].numel()) ** 0.5 if lost.all() else weight[~lost].std()
        for before, _, after in places:
            before.weight[lost] = new
            if before.bias is not None:
                before.bias[lost] = 0
            transposed = isinstance(after, nn.ConvTranspose2d)
            (after.weight if transposed else after.weight.transpose(0, 1))[lost] = 0
    return int(sum(lost.sum() for lost in dead))
