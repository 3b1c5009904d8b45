"""CBDNet: its sizes, its estimate and given maps, its receptive field, its training pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pnp_priors.errors import InputError, RangeWarning
from pnp_priors.priors.cbdnet import CBDNet
from pnp_priors.training.losses import asymmetric_error, total_variation

LOW, HIGH = 2 / 255, 64 / 255


def random_net(width: int = 4, seed: int = 0) -> CBDNet:
    """A small network with random weights everywhere, in float64."""
    torch.manual_seed(seed)
    net = CBDNet(width=width, estimator_width=4)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # Mostly positive, so that no rectifier cuts an output off from its inputs.
            nn.init.normal_(layer.weight, mean=0.01, std=0.2)
            nn.init.constant_(layer.bias, 0.02)  # type: ignore[arg-type]
    return net.double().eval().requires_grad_(False)


def image(height: int = 12, width: int = 16, batch: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator, dtype=torch.float64)


def test_the_paper_s_sizes() -> None:
    net = CBDNet()
    assert sum(p.numel() for p in net.parameters()) == 4_365_382
    three = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    estimator = [m for m in net.estimator if isinstance(m, nn.Conv2d)]
    assert len(estimator) == 5
    assert {m.out_channels for m in estimator[:-1]} == {32}
    assert len(three) - len(estimator) == 16
    assert sorted({m.out_channels for m in three[5:]}) == [64, 128, 256]


def test_untrained_it_is_the_identity_and_says_a_middling_level() -> None:
    net, x = CBDNet(width=4, estimator_width=4), image().float()
    torch.testing.assert_close(net(x), x, rtol=0, atol=1e-6)
    torch.testing.assert_close(net.estimate(x), torch.full_like(x, 0.05))


def test_without_sigma_it_uses_its_estimate() -> None:
    net, x = random_net(), image()
    levels = net.estimate(x)
    assert levels.shape == x.shape
    assert levels.std() > 0.01
    assert levels.min() >= 0
    assert levels.max() <= HIGH
    assert torch.equal(net(x), net(x, levels))
    assert torch.equal(net(x, None), net(x))
    assert not torch.allclose(net(x), net(x, 1.5 * levels.clamp(max=HIGH / 1.5)), atol=1e-3)


def test_estimates_stay_in_the_trained_range() -> None:
    net = random_net()
    with pytest.warns(RangeWarning):
        assert net.estimate(100 * image()).max() == HIGH
    assert torch.isfinite(net(100 * image())).all()
    assert net.estimate(image().float()).dtype == torch.float32


@pytest.mark.parametrize(
    "form",
    [
        lambda s, x: s,
        lambda s, x: np.float32(s),
        lambda s, x: torch.tensor([s, s]),
        lambda s, x: torch.full((2, 1, *x.shape[2:]), s),
        lambda s, x: torch.full((1, 3, *x.shape[2:]), s),
        lambda s, x: torch.full((2, 3, *x.shape[2:]), s),
        lambda s, x: torch.full((2, 3, 1, 1), s),
    ],
    ids=["float", "numpy", "[B]", "[B,1,H,W]", "[1,3,H,W]", "[B,3,H,W]", "[B,3,1,1]"],
)
@pytest.mark.parametrize("sigma", [0.001, 0.1, 0.4])
def test_forms_of_a_given_level(form, sigma: float) -> None:  # type: ignore[no-untyped-def]
    net, x = random_net(), image()
    torch.testing.assert_close(net(x, form(sigma, x)), net(x, sigma), rtol=0, atol=1e-6)


def test_a_map_has_a_level_for_each_colour() -> None:
    net, x = random_net(), image()
    levels = torch.full_like(x, 0.1)
    levels[:, 2] = 0.0
    found = net(x, levels)
    assert torch.equal(found[:, 2], x[:, 2])
    assert not torch.allclose(found[:, :2], net(x, 0.1)[:, :2])
    assert torch.equal(net(x, 0.0), x)


def test_impossible_maps_name_those_that_are_possible() -> None:
    x = image()
    for planes in (2, 4):
        with pytest.raises(InputError, match=r"map \[2, 1, 12, 16\] or \[2, 3, 12, 16\]"):
            random_net()(x, torch.full((2, planes, 12, 16), 0.1))
    with pytest.raises(InputError, match=r"0\.\.255 units"):
        random_net()(x, 25)
    with pytest.raises(InputError, match="for 3 channels, the image has 1"):
        random_net().estimate(x[:, :1])


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 3), (7, 9), (8, 8)])
def test_any_size(size: tuple[int, int]) -> None:
    net, x = random_net(), image(*size)
    out = net(x)
    assert out.shape == net.estimate(x).shape == x.shape
    singles = torch.cat([net(x[:1]), net(x[1:])])
    torch.testing.assert_close(out, singles, rtol=0, atol=1e-12)


def test_the_receptive_field_is_exact() -> None:
    """Of all places within a cell of 4x4 pixels, by gradients: reached, and never exceeded."""
    net = random_net(width=2)
    reach = net.receptive_field // 2
    assert (net.receptive_field, net.halo) == (97, 48)
    # A strip: one short side is cheap, and rows and columns are alike.
    middle = 4 * (reach // 4 + 2)
    x = image(3, 2 * middle + 8, batch=1).requires_grad_()
    farthest = []
    for place in range(4):
        column = middle + place
        (gradient,) = torch.autograd.grad(net(x)[..., 1, column].sum(), x)
        seen = gradient.abs().amax(dim=(0, 1, 2)).nonzero()[:, 0]
        farthest.append((column - int(seen.min()), int(seen.max()) - column))
    assert max(max(sides) for sides in farthest) == reach
    # Told the levels, it looks at less: those of the estimator are missing.
    (gradient,) = torch.autograd.grad(net(x, 0.1)[..., 1, middle].sum(), x)
    assert int(gradient.abs().amax(dim=(0, 1, 2)).nonzero().max()) == middle + reach - 5


def test_tiles_with_the_halo_equal_the_whole() -> None:
    net, tile = random_net(width=2), 16
    x = image(5, 3 * tile + 2 * net.halo + 3, batch=1)
    whole, halo = net(x), net.halo
    for left in range(0, x.shape[-1], tile):
        before = max(0, left - halo)
        part = net(x[..., before : left + tile + halo])[..., left - before :][..., :tile]
        expected = whole[..., left : left + tile]
        torch.testing.assert_close(part, expected, rtol=0, atol=1e-12)
    cut = net(x[..., : tile + halo // 2])[..., :tile]
    assert not torch.allclose(cut, whole[..., :tile], rtol=0, atol=1e-12)


def test_gradients_in_image_and_level() -> None:
    net, x = random_net(width=2), image(3, 4, batch=1).requires_grad_()
    assert torch.autograd.gradcheck(net, x, eps=1e-8, atol=2e-5, rtol=1e-2)
    levels = (0.05 + 0.1 * image(3, 4, batch=1, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(net, (x, levels), eps=1e-8, atol=2e-5, rtol=1e-2)


def test_compiles_in_one_graph_without_sigma() -> None:
    net, x = random_net(), image(8, 9)
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x), rtol=0, atol=1e-9)
    torch._dynamo.reset()


# --- training ------------------------------------------------------------------------------------


def test_every_other_image_is_told_the_truth() -> None:
    net, x = random_net(), image(8, 8, batch=4)
    truth = 0.02 + 0.1 * image(8, 8, batch=4, seed=1)
    restored, _ = net.training_pass(x, truth)
    expected = torch.where(torch.tensor([0, 1, 0, 1]).bool()[:, None, None, None], truth, 0)
    levels = net.estimate(x)
    levels[1::2] = expected[1::2]
    torch.testing.assert_close(restored, net(x, levels), rtol=0, atol=1e-12)
    assert not torch.allclose(restored[1::2], net(x)[1::2])


def test_the_penalty_is_that_of_the_estimate() -> None:
    net, x = random_net(), image(8, 8)
    truth = 0.02 + 0.1 * image(8, 8, seed=1)
    _, penalty = net.training_pass(x, truth)
    levels = net.estimator(x)
    expected = 0.5 * asymmetric_error(levels, truth) + 0.05 * total_variation(levels)
    torch.testing.assert_close(penalty, expected)
    # A level for each image does, and what lies beyond the range is its end.
    numbers = torch.tensor([0.1, 0.9], dtype=torch.float64)
    _, penalty = net.training_pass(x, numbers)
    ends = torch.tensor([0.1, HIGH], dtype=torch.float64)[:, None, None, None].expand_as(x)
    expected = 0.5 * asymmetric_error(levels, ends) + 0.05 * total_variation(levels)
    torch.testing.assert_close(penalty, expected)


def test_an_estimate_above_the_range_is_pulled_back() -> None:
    """Clamping it would stop its gradient."""
    net = random_net().requires_grad_()
    last = net.estimator[-2]
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        nn.init.constant_(last.bias, 1.0)  # type: ignore[arg-type]
    _, penalty = net.training_pass(image(), 0.1 + 0 * image())
    penalty.sum().backward()
    assert last.bias is not None
    assert last.bias.grad is not None
    assert (last.bias.grad > 0).all()


def test_training_reaches_every_parameter() -> None:
    net = random_net().requires_grad_()
    restored, penalty = net.training_pass(image(), 0.1 * image(seed=1))
    (restored.square().sum() + penalty.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_training_in_bfloat16_gives_float32() -> None:
    torch.manual_seed(0)
    net = CBDNet(width=16, estimator_width=16).to(memory_format=torch.channels_last)
    nn.init.normal_(net.correction.weight, std=0.1)
    x, truth = image(16, 16).float(), 0.1 * image(16, 16, seed=1).float()
    exact, exact_penalty = net.training_pass(x, truth)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        restored, penalty = net.training_pass(x, truth)
    assert restored.dtype == penalty.dtype == torch.float32
    torch.testing.assert_close(restored, exact, rtol=0, atol=0.05)
    torch.testing.assert_close(penalty, exact_penalty, rtol=0.02, atol=0)
    (restored.square().sum() + penalty.sum()).backward()
    gradients = [p.grad for p in net.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
