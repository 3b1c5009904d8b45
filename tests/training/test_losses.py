"""Losses: one value per image."""

from __future__ import annotations

import pytest
import torch

from pnp_priors.training.losses import (
    LOSSES,
    absolute_error,
    asymmetric_error,
    root_squared_error,
    squared_error,
    total_variation,
)


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


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, restored = torch.rand(2, 2, 1, 3, 4, generator=generator, dtype=torch.float64)
    restored.requires_grad_()
    for loss in LOSSES.values():
        assert loss(restored, clean).shape == (2,)
        assert torch.autograd.gradcheck(loss, (restored, clean))


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
