"""What recipes do to clean images: noise drawn as ever, JPEG as the encoder makes it, bicubic
enlargements as the bench makes them, and all three in one batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.errors import ConfigError
from pnp_priors.physics import bicubic
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.training.data import PatchSampler
from pnp_priors.training.degradations import Degradation, inside
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe
from pnp_priors.training.state import LOG_COLUMNS

Make = Callable[..., Recipe]
Scene = Callable[..., Tensor]


def sampler(scene: Scene, seed: int = 0, patch: int = 16) -> PatchSampler:
    pixels = scene(40 if patch < 40 else 80, 48 if patch < 40 else 90)[0].mul(255).round().byte()
    return PatchSampler([pixels.numpy()], patch=patch, seed=seed)


def jpeg(recipe: Make, low: int, high: int, **changes: object) -> Recipe:
    data = recipe("jpeg").data.model_dump(exclude_none=True) | {"quality": [low, high]}
    return recipe("jpeg", data=data, **changes)


def superres(recipe: Make, *scales: int) -> Degradation:
    data = recipe("mixed").data.model_dump(exclude={"sigma", "quality"}, exclude_none=True)
    changed = data | {"degradation": "super-resolution", "scale": scales, "patch": 24}
    return recipe("mixed", data=changed).degradation()


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


def test_each_patch_has_its_scale(recipe: Make, scene: Scene) -> None:
    degradation = superres(recipe, 2, 3, 4)
    assert degradation.margin == 12
    draws = sampler(scene, patch=24 + 2 * degradation.margin)
    clean = draws.sample(64)
    blurred, sigma = degradation.degrade(clean, draws)
    assert blurred.shape == (64, 1, 24, 24)
    assert torch.equal(sigma, torch.zeros(64))
    whole = inside(torch.stack([bicubic.simulate(clean, scale) for scale in (2, 3, 4)]), 12)
    # Sums of batches of other sizes may differ in the last digit.
    same = ((whole - blurred).abs() < 1e-5).flatten(2).all(dim=2)
    assert same.any(dim=0).all(), "a patch of no scale"
    assert (same.sum(dim=1) > 6).all(), "a scale that is never drawn"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_patch_with_its_margin_is_the_inside_of_an_image(
    scale: int, recipe: Make, scene: Scene
) -> None:
    image = scene(96, 96).mul(255).round() / 255
    expected = bicubic.simulate(image, scale)[..., 36:60, 36:60]
    degradation = superres(recipe, scale)
    found, _ = degradation.degrade(image[..., 24:72, 24:72], sampler(scene))
    alone = bicubic.simulate(image[..., 36:60, 36:60], scale)
    assert (found - expected).abs().max() < 1.5 / 255
    assert (alone - expected).abs().max() > 5 / 255, "the margin would not be needed"


def test_validation_images_are_cut_to_whole_multiples(recipe: Make, scene: Scene) -> None:
    degradation, clean = superres(recipe, 2, 3), scene(49, 53)
    assert degradation.levels == (2, 3)
    assert [degradation.label(level) for level in degradation.levels] == ["2", "3"]
    image, sigma = degradation.at(clean, 3, seed=0)
    assert sigma == 0
    assert torch.equal(image, bicubic.simulate(clean[..., :48, :51], 3))


def test_each_patch_has_one_of_three_kinds(recipe: Make, scene: Scene) -> None:
    degradation = recipe("mixed").degradation()
    draws = sampler(scene, patch=48)
    clean = draws.sample(300)
    degraded, sigma = degradation.degrade(clean, draws)
    inner = inside(clean, 12)
    assert degraded.shape == inner.shape == (300, 1, 24, 24)
    tables = [luminance_table(quality) for quality in range(10, 41)]
    blocky = torch.stack([simulate(inner, table) for table in tables])
    blurred = inside(torch.stack([bicubic.simulate(clean, scale) for scale in (2, 3)]), 12)
    is_jpeg = (blocky - degraded).abs().flatten(2).amax(dim=2).amin(dim=0) < 1e-5
    is_blurred = (blurred - degraded).abs().flatten(2).amax(dim=2).amin(dim=0) < 1e-5
    is_noisy = sigma > 0
    assert (is_jpeg.int() + is_blurred.int() + is_noisy.int() == 1).all()
    for kind in (is_jpeg, is_blurred, is_noisy):
        assert 70 < kind.sum() < 130  # of 300; 3.7 standard deviations
    noise = (degraded - inner)[is_noisy].flatten(1).std(dim=1)
    assert (sigma[is_noisy] >= 5 / 255).all()
    torch.testing.assert_close(noise, sigma[is_noisy], rtol=0.2, atol=0)


def test_kinds_are_drawn_by_their_shares(recipe: Make, scene: Scene) -> None:
    """Two of ten patches are noisy; an order of the shares' own does not matter."""
    shares = {"jpeg": 3, "super-resolution": 5, "gaussian": 2}
    data = recipe("mixed").data.model_dump(exclude_none=True) | {"shares": shares}
    draws = sampler(scene, patch=48)
    _, sigma = recipe("mixed", data=data).degradation().degrade(draws.sample(400), draws)
    assert 52 < (sigma > 0).sum() < 108  # 80 and 3.5 standard deviations


