"""Losses: one value per image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.training.losses import (
    LOSSES,
    _blurred,
    absolute_error,
    asymmetric_error,
    mixed_error,
    multiscale_error,
    root_squared_error,
    squared_error,
    structural_error,
    total_variation,
)


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    """Restored and clean in float64: a ramp with texture, and that with noise, not in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, shape[-1], dtype=torch.float64)
    clean = ramp * torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    return clean + 0.05 + 0.1 * noise, clean


def test_values_per_image() -> None:
    clean = torch.zeros(2, 1, 2, 2)
    restored = torch.tensor([[1.0, -1, 1, -1], [0.0, 0, 0, 2]]).reshape(2, 1, 2, 2)
    assert squared_error(restored, clean).tolist() == [1.0, 1.0]
    assert absolute_error(restored, clean).tolist() == [1.0, 0.5]
    floor = (2 / 255) ** 2
    expected = torch.tensor([1.0 + floor, 1.0 + floor]).sqrt()
    torch.testing.assert_close(root_squared_error(restored, clean), expected)


def test_the_root_weighs_an_image_with_its_inverse_root_error() -> None:
    """Against the square: four times the noise pulls as much, not four times as much."""
    clean = torch.zeros(3, 1, 8, 8, dtype=torch.float64)
    noise = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    noise /= noise.square().mean().sqrt()
    restored = (torch.tensor([0.1, 0.4, 0.0])[:, None, None, None] * noise).requires_grad_()
    (gradient,) = torch.autograd.grad(root_squared_error(restored, clean).sum(), restored)
    lengths = gradient.square().mean(dim=(1, 2, 3)).sqrt() * 64
    torch.testing.assert_close(lengths[:2], torch.ones(2).double(), rtol=5e-3, atol=0)
    assert lengths[2] == 0, "an image without an error has a gradient"


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name: str) -> None:
    restored, clean = pair(2, 3, 12, 13)
    loss = LOSSES[name]
    assert loss(restored, clean).shape == (2,)
    # Against finite differences along random directions.
    assert torch.autograd.gradcheck(loss, (restored.requires_grad_(), clean), fast_mode=True)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_finite_where_images_are_flat_or_equal(name: str, channels: int) -> None:
    """Variances are then zero, or a rounding error below it."""
    restored, clean = (image.float() for image in pair(1, channels, 40, 48))
    flat = torch.full_like(clean, 0.7)
    shades = [torch.zeros_like(clean), torch.ones_like(clean), flat, flat + 1e-4]
    for x, y in [
        (clean, clean),
        (flat, clean),
        (restored, flat),
        *zip(shades, shades[::-1], strict=True),
    ]:
        values = x.clone().requires_grad_()
        loss = LOSSES[name](values, y)
        (gradient,) = torch.autograd.grad(loss.sum(), values)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()
        if x is y:
            floor = 2 / 255 if name == "rmse" else 0
            assert loss.item() == pytest.approx(floor, abs=1e-6)
            assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_the_ssim_loss_is_what_skimage_s_ssim_lacks_of_one(channels: int) -> None:
    restored, clean = pair(2, channels, 24, 30)
    expected = [
        1
        - structural_similarity(
            x.numpy(),
            y.numpy(),
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
        )
        for x, y in zip(restored, clean, strict=True)
    ]
    assert structural_error(restored, clean).tolist() == pytest.approx(expected, abs=1e-9)
    with pytest.raises(InputError, match="11x11"):
        structural_error(restored[..., :10], clean[..., :10])


