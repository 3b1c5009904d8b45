"""FFDNet: the merge of batch normalisation, sigma maps, odd sizes, what it predicts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.priors.ffdnet import FFDNet


def random_net(**arguments: object) -> FFDNet:
    """A small network with random weights everywhere, also where training starts from zero."""
    torch.manual_seed(0)
    net = FFDNet(**{"depth": 4, "width": 8, **arguments})  # type: ignore[arg-type]
    for layer in net.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.15)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.5)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.2, 3.0)  # type: ignore[arg-type]
            nn.init.uniform_(layer.weight, 0.3, 2.0)
            nn.init.normal_(layer.bias, std=0.5)
    return net.eval()


def image(height: int = 9, width: int = 7, batch: int = 2, channels: int = 1) -> Tensor:
    return torch.rand(
        batch, channels, height, width, generator=torch.Generator().manual_seed(height)
    )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_merging_batch_norm_changes_nothing(channels: int, residual: bool) -> None:
    net = random_net(channels=channels, residual=residual, batch_norm=True)
    x = image(channels=channels)
    expected = net(x, 0.1)
    released = net.for_release()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in released.modules())
    assert not released.training
    torch.testing.assert_close(released(x, 0.1), expected, rtol=1e-4, atol=1e-5)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()), "net was changed"
    # What is released is what its constructor arguments build.
    rebuilt = FFDNet(**released.arguments())
    rebuilt.load_state_dict(released.state_dict())
    torch.testing.assert_close(rebuilt.eval()(x, 0.1), released(x, 0.1), rtol=0, atol=0)


def test_a_network_without_batch_norm_is_released_as_a_copy() -> None:
    net = random_net()
    released = net.for_release()
    assert released is not net
    assert torch.equal(released(image(), 0.1), net(image(), 0.1))


def test_the_gray_default_has_the_papers_parameters() -> None:
    # 5 -> 64, thirteen times 64 -> 64, 64 -> 4; 3x3 kernels and a bias each
    expected = (5 * 9 + 1) * 64 + 13 * (64 * 9 + 1) * 64 + (64 * 9 + 1) * 4
    assert sum(p.numel() for p in FFDNet().parameters()) == expected == 485_316


def test_the_network_is_the_paper_s_written_out() -> None:
    """Sub-images of every second pixel, the level as one more channel, convolutions, back."""
    net = random_net()
    x, sigma = image(6, 8, batch=1), 0.1
    parts = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    z = torch.cat([*parts, torch.full_like(parts[0], sigma)], dim=1)
    convolutions = [layer for layer in net.body if isinstance(layer, nn.Conv2d)]
    for index, layer in enumerate(convolutions):
        z = F.conv2d(z, layer.weight, layer.bias, padding=1)
        z = z if index == len(convolutions) - 1 else z.relu()
    expected = torch.empty_like(x)
    for k, (row, column) in enumerate((r, c) for r in (0, 1) for c in (0, 1)):
        expected[..., row::2, column::2] = z[:, k : k + 1]
    torch.testing.assert_close(net(x, sigma), expected)


def test_residual_networks_predict_the_noise() -> None:
    direct, residual = random_net(), random_net(residual=True)
    residual.load_state_dict(direct.state_dict())
    x = image()
    torch.testing.assert_close(residual(x, 0.1), x - direct(x, 0.1))


def test_an_untrained_residual_network_is_the_identity() -> None:
    x = image()
    assert torch.equal(FFDNet(depth=4, width=8, residual=True).eval()(x, 0.1), x)


@pytest.mark.parametrize("size", [(9, 7), (8, 7), (9, 8), (1, 1), (1, 6), (5, 1)])
def test_odd_sizes_repeat_the_last_row_and_column(size: tuple[int, int]) -> None:
    net, x = random_net(), image(*size)
    height, width = size
    rows = [*range(height), *[height - 1] * (height % 2)]
    columns = [*range(width), *[width - 1] * (width % 2)]
    even = net(x[..., rows, :][..., columns], 0.1)
    torch.testing.assert_close(net(x, 0.1), even[..., :height, :width])


@pytest.mark.parametrize("size", [(8, 6), (9, 7)])
def test_a_map_steers_each_place(size: tuple[int, int]) -> None:
    """Where the map is constant around a place, that place is as with the constant alone."""
    net = random_net(depth=2)
    height, width = 4 * size[0], 4 * size[1]
    x = image(height, width)
    level = torch.full((2, 1, height, width), 0.05)
    level[..., width // 2 :] = 0.2
    mixed, low, high = net(x, level), net(x, 0.05), net(x, 0.2)
    away = net.halo + 2
    torch.testing.assert_close(mixed[..., : width // 2 - away], low[..., : width // 2 - away])
    torch.testing.assert_close(mixed[..., width // 2 + away :], high[..., width // 2 + away :])
    assert (low - high).abs().mean() > 1e-3, "sigma has no effect"


def test_a_map_is_averaged_over_the_four_pixels_of_a_cell() -> None:
    net, x = random_net(), image(4, 6, batch=1)
    generator = torch.Generator().manual_seed(0)
    level = 0.05 + 0.1 * torch.rand(1, 1, 4, 6, generator=generator)
    cells = F.interpolate(F.avg_pool2d(level, 2), scale_factor=2, mode="nearest")
    torch.testing.assert_close(net(x, level), net(x, cells))


def test_receptive_field_counts_cells() -> None:
    net = random_net(depth=3)
    x = image(40, 40, batch=1).requires_grad_()
    for row in (20, 21):
        (gradient,) = torch.autograd.grad(net(x, 0.1)[0, 0, row, 20], x)
        rows = gradient[0, 0].abs().sum(dim=1).nonzero().flatten()
        first = 20 - 2 * net.depth
        assert (rows.min(), rows.max()) == (first, first + net.receptive_field - 1)
        assert row - rows.min() <= net.receptive_field // 2
