"""PSNR, drift and the cost of a wrong sigma, where they can be written down."""

from __future__ import annotations

import math

import pytest
import torch

from pnp_priors.analysis.levels import mean_drift, over_levels, with_wrong_sigma
from pnp_priors.analysis.regimes import REGIMES, standard_noise

NOISE = REGIMES["gaussian"]
GRAY = torch.full((1, 1, 64, 64), 0.5)


def test_the_identity_restores_nothing(scaling) -> None:
    found = over_levels(scaling(1.0), [GRAY], NOISE, [5.0, 20.0])
    assert found.psnr == pytest.approx(found.input_psnr)
    assert found.mean_drift == {"5": 0, "20": 0}
    for level, psnr in found.input_psnr.items():
        # White noise of 4096 pixels: its power is right within 3 %.
        assert psnr == pytest.approx(-20 * math.log10(float(level) / 255), abs=0.15)


def test_levels_beyond_are_measured_with_the_same_noise(scaling) -> None:
    levels = over_levels(scaling(1.0), [GRAY], NOISE, [10.0, 100.0])
    assert levels.input_psnr["10"] - levels.input_psnr["100"] == pytest.approx(20, abs=1e-4)


def test_psnr_is_the_mean_of_the_images_and_of_clipped_results(formula) -> None:
    """White and black come back as 2 and -1, clipped as themselves; gray is off by 0.1."""
    prior = formula(lambda x, s: torch.where(x.mean() > 0.9, 2.0, 0.6) * torch.ones_like(x))
    near = torch.full((1, 1, 32, 32), 0.5)
    found = over_levels(prior, [near], NOISE, [1.0])
    assert found.psnr["1"] == pytest.approx(20, abs=1e-4)
    white = torch.full((1, 1, 32, 32), 0.99)
    both = over_levels(prior, [near, white], NOISE, [1.0])
    assert both.psnr["1"] == pytest.approx((20 + 40) / 2, abs=1e-3)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.2])
def test_drift_of_a_multiple(factor: float) -> None:
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    means = x.mean(dim=(1, 2, 3))
    expected = 255 * (factor - 1) * float(means.max())
    assert mean_drift(x, factor * x) == pytest.approx(expected, abs=1e-9)


def test_drift_is_that_of_the_worst_image_with_its_sign(formula) -> None:
    prior = formula(lambda x, s: x + torch.where(x.mean() > 0.6, -0.02, 0.01))
    bright = torch.full((1, 1, 32, 32), 0.8)
    found = over_levels(prior, [GRAY, bright, GRAY], NOISE, [5.0])
    assert found.mean_drift["5"] == pytest.approx(-0.02 * 255, abs=1e-3)


def test_a_wrong_sigma_costs_what_the_formula_says(formula) -> None:
    """D = 1/2 + (1 - 5 s)(x - 1/2) leaves the noise n of a gray image as (1 - 5 s) n."""
    prior = formula(lambda x, s: 0.5 + (1 - 5 * s) * (x - 0.5), sigma_range=(0.0, 1.0))
    level = 20.0
    table = with_wrong_sigma(prior, [GRAY], [level], (0.5, 1.0, 2.0, 100.0))
    assert list(table) == ["20"]
    noise = level / 255 * standard_noise(GRAY, 0)
    for factor, psnr in table["20"].items():
        told = min(float(factor) * level / 255, 1.0)
        left = (0.5 + (1 - 5 * told) * noise).clamp(0, 1) - 0.5
        expected = -10 * math.log10(float(left.double().square().mean()))
        assert psnr == pytest.approx(expected, abs=1e-3)


def test_a_blind_prior_does_not_care(formula) -> None:
    prior = formula(lambda x, s: 0.9 * x, blind=True)
    (row,) = with_wrong_sigma(prior, [GRAY], [15.0]).values()
    assert len(set(row.values())) == 1
