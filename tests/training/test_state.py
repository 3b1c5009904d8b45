"""The learning rate over a run, and the weights of noise levels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pnp_priors.training.recipe import Recipe
from pnp_priors.training.state import level_weights, lr_factor

Make = Callable[..., Recipe]


def test_the_learning_rate_warms_up_and_falls_as_a_cosine() -> None:
    assert lr_factor(0.0, 0, 4, 0.0) == pytest.approx(0.25)
    assert lr_factor(0.0, 3, 4, 0.0) == pytest.approx(1.0)
    assert lr_factor(0.5, 100, 4, 0.0) == pytest.approx(0.5)
    assert lr_factor(1.0, 100, 4, 0.0) == pytest.approx(0.0)
    assert lr_factor(2.0, 100, 0, 0.1) == pytest.approx(0.1)
    assert lr_factor(1 / 3, 100, 0, 0.1) == pytest.approx(0.1 + 0.9 * 0.75)


def test_level_weights_have_mean_one_over_the_range(
    recipe: Make,
) -> None:
    weighed = recipe("ffdnet", level_weight=1.5)
    sigma = torch.linspace(5 / 255, 40 / 255, 10_001)
    weights = level_weights(sigma, weighed)
    assert isinstance(weights, torch.Tensor)
    assert weights.mean().item() == pytest.approx(1.0, abs=0.01)
    torch.testing.assert_close(weights[0] / weights[-1], torch.tensor(8.0**1.5))
    assert level_weights(sigma, recipe("ffdnet")) == 1.0
    floored = recipe("ffdnet", level_weight=1.5, level_floor=20 / 255)
    weights = level_weights(sigma, floored)
    assert isinstance(weights, torch.Tensor)
    torch.testing.assert_close(weights[0] / weights[-1], torch.tensor(2.0**1.5))
    torch.testing.assert_close(weights[0], weights[1000])
    assert weights.mean().item() == pytest.approx(1.0, abs=0.01)
