"""Dead channels: found, replaced without changing the function, and learning again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pnp_priors.priors.cbdnet import CBDNet
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


def test_a_layer_that_is_dead_as_a_whole_starts_anew() -> None:
    net = network()
    dying = convolution(net, 1)
    nn.init.constant_(dying.bias, -100.0)  # type: ignore[arg-type]
    expected = net(batch())
    dead = found(net)
    assert dead[1].all()
    revive([net], [torch.zeros(8, dtype=torch.bool), dead[1], dead[2] & False], torch.Generator())
    torch.testing.assert_close(net(batch()), expected, rtol=1e-5, atol=1e-6)
    assert not found(net)[1].all()
    assert dying.weight.std().item() == pytest.approx((2 / 72) ** 0.5, rel=0.15)  # Kaiming
    net(batch()).square().sum().backward()
    gradient = convolution(net, 2).weight.grad
    assert gradient is not None
    assert gradient.any()


def test_the_end_of_a_block_that_another_convolution_follows() -> None:
    """CBDNet's lowest block, followed by a transposed convolution, all dead."""
    torch.manual_seed(0)
    net = CBDNet(width=4, estimator_width=4)
    nn.init.normal_(net.correction.weight, std=0.1)
    last = net.bottom[-2]
    assert isinstance(last, nn.Conv2d)
    nn.init.constant_(last.bias, -100.0)  # type: ignore[arg-type]
    x = torch.rand(2, 3, 16, 16)
    expected = net(x, 0.1)
    dead = dead_channels(net, lambda: net(x, 0.1))
    places = chains(net)
    (where,) = [i for i, place in enumerate(places) if place[2] is net.rise_to_half]
    assert places[where][0] is last
    assert dead[where].all()
    estimator = [i for i, (before, _, _) in enumerate(places) if before in list(net.estimator)]
    assert len(estimator) == 4
    assert not any(dead[i].any() for i in estimator), "it did not run"
    revive([net], dead, torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(x, 0.1), expected, rtol=1e-4, atol=1e-5)
    assert not dead_channels(net, lambda: net(x, 0.1))[where].all()
    net(x, 0.1).square().sum().backward()
    assert net.rise_to_half.weight.grad is not None
    assert net.rise_to_half.weight.grad.any()


@pytest.mark.parametrize("bias", [True, False])
def test_networks_without_chains_have_nothing_to_revive(bias: bool) -> None:
    net = DnCNN(depth=4, width=8, bias=bias, batch_norm=True, blind=True, sigma_range=(0, 0.2))
    assert len(chains(net)) == 1, "only the first ReLU follows a convolution"
