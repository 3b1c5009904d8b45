"""Kernels with lighter centres: the factors, the variance, the wider field of random networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pnp_priors.errors import ConfigError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.registry import build
from pnp_priors.training.initialisation import lighten_centres, profile
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe

Make = Callable[..., Recipe]


def test_the_factors_of_a_3x3_kernel() -> None:
    factors = profile(3, 3, 0.4)
    corner, edge, centre = factors[0, 0], factors[0, 1], factors[1, 1]
    assert (centre / corner).item() == pytest.approx(0.4)
    assert (edge / corner).item() == pytest.approx(0.4 + 0.6 / math.sqrt(2))
    assert torch.equal(factors, factors.T)
    assert torch.equal(factors, factors.flip(0))


@pytest.mark.parametrize("size", [(3, 3), (5, 5), (3, 1), (4, 4)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_power_stays(size: tuple[int, int], share: float) -> None:
    factors = profile(*size, share)
    assert factors.square().mean().item() == pytest.approx(1)
    assert (factors - 1).abs().max() < 1e-12 or share < 1


def test_every_kernel_with_a_centre_is_scaled_and_nothing_else() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 5),
        nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.BatchNorm2d(3)),
        nn.Conv2d(3, 3, 1),
        nn.Conv2d(3, 3, 2),
        nn.ConvTranspose2d(3, 3, 3),
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert lighten_centres(network, 0.5) == 2
    after = network.state_dict()
    for name, value in before.items():
        factors = {"0.weight": profile(5, 5, 0.5), "1.0.weight": profile(3, 3, 0.5)}.get(name)
        expected = value if factors is None else value * factors.to(value)
        torch.testing.assert_close(after[name], expected)


def test_the_output_keeps_its_variance() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 2000, 3, bias=False)
    nn.init.normal_(layer.weight)
    # Smooth input: neighbours are alike, only their mean square matters.
    x = torch.randn(40, 8, 1, 1) + 0.3 * torch.randn(40, 8, 3, 3)
    before = layer(x).var().item()
    lighten_centres(layer, 0.2)
    assert layer(x).var().item() == pytest.approx(before, rel=0.03)


def test_a_random_deep_network_looks_further() -> None:
    """Expected squared gradients are the repeated convolution of the squared factors.

    So their variance per axis, in pixels, is the depth times that of one kernel: 2/3 for a plain
    3×3 kernel (Luo et al., section 2).
    """
    depth, width, draws = 6, 24, 20
    offset = torch.arange(-depth - 1, depth + 2, dtype=torch.float64)

    def measured(share: float) -> float:
        torch.manual_seed(0)
        power = torch.zeros(len(offset), len(offset), dtype=torch.float64)
        for _ in range(draws):
            layers = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth)]
            network = nn.Sequential(*layers)
            for layer in layers:
                nn.init.normal_(layer.weight, std=1 / math.sqrt(9 * width))
            lighten_centres(network, share)
            x = torch.zeros(1, width, len(offset), len(offset), requires_grad=True)
            (gradient,) = torch.autograd.grad(network(x)[0, 0, depth + 1, depth + 1], x)
            power += gradient[0].double().square().sum(dim=0)
        squares = (offset[:, None] ** 2 + offset**2) / 2
        return float((power * squares).sum() / power.sum())

    def closed(share: float) -> float:
        columns = profile(3, 3, share).square().sum(dim=0) / 9
        return depth * float(columns[0] + columns[2])

    assert closed(1) == pytest.approx(depth * 2 / 3)
    assert closed(0) == pytest.approx(depth * 5 / 6)
    plain, light = measured(1), measured(0)
    assert plain == pytest.approx(closed(1), rel=0.05)
    assert light == pytest.approx(closed(0), rel=0.05)
    assert light > 1.15 * plain


def kernels(network: nn.Module) -> list[torch.Tensor]:
    return [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def test_a_residual_network_still_starts_as_the_identity() -> None:
    network = DnCNN(depth=4, width=4)
    lighten_centres(network, 0.1)
    x = torch.rand(1, 1, 9, 9)
    assert torch.equal(network.eval()(x, 25 / 255), x)


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(ConfigError, match="lighter_centre: ReactionDiffusion has no convolutions"):
        lighten_centres(build("reaction-diffusion", {"stages": 1, "filter_size": 3}), 0.5)


# --- in recipes ----------------------------------------------------------------------------------


def trainer(checked: Recipe, data: Path, folder: Path, **options: Any) -> Trainer:
    return Trainer(checked, data, folder, accelerator="cpu", devices=1, **options)


def test_training_starts_from_it_once(recipe: Make, data: Path, tmp_path: Path) -> None:
    plain = trainer(recipe("ffdnet"), data, tmp_path / "plain")
    light = trainer(recipe("ffdnet", lighter_centre=0.25), data, tmp_path / "light")
    assert len(kernels(light.network)) == 3
    for network in (light.network, light.averaged):
        for mine, usual in zip(kernels(network), kernels(plain.network), strict=True):
            torch.testing.assert_close(mine, usual * profile(3, 3, 0.25).to(usual))
    light.train()
    trained = [weight.clone() for weight in kernels(light.network)]
    again = trainer(recipe("ffdnet", lighter_centre=0.25), data, tmp_path / "light")
    assert all(map(torch.equal, kernels(again.network), trained))


def test_a_run_keeps_the_start_that_it_had(recipe: Make, data: Path, tmp_path: Path) -> None:
    trainer(recipe("ffdnet", steps=1), data, tmp_path / "run").train()
    with pytest.raises(ConfigError, match=r"was begun with lighter_centre: None, .* has 0\.5"):
        trainer(recipe("ffdnet", steps=1, lighter_centre=0.5), data, tmp_path / "run")


@pytest.mark.parametrize("share", [-0.1, 1.0, "wide"])
def test_an_impossible_share(recipe: Make, share: object) -> None:
    with pytest.raises(ConfigError, match="lighter_centre"):
        recipe("ffdnet", lighter_centre=share)


def test_a_trained_start_has_its_own_centres(recipe: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lighter_centre is for untrained networks"):
        recipe("ffdnet", lighter_centre=0.5, warm_start="ffdnet-gray")
    light = recipe("ffdnet", lighter_centre=0.5)
    with pytest.raises(ConfigError, match="cannot start from 'ffdnet-gray'"):
        trainer(light, data, tmp_path / "run", start_from="ffdnet-gray")


def test_a_recipe_of_a_system_without_convolutions(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    light = recipe("diffusion", lighter_centre=0.5)
    with pytest.raises(ConfigError, match="ReactionDiffusion has no convolutions"):
        trainer(light, data, tmp_path / "run")
