"""Crops and what is made of them: repeatable, and degraded as stated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from deepinv.utils import TensorList
from PIL import Image
from torch import Tensor

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.solvers.deblocking import quantisation_noise
from pnp_priors.solvers.presets import ITERATIONS, MEANINGS, TUNED_SOLVERS, default_values, preset
from pnp_priors.tuning.problems import blurred, compressed, crops, motion_kernels, reduced
from pnp_priors.tuning.schema import PRESETS
from pnp_priors.tuning.tasks import TASKS, candidate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index, size in enumerate([(40, 50), (60, 45), (10, 90), (48, 48)]):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        (tmp_path / "sub").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "sub" / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_parts_of_the_images(folder: Path, channels: int) -> None:
    found = crops(folder, 3, 32, channels, seed=4)
    again = crops(folder, 3, 32, channels, seed=4)
    assert [c.name for c in found] == [c.name for c in again]
    # The image of ten rows is too small.
    assert sorted(c.name for c in found) == ["sub/0.png", "sub/1.png", "sub/3.png"]
    for crop, same in zip(found, again, strict=True):
        assert torch.equal(crop.pixels, same.pixels)
        assert crop.pixels.shape == (1, channels, 32, 32)
        with Image.open(folder / crop.name) as file:
            whole = np.asarray(file.convert("L" if channels == 1 else "RGB"))
        whole = whole.reshape(*whole.shape[:2], channels)
        part = np.rint(255 * crop.pixels[0].numpy()).transpose(1, 2, 0)
        windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
        assert (windows == part).all(axis=(-3, -2, -1)).sum() == 1
    other = crops(folder, 3, 32, channels, seed=5)
    assert any(
        a.pixels.shape != b.pixels.shape or not torch.equal(a.pixels, b.pixels)
        for a, b in zip(found, other, strict=True)
    )


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 of its 4 images are at least 32x32 pixels, 4 are"):
        crops(folder, 4, 32, 1, seed=0)
    with pytest.raises(MissingFileError, match="nowhere"):
        crops(tmp_path / "nowhere", 1, 32, 1, seed=0)
    (folder / "broken.png").write_text("no image")
    with pytest.raises(InputError, match=r"broken\.png: not readable"):
        crops(folder, 4, 16, 1, seed=0)


def test_motion_kernels_are_kernels() -> None:
    kernels = motion_kernels(4, seed=3)
    assert kernels.shape == (4, 1, 25, 25)
    assert kernels.sum((1, 2, 3)).tolist() == pytest.approx([1.0] * 4)
    assert kernels.min() >= 0
    assert torch.equal(kernels, motion_kernels(4, seed=3))
    assert not torch.equal(kernels, motion_kernels(4, seed=4))
    assert len({tuple(k.flatten().tolist()) for k in kernels}) == 4
    # Blurs, not single pixels.
    assert kernels.amax((1, 2, 3)).max() < 0.5


def test_noise_levels_differ_in_strength_alone(folder: Path) -> None:
    parts = crops(folder, 2, 40, 3, seed=0)
    weak, strong = blurred(parts, 2.55, seed=1), blurred(parts, 10.2, seed=1)
    for low, high in zip(weak, strong, strict=True):
        assert isinstance(low.y, Tensor)
        assert isinstance(high.y, Tensor)
        blur = low.physics.A(low.clean)
        assert (low.noise, high.noise) == pytest.approx((0.01, 0.04))
        assert (low.y - blur).std().item() == pytest.approx(0.01, rel=0.05)
        torch.testing.assert_close(high.y - blur, 4 * (low.y - blur), rtol=0, atol=1e-5)
    assert isinstance(weak[0].y, Tensor)
    assert isinstance(weak[1].y, Tensor)
    assert not torch.allclose(
        weak[0].y - weak[0].physics.A(weak[0].clean), weak[1].y - weak[1].physics.A(weak[1].clean)
    )
    with pytest.raises(InputError, match="25x25"):
        blurred(crops(folder, 1, 24, 1, seed=0), 2.55, seed=1)


def test_jpeg_images_are_those_of_the_model(folder: Path) -> None:
    parts = crops(folder, 2, 24, 1, seed=0)
    coarse, fine = compressed(parts, 10, seed=0), compressed(parts, 60, seed=0)
    for problem, better in zip(coarse, fine, strict=True):
        assert isinstance(problem.physics, JPEG)
        assert isinstance(problem.y, TensorList)
        again = JPEG((1, 24, 24), quality=10)(problem.clean)
        assert torch.equal(again[0], problem.y[0])
        assert problem.noise == quantisation_noise(problem.y, problem.physics)
        decoded, finer = (p.physics.A_dagger(p.y) for p in (problem, better))
        assert problem.psnr(decoded) + 3 < better.psnr(finer)


@pytest.mark.parametrize("scale", [2, 2.5])
def test_small_images_are_the_reduced_ones_in_8_bits(folder: Path, scale: float) -> None:
    parts = crops(folder, 2, 30, 3, seed=0)
    size = (round(30 / scale),) * 2
    for problem, crop in zip(reduced(parts, scale, seed=0), parts, strict=True):
        assert isinstance(problem.y, Tensor)
        assert problem.y.shape == (1, 3, *size)
        assert torch.equal(problem.clean, crop.pixels)
        assert problem.noise == scale / 255
        bytes_ = 255 * problem.y
        torch.testing.assert_close(bytes_, bytes_.round(), rtol=0, atol=1e-4)
        # Pillow's antialiased bicubic reduction, of floats, since it would clip bytes in between.
        for plane, found in zip(crop.pixels[0].numpy(), bytes_[0].numpy(), strict=True):
            small = Image.fromarray(255 * plane).resize(size, Image.Resampling.BICUBIC)
            assert np.abs(found - np.asarray(small).clip(0, 255)).max() < 0.51


def test_psnr_is_that_of_the_clipped_image(folder: Path) -> None:
    (problem,) = compressed(crops(folder, 1, 24, 1, seed=0), 10, seed=0)
    assert problem.psnr(problem.clean) > 150
    far = torch.where(problem.clean > 0.5, 2.0, -3.0)
    limited = torch.where(problem.clean > 0.5, 1.0, 0.0)
    assert problem.psnr(far) == problem.psnr(limited)
    # What diverged loses against anything.
    assert problem.psnr(torch.full_like(far, torch.nan)) == 0


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_means_the_same_everywhere(name: str) -> None:
    """Its preset's fields are the parameters, whose defaults are those without a preset."""
    assert set(TASKS) == set(PRESETS) == set(MEANINGS) == set(ITERATIONS)
    task = TASKS[name]
    knot = PRESETS[name].model_fields["knots"].annotation.__args__[0]  # type: ignore[union-attr]
    assert knot.parameters == tuple(p.name for p in task.parameters)
    for solver in TUNED_SOLVERS:
        values = default_values(name, solver)
        found = candidate(name, solver, ITERATIONS[name], values, 0.03)
        assert found == preset(name, "nobody", 0.03, solver)
        for parameter in task.parameters:
            assert 0 < parameter.low <= values[parameter.name] <= parameter.high
    for level in task.levels:
        task.check(level)