def windows_around_each_pixel(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MS-SSIM at each pixel of ``[H, W]`` and the widest Gaussian's mean absolute error there.

    By the definitions, one explicit window over the whole patch per pixel and scale.
    """
    height, width = x.shape
    rows, columns = np.mgrid[:height, :width]
    similarity, error = np.ones(x.shape), np.zeros(x.shape)
    for row, column in np.ndindex(height, width):
        for scale in (0.5, 1, 2, 4, 8):
            window = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * scale**2))
            window /= window.sum()
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            both = (window * (x - mean_x) * (y - mean_y)).sum()
            squares = (window * ((x - mean_x) ** 2 + (y - mean_y) ** 2)).sum()
            similarity[row, column] *= (2 * both + 0.0009) / (squares + 0.0009)
        # of the last, the widest
        luminance = (2 * mean_x * mean_y + 0.0001) / (mean_x**2 + mean_y**2 + 0.0001)
        similarity[row, column] *= luminance
        error[row, column] = (window * np.abs(x - y)).sum()
    return similarity, error


def test_ms_ssim_and_the_mix_by_explicit_windows() -> None:
    restored, clean = pair(2, 3, 9, 11)
    pixels = [
        [windows_around_each_pixel(a.numpy(), b.numpy()) for a, b in zip(x, y, strict=True)]
        for x, y in zip(restored, clean, strict=True)
    ]
    similarity, error = np.moveaxis(np.array(pixels), 2, 0)
    lacking = 1 - similarity.mean(axis=(1, 2, 3))
    assert multiscale_error(restored, clean).tolist() == pytest.approx(lacking, abs=1e-12)
    expected = 0.84 * lacking + 0.16 * error.mean(axis=(1, 2, 3))
    assert mixed_error(restored, clean).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_centre_s_windows_are_the_paper_s() -> None:
    """Gaussians as wide as the patch, with sum 1: what the centre sees of each pixel's impulse."""
    side = 31
    impulses = torch.eye(side * side, dtype=torch.float64).reshape(-1, side, side)
    distance = torch.arange(side).sub(side // 2).double()
    for scale in (0.5, 8.0):
        profile = (-distance.square() / (2 * scale**2)).exp()
        window = torch.outer(profile, profile)
        centre = _blurred(impulses, scale)[:, side // 2, side // 2].reshape(side, side)
        torch.testing.assert_close(centre, window / window.sum())


def test_of_a_uniform_shift_only_the_luminance_is_left() -> None:
    shift, tone = 0.1, 0.4
    clean = torch.full((1, 1, 20, 17), tone, dtype=torch.float64)
    luminance = (2 * tone * (tone + shift) + 1e-4) / (tone**2 + (tone + shift) ** 2 + 1e-4)
    lacking = pytest.approx(1 - luminance, abs=1e-12)
    assert structural_error(clean + shift, clean).item() == lacking
    assert multiscale_error(clean + shift, clean).item() == lacking
    mixed = 0.84 * (1 - luminance) + 0.16 * shift
    assert mixed_error(clean + shift, clean).item() == pytest.approx(mixed, abs=1e-12)


@pytest.mark.parametrize("name", ["ssim", "ms-ssim", "mix"])
def test_colours_and_batches_are_means_and_lists(name: str) -> None:
    restored, clean = pair(2, 3, 16, 20)
    loss = LOSSES[name]
    separate = [
        [loss(x[None, None], y[None, None]).item() for x, y in zip(*images, strict=True)]
        for images in zip(restored, clean, strict=True)
    ]
    assert loss(restored, clean).tolist() == pytest.approx([np.mean(c) for c in separate])


def test_an_estimate_too_low_costs_more_than_one_too_high() -> None:
    truth = torch.full((3, 1, 2, 2), 0.5, dtype=torch.float64)
    offset = torch.tensor([0.1, -0.1, 0.0], dtype=torch.float64)[:, None, None, None]
    high, low, right = asymmetric_error(truth + offset, truth).tolist()
    assert (high, low, right) == pytest.approx((0.3 * 0.01, 0.7 * 0.01, 0.0))
    even = 2 * asymmetric_error(truth + offset, truth, alpha=0.5)
    torch.testing.assert_close(even, squared_error(truth + offset, truth))


def test_between_what_an_estimate_can_know_it_errs_upwards() -> None:
    """Where truth is 0 or 1 with equal chances, the best constant is 1 - alpha."""
    truth = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    guesses = torch.linspace(0, 1, 101, dtype=torch.float64)
    costs = [asymmetric_error(truth * 0 + guess, truth).item() for guess in guesses]
    assert guesses[costs.index(min(costs))].item() == pytest.approx(0.7)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[1.0, 3, 3], [1, 0, 3]], dtype=torch.float64).reshape(1, 1, 2, 3)
    steps = [2, 0, -1, 3, 0, -3, 0]
    flat = torch.full_like(image, 0.7)
    both = total_variation(torch.cat([image, flat]))
    assert both.tolist() == pytest.approx([sum(step**2 for step in steps) / 6, 0.0])
    assert total_variation(torch.ones(2, 3, 1, 1)).tolist() == [0, 0]
    values = image.clone().requires_grad_()
    assert torch.autograd.gradcheck(total_variation, (values,))