@pytest.mark.parametrize(
    ("degradation", "shares", "words"),
    [
        ("ffdnet", {"gaussian": 1}, "has no 'shares'"),
        ("mixed", {"gaussian": 1, "jpeg": 1}, "each of gaussian, super-resolution, jpeg"),
        ("mixed", {"gaussian": 0, "jpeg": 1, "super-resolution": 1}, "from 1 up"),
    ],
)
def test_shares_are_of_the_kinds(
    recipe: Make, degradation: str, shares: dict[str, int], words: str
) -> None:
    data = recipe(degradation).data.model_dump(exclude_none=True) | {"shares": shares}
    with pytest.raises(ValueError, match=words):
        recipe(degradation, data=data)


def test_a_batch_of_one_patch_has_one_kind(recipe: Make, scene: Scene) -> None:
    degradation, draws = recipe("mixed").degradation(), sampler(scene, patch=48)
    for _ in range(8):
        degraded, sigma = degradation.degrade(draws.sample(1), draws)
        assert degraded.shape == (1, 1, 24, 24)
        assert sigma.shape == (1,)


def test_levels_of_all_kinds_are_validated_by_name(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    run = Trainer(recipe("mixed", steps=1), data, tmp_path / "run", accelerator="cpu", devices=1)
    levels = ["sigma 15", "sigma 25", "x2", "x3", "q 10", "q 40"]
    kinds = run.degradation
    assert [kinds.label(level) for level in kinds.levels] == levels
    # Untrained, the network returns its input: the scores are those of the degraded images.
    scores = run.validate()
    (clean,) = run.validation
    assert clean.shape == (1, 49, 53)
    small = bicubic.simulate(clean[None, :, :48, :51], 3)
    blocky = simulate(clean[None], luminance_table(40))
    for label, image in {"x3": small[0], "q 40": blocky[0]}.items():
        error = (image - clean[:, : image.shape[1], : image.shape[2]]).square().mean()
        assert scores[label] == pytest.approx(-10 * math.log10(error), abs=1e-3)
    assert scores["sigma 15"] == pytest.approx(20 * math.log10(255 / 15), abs=0.3)
    run.train()
    header = (tmp_path / "run" / "log.csv").read_text().splitlines()[0].split(",")
    assert header == [*LOG_COLUMNS, *(f"psnr_{label}" for label in levels)]


def test_a_mixed_recipe_needs_a_network_for_all_of_it(recipe: Make) -> None:
    mixed = recipe("mixed")
    three = mixed.architecture
    mixed.degradation().check(registry.build("dncnn", three))
    noise = registry.build("ffdnet", {"depth": 3, "width": 8})
    with pytest.raises(ConfigError, match="for gaussian, not for jpeg, super-resolution"):
        mixed.degradation().check(noise)
    with pytest.raises(ConfigError, match="none of these trains it for jpeg, super-resolution"):
        recipe("ffdnet").degradation().check(registry.build("dncnn", three))
    for change, words in (
        ({"scales": [2, 4]}, r"data\.scale: the network is for \[2, 4\], got \[2, 3\]"),
        ({"quality_range": [20, 99]}, r"data\.quality: the network is for 20 to 99"),
    ):
        with pytest.raises(ConfigError, match=words):
            mixed.degradation().check(registry.build("dncnn", three | change))


def test_training_on_three_kinds_at_once(recipe: Make, data: Path, tmp_path: Path) -> None:
    run = Trainer(
        recipe("mixed", steps=150, validate_every=1000),
        data,
        tmp_path / "run",
        accelerator="cpu",
        devices=1,
    )
    batch = run.draw(64)

    def loss() -> float:
        run.model.eval()
        with torch.no_grad():
            return run.loss(*batch).item()

    before, psnr = loss(), run.validate()["sigma 25"]
    run.train()
    assert run.state.pixels == 150 * 4 * 24 * 24
    assert loss() < 0.9 * before
    assert run.state.validation["sigma 25"] > psnr + 2


def test_photographs_are_each_by_a_camera_of_its_own(recipe: Make, scene: Scene) -> None:
    checked, draws = recipe("camera"), sampler(scene, patch=20)
    degradation = checked.degradation()
    assert (degradation.margin, degradation.grid) == (2, 16)
    state = draws.generator.get_state()
    clean = torch.cat([draws.sample(1)] * 3, dim=1).expand(8, -1, -1, -1)
    photos, levels = degradation.degrade(clean, draws)
    assert photos.shape == levels.shape == (8, 3, 16, 16)
    assert (photos * 255 - (photos * 255).round()).abs().max() < 1e-3
    assert len({round(level, 6) for level in levels.mean(dim=(1, 2, 3)).tolist()}) == 8
    draws.generator.set_state(state)
    draws.sample(1)
    again, _ = degradation.degrade(clean, draws)
    assert torch.equal(again, photos)
    # A noisier camera is said to be one.
    noise = (photos - inside(clean, 2)).flatten(1).std(dim=1)
    assert torch.corrcoef(torch.stack([noise, levels.flatten(1).mean(dim=1)]))[0, 1] > 0.7


def test_photographs_for_validation(recipe: Make, scene: Scene) -> None:
    degradation, clean = recipe("camera").degradation(), scene(24, 30, 3)
    labels = [degradation.label(level) for level in degradation.levels]
    assert labels == ["0.04+0.015", "0.08+0.03", "0.16+0.06"]
    errors = []
    for level in degradation.levels:
        photo, sigma = degradation.at(clean, level, seed=3)
        assert sigma is None
        assert photo.shape == clean.shape
        assert torch.equal(photo, degradation.at(clean, level, seed=3)[0])
        assert not torch.equal(photo, degradation.at(clean, level, seed=4)[0])
        errors.append((photo - clean).square().mean().item())
    assert errors == sorted(errors)


def test_photographs_need_a_network_for_them(recipe: Make) -> None:
    noise = registry.build("ffdnet", {"channels": 3, "depth": 3, "width": 8})
    with pytest.raises(ConfigError, match="the network is for gaussian, not for camera"):
        recipe("camera").degradation().check(noise)


def test_training_on_photographs(recipe: Make, data: Path, tmp_path: Path) -> None:
    """Both the image and the estimate get better, and the loss is the sum of both."""
    run = Trainer(
        recipe("camera", steps=60, validate_every=1000),
        data,
        tmp_path / "run",
        accelerator="cpu",
        devices=1,
    )
    clean, truth, photos = run.draw(16)

    def losses() -> tuple[float, float]:
        with torch.no_grad():
            total = run.loss(clean, truth, photos).item()
            restored, penalty = run.network.training_pass(photos, truth)
        image = (restored - clean).square().mean().item()
        estimate = torch.as_tensor(penalty).mean().item()
        assert total == pytest.approx(image + estimate, rel=1e-4)
        return image, estimate

    image, estimate = losses()
    psnr = run.validate()
    run.train()
    better, closer = losses()
    assert better < 0.9 * image
    assert closer < 0.9 * estimate
    assert all(run.state.validation[level] > psnr[level] for level in list(psnr)[1:])
