"""Dead channels: found, replaced without changing the function, and learning again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.training.revival import chains, dead_channels, revive

DEAD = [(0, 3), (2, 1), (2, 5)]  # convolution, channel


def network() -> DnCNN:
    """Three hidden layers with three dead channels: their constants are far below zero."""
    torch.manual_seed(0)
    net = DnCNN(depth=4, width=8, blind=True, sigma_range=(0, 0.2))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    with torch.no_grad():
        for layer, channel in DEAD:
            convolution(net, layer).bias[channel] = -100.0  # type: ignore[index]
    return net


def convolution(net: DnCNN, index: int) -> nn.Conv2d:
    layer = net.body[2 * index]
    assert isinstance(layer, nn.Conv2d)
    return layer


def batch() -> Tensor:
    return torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def found(net: DnCNN) -> list[Tensor]:
    return dead_channels(net, lambda: net(batch()))


def test_it_finds_those_that_never_fire() -> None:
    net = network()
    assert len(chains(net)) == 3
    expected = torch.zeros(3, 8, dtype=torch.bool)
    for layer, channel in DEAD:
        expected[layer, channel] = True
    dead = torch.stack(found(net))
    z = batch()
    for index in range(3):  # by hand
        z = convolution(net, index)(z).relu()
        assert torch.equal(dead[index], z.amax(dim=(0, 2, 3)) <= 0)
    assert (dead & expected).sum() == 3
    assert not any(layer._forward_hooks for layer in net.modules())


def test_a_channel_that_fires_once_is_alive() -> None:
    net = network()
    images = [torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)]
    alone = [torch.stack(dead_channels(net, lambda x=x: net(x))) for x in images]

    def both() -> None:
        for x in images:
            net(x)

    assert torch.equal(torch.stack(dead_channels(net, both)), alone[0] & alone[1])


def test_a_new_start_keeps_the_function_and_learns() -> None:
    net = network()
    twin = DnCNN(**net.arguments())
    twin.load_state_dict(net.state_dict())
    expected = net(batch())
    dead = found(net)
    assert revive([net, twin], dead, torch.Generator().manual_seed(1)) == sum(
        int(lost.sum()) for lost in dead
    )
    torch.testing.assert_close(net(batch()), expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other), "both networks alike"
    again = found(net)
    assert not any(again[layer][channel] for layer, channel in DEAD)
    net(batch()).square().sum().backward()
    for layer, channel in DEAD:
        gradient = convolution(net, layer + 1).weight.grad
        assert gradient is not None
        assert gradient[:, channel].any()


def test_a_layer_that_is_dead_as_a_whole_stays() -> None:
    net = network()
    nn.init.constant_(convolution(net, 1).bias, -100.0)  # type: ignore[arg-type]
    before = [p.clone() for p in net.parameters()]
    dead = found(net)
    assert dead[1].all()
    revive([net], [torch.zeros(8, dtype=torch.bool), dead[1], dead[2] & False], torch.Generator())
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("bias", [True, False])
def test_networks_without_chains_have_nothing_to_revive(bias: bool) -> None:
    net = DnCNN(depth=4, width=8, bias=bias, batch_norm=True, blind=True, sigma_range=(0, 0.2))
    assert len(chains(net)) == 1, "only the first ReLU follows a convolution"
