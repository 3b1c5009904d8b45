"""DnCNN: the merge of both normalisations, what it predicts, homogeneity without constants."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import InputError, WeightsError
from pnp_priors.priors._batch_norm import ScaleNorm2d
from pnp_priors.priors.dncnn import DnCNN

NORMS = (nn.BatchNorm2d, ScaleNorm2d)


def random_net(**arguments: object) -> DnCNN:
    """A small blind network with random weights and statistics everywhere."""
    torch.manual_seed(0)
    settings = {"depth": 5, "width": 8, "blind": True, "sigma_range": (0.0, 0.2), **arguments}
    net = DnCNN(**settings)  # type: ignore[arg-type]
    for layer in net.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.15)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, NORMS):
            nn.init.uniform_(layer.running_var, 0.2, 3.0)  # type: ignore[arg-type]
            nn.init.uniform_(layer.weight, 0.3, 2.0)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.5)  # type: ignore[arg-type]
            nn.init.normal_(layer.bias, std=0.5)
    return net.eval()


def image(height: int = 9, width: int = 7, batch: int = 2, channels: int = 1) -> Tensor:
    return torch.rand(
        batch, channels, height, width, generator=torch.Generator().manual_seed(height)
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_merging_normalisation_changes_nothing(channels: int, bias: bool) -> None:
    net = random_net(channels=channels, bias=bias, batch_norm=True)
    x = image(channels=channels)
    expected = net(x)
    released = net.for_release()
    assert not any(isinstance(layer, NORMS) for layer in released.modules())
    assert not released.training
    torch.testing.assert_close(released(x), expected, rtol=1e-4, atol=1e-5)
    assert sum(isinstance(layer, NORMS) for layer in net.modules()) == 3, "net was changed"
    rebuilt = DnCNN(**released.arguments())
    rebuilt.load_state_dict(released.state_dict())
    torch.testing.assert_close(rebuilt.eval()(x), released(x), rtol=0, atol=0)


def test_the_network_is_the_paper_s_written_out() -> None:
    net, x = random_net(), image()
    convolutions = [layer for layer in net.body if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == net.depth
    z = x
    for index, layer in enumerate(convolutions):
        z = F.conv2d(z, layer.weight, layer.bias, padding=1)
        z = z if index == len(convolutions) - 1 else z.relu()
    torch.testing.assert_close(net(x), x - z)


@pytest.mark.parametrize(("depth", "count"), [(17, 555_137), (20, 665_921)])
def test_the_papers_networks_have_their_parameters(depth: int, count: int) -> None:
    # 1 -> 64, then 64 -> 64, then 64 -> 1; 3x3 kernels and a bias each
    expected = (9 + 1) * 64 + (depth - 2) * (64 * 9 + 1) * 64 + (64 * 9 + 1)
    assert sum(p.numel() for p in DnCNN(depth=depth).parameters()) == expected == count


@pytest.mark.parametrize("batch_norm", [False, True])
def test_without_constants_it_is_homogeneous(batch_norm: bool) -> None:
    net = random_net(bias=False, batch_norm=batch_norm).double()
    assert not any(name.endswith("bias") for name, _ in net.named_parameters())
    x = image().double() - 0.3
    for scale in (0.0, 1e-3, 0.4, 7.0, 1e4):
        torch.testing.assert_close(net(scale * x), scale * net(x), rtol=1e-10, atol=1e-12)
    biased = random_net(batch_norm=batch_norm).double()
    assert not torch.allclose(biased(7 * x), 7 * biased(x), rtol=1e-2)


def test_scale_normalisation_divides_by_the_batch_s_deviation() -> None:
    norm = ScaleNorm2d(3, momentum=0.25)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    x = image(channels=3) * torch.tensor([1.0, 3.0, 10.0])[:, None, None] + 2
    y = norm(x)
    deviation = x.transpose(0, 1).flatten(1).std(dim=1, unbiased=False)
    expected = x * (norm.weight / deviation)[:, None, None]
    torch.testing.assert_close(y, expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(norm.running_var, 0.75 + 0.25 * deviation**2, rtol=1e-4, atol=1e-5)
    norm.eval()
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(norm(x), x * gain[:, None, None])


def test_a_blind_network_ignores_sigma_and_one_level_rescales() -> None:
    net, x = random_net(), image()
    assert torch.equal(net(x, 0.01), net(x, None))
    single = random_net(blind=False, sigma_range=(0.1, 0.1))
    single.load_state_dict(net.state_dict())
    scaled = (single((x - 0.5) * 1.6 + 0.5, 0.1) - 0.5) / 1.6 + 0.5
    torch.testing.assert_close(single(x, 0.1 / 1.6), scaled)


def test_a_network_of_one_level_does_not_see_contrast_that_it_cannot_know() -> None:
    """However low sigma is, an image in [0, 1] is scaled by ``largest_gain`` at most."""
    single = random_net(blind=False, sigma_range=(0.1, 0.1))
    seen: list[torch.Tensor] = []
    single.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.tensor([0.0, 1.0]).expand(1, 1, 8, 2)
    for sigma in (0.1, 0.05, 0.01, 0.001):
        single(x, sigma)
    reach = [float((given - 0.5).abs().max()) / 0.5 for given in seen]
    assert reach == pytest.approx([1.0, 1.75, 1.75, 1.75])


def test_an_untrained_network_is_the_identity() -> None:
    x = image()
    for bias in (True, False):
        net = DnCNN(depth=4, width=8, bias=bias, batch_norm=True, blind=True).eval()
        assert torch.equal(net(x), x)


def test_receptive_field() -> None:
    net = random_net(depth=3)
    x = image(20, 20, batch=1).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 10, 10], x)
    rows = gradient[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (7, 13)
    assert net.receptive_field == 7


@pytest.mark.parametrize("depth", [5, 8])
@pytest.mark.parametrize("bias", [True, False])
def test_a_deeper_network_with_constants_starts_as_the_same_function(
    depth: int, bias: bool
) -> None:
    small, x = random_net(bias=bias), image()
    large = random_net(depth=depth)
    large.adopt(small)
    torch.testing.assert_close(large(x), small(x), rtol=1e-5, atol=1e-6)
    x.requires_grad_()
    large(x).sum().backward()  # the identities learn, too
    assert all(p.grad is not None and p.grad.any() for p in large.parameters())


def test_without_constants_it_drops_those_of_another() -> None:
    biased, x = random_net(), image()
    free = random_net(bias=False)
    free.adopt(biased)
    with torch.no_grad():
        for layer in biased.body:
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                layer.bias.zero_()
    torch.testing.assert_close(free(x), biased(x))


def test_a_colour_network_starts_from_the_mean_of_its_channels() -> None:
    gray, x = random_net(), image(channels=3)
    colour = random_net(channels=3)
    colour.adopt(gray)
    mean = x.mean(dim=1, keepdim=True)
    torch.testing.assert_close(colour(x), x - (mean - gray(mean)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("other", [{"depth": 6}, {"width": 4}, {"channels": 3}])
def test_what_cannot_be_a_start_is_refused(other: dict[str, int]) -> None:
    with pytest.raises(WeightsError, match="cannot start from"):
        random_net().adopt(random_net(**other))


def test_networks_with_normalisation_start_from_their_like() -> None:
    net = random_net(batch_norm=True)
    again = DnCNN(**net.arguments())
    again.adopt(net)
    assert torch.equal(again.eval()(image()), net(image()))
    with pytest.raises(WeightsError):
        again.adopt(random_net())


ALL_TASKS = {
    "tasks": ["gaussian", "jpeg", "super-resolution"],
    "quality_range": [5, 99],
    "scales": [2, 3, 4],
}


def test_a_network_for_three_tasks_says_so_and_needs_no_sigma() -> None:
    net = random_net(batch_norm=True, **ALL_TASKS)
    for network in (net, net.for_release(), DnCNN(**net.arguments())):
        assert network.tasks == ("gaussian", "jpeg", "super-resolution")
        assert network.quality_range == (5, 99)
        assert network.scales == (2, 3, 4)
    assert {key: net.arguments()[key] for key in ALL_TASKS} == ALL_TASKS
    x = image(channels=3)
    torch.testing.assert_close(net(x)[:, :1], net(x[:, :1], None))
    plain = random_net()
    assert (plain.tasks, plain.quality_range, plain.scales) == (("gaussian",), None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blind": False}, "need 'blind: true'"),
        ({"quality_range": None}, "'jpeg' needs 'quality_range'"),
        ({"scales": None}, "'super-resolution' needs 'scales'"),
        ({"tasks": ["gaussian", "jpeg"]}, "'super-resolution' is missing for 'scales'"),
        ({"tasks": ["gaussian", "inpainting"]}, "jpeg, super-resolution, camera, got"),
        ({"tasks": []}, "tasks are some of gaussian, jpeg"),
    ],
)
def test_tasks_that_do_not_belong_to_the_rest_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        DnCNN(**{"depth": 3, "width": 8, "blind": True, **ALL_TASKS, **changes})


@pytest.mark.parametrize("channels", [1, 3])
def test_the_layout_of_the_weights_does_not_show(channels: int) -> None:
    net, x = random_net(channels=channels), image(channels=channels)
    expected = net(x)
    restored = net.to(memory_format=torch.channels_last)(x)
    torch.testing.assert_close(restored, expected, rtol=0, atol=1e-6)
    assert restored.is_contiguous(), "as the image given"
