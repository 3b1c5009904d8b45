"""Which levels are measured, and what is left out of which task."""

from __future__ import annotations

import pytest
import torch

from pnp_priors.analysis.regimes import REGIMES, left_out, noise_levels, qualities, regime_of
from pnp_priors.errors import InputError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion


@pytest.mark.parametrize(
    ("trained", "inside", "beyond"),
    [
        ((0, 75), (5, 15, 25, 50, 75), (112.5, 150)),
        ((0, 55), (5, 15, 25, 50), (82.5, 110)),
        ((0, 70), (5, 15, 25, 50, 70), (105, 140)),
        ((25, 25), (25,), (6.25, 12.5, 37.5, 50)),
        ((0, 200), (5, 15, 25, 50, 75, 200), (255,)),
        ((30, 40), (40,), (7.5, 15, 60, 80)),
    ],
)
def test_noise_levels_reach_beyond_the_trained_range(formula, trained, inside, beyond) -> None:
    low, high = trained
    found = noise_levels(formula(lambda x, s: x, sigma_range=(low / 255, high / 255)))
    assert found.trained == pytest.approx(trained)
    assert found.inside == pytest.approx(inside)
    assert found.beyond == pytest.approx(beyond)
    assert found.all == tuple(sorted((*found.inside, *found.beyond)))
    assert all(low - 1e-6 <= level <= high + 1e-6 for level in found.inside)


def test_the_nearest_level_is_one_inside(formula) -> None:
    levels = noise_levels(formula(lambda x, s: x, sigma_range=(0.0, 55 / 255)))
    assert [levels.nearest(level) for level in (0, 18, 60, 200)] == [5, 15, 50, 50]


def test_a_jpeg_prior_is_assessed_over_quality() -> None:
    prior = JpegReactionDiffusion(stages=1, filter_size=3, quality=12)
    task, regime = regime_of(prior)
    assert task == "jpeg"
    levels = qualities(prior)
    assert levels.inside == (12,)
    assert levels.beyond == (5, 10, 20, 30, 40, 60, 80)
    assert set(left_out(prior)) == {"wrong sigma", "equivariance", "convergence"}
    clean = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    x = regime.degrade(clean, 12.0, torch.zeros_like(clean))
    assert torch.equal(255 * x, (255 * x).round())
    assert regime.restore(prior, x, 12.0).shape == x.shape


def test_further_tasks_are_named_with_the_command_that_measures_them() -> None:
    tasks = ("gaussian", "jpeg", "super-resolution")
    three = DnCNN(
        depth=3, width=4, blind=True, tasks=tasks, quality_range=(5, 99), scales=(2, 3, 4)
    )
    assert regime_of(three)[0] == "gaussian"
    assert set(left_out(three)) == {"jpeg", "super-resolution"}
    assert "bench deblocking" in left_out(three)["jpeg"]
    assert left_out(DnCNN(depth=3, width=4)) == {}


def test_what_cannot_be_assessed_is_said(formula) -> None:
    prior = formula(lambda x, s: x)
    prior.tasks = ("super-resolution",)
    with pytest.raises(InputError, match="a prior for super-resolution cannot be assessed"):
        regime_of(prior)
    prior.tasks = ("jpeg",)
    with pytest.raises(InputError, match="no trained qualities"):
        REGIMES["jpeg"].levels(prior)
