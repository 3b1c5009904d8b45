"""What recipes do to clean images: noise drawn as ever, JPEG as the encoder makes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.errors import ConfigError
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.training.data import PatchSampler
from pnp_priors.training.loop import LOG_COLUMNS, Trainer
from pnp_priors.training.recipe import Recipe

Make = Callable[..., Recipe]
Scene = Callable[..., Tensor]


def sampler(scene: Scene, seed: int = 0) -> PatchSampler:
    pixels = scene(40, 48)[0].mul(255).round().byte().numpy()
    return PatchSampler([pixels], patch=16, seed=seed)


def jpeg(recipe: Make, low: int, high: int, **changes: object) -> Recipe:
    data = recipe("jpeg").data.model_dump(exclude_none=True) | {"quality": [low, high]}
    return recipe("jpeg", data=data, **changes)


def test_noise_is_drawn_in_the_order_of_the_first_release(recipe: Make, scene: Scene) -> None:
    """Patches, then levels, then noise: a checkpoint from before continues as it would have."""
    checked = recipe("ffdnet")
    one, two = sampler(scene), sampler(scene)
    noisy, sigma = checked.degradation().degrade(one.sample(5), one)
    clean = two.sample(5)
    expected = two.noise_levels(5, 5 / 255, 40 / 255)
    assert torch.equal(sigma, expected)
    assert torch.equal(noisy, clean + expected[:, None, None, None] * two.gaussian(clean))
    assert torch.equal(one.generator.get_state(), two.generator.get_state())


def test_validation_noise_depends_on_the_image_alone(recipe: Make, scene: Scene) -> None:
    degradation, clean = recipe("ffdnet").degradation(), scene(20, 24)
    assert degradation.levels == [15 / 255, 25 / 255]
    assert [degradation.label(level) for level in degradation.levels] == ["15", "25"]
    noisy, sigma = degradation.at(clean, 15 / 255, seed=3)
    assert sigma == 15 / 255
    noise = torch.randn(clean[0].shape, generator=torch.Generator().manual_seed(3))
    assert torch.equal(noisy, clean + 15 / 255 * noise)


def test_each_patch_has_its_quality(recipe: Make, scene: Scene) -> None:
    degradation, draws = jpeg(recipe, 10, 13).degradation(), sampler(scene)
    clean = draws.sample(64)
    blocky, sigma = degradation.degrade(clean, draws)
    assert torch.equal(sigma, torch.zeros(64))
    whole = torch.stack([simulate(clean, luminance_table(q)) for q in range(10, 14)])
    same = (whole == blocky).flatten(2).all(dim=2)
    assert same.any(dim=0).all(), "a patch of no quality in the range"
    assert (same.sum(dim=1) > 4).all(), "a quality that is never drawn"


def test_one_quality(recipe: Make, scene: Scene) -> None:
    degradation, draws = recipe("jpeg").degradation(), sampler(scene)
    clean = draws.sample(4)
    blocky, _ = degradation.degrade(clean, draws)
    assert torch.equal(blocky, simulate(clean, luminance_table(20)))
    assert degradation.levels == [20]
    image, sigma = degradation.at(clean[:1], 20, seed=0)
    assert torch.equal(image, blocky[:1])
    assert sigma == 0


def test_validated_qualities_are_the_ends_or_as_stated(recipe: Make) -> None:
    assert jpeg(recipe, 10, 40).degradation().levels == [10, 40]
    assert jpeg(recipe, 10, 40, validation_qualities=[10, 20, 40]).degradation().levels == [
        *(10, 20, 40)
    ]


@pytest.mark.parametrize("qualities", [(10, 20), (20, 30), (30, 30)])
def test_a_network_for_another_quality_is_refused(
    qualities: tuple[int, int], recipe: Make, data: Path, tmp_path: Path
) -> None:
    low, high = qualities
    with pytest.raises(ConfigError, match=f"for 20 to 20, got {low} to {high}"):
        Trainer(jpeg(recipe, low, high), data, tmp_path / "run", accelerator="cpu", devices=1)


def test_a_network_is_trained_on_what_it_is_for(recipe: Make) -> None:
    """Its card would name the wrong task."""
    noise = registry.build("ffdnet", {"depth": 3, "width": 8})
    with pytest.raises(ConfigError, match=r"data\.degradation: the network is for gaussian"):
        jpeg(recipe, 10, 40).degradation().check(noise)
    blocks = registry.build("jpeg-reaction-diffusion", {"stages": 1, "filter_size": 3})
    with pytest.raises(ConfigError, match=r"the network is for jpeg, not for gaussian"):
        recipe("diffusion").degradation().check(blocks)
    recipe("diffusion").degradation().check(noise)


def test_training_on_jpeg_is_logged_by_quality(recipe: Make, data: Path, tmp_path: Path) -> None:
    run = Trainer(
        recipe("jpeg", steps=40, validate_every=20, phases=[{"until": 1.0}]),
        data,
        tmp_path / "run",
        accelerator="cpu",
        devices=1,
    )
    clean = run.validation[0][None]
    blocky = simulate(clean, luminance_table(20))
    input_psnr = -10 * math.log10((blocky - clean).square().mean())
    run.train()
    header, *rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert header.split(",") == [*LOG_COLUMNS, "psnr_20"]
    assert len(rows) == 2
    assert run.state.validation["20"] > input_psnr + 0.1
    assert run.degradation.unit == "JPEG quality"
