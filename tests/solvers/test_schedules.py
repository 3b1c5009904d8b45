"""Schedules against deepinv's own and against the numbers in genericDP's paper."""

from __future__ import annotations

import math

import pytest
import torch
from deepinv.optim.dpir import get_DPIR_params

from pnp_priors.errors import InputError
from pnp_priors.solvers import SCHEDULES, Schedule, dpir, genericdp
from pnp_priors.solvers.schedules import SMALLEST_NOISE, descending, super_resolution


@pytest.mark.parametrize("noise", [0.01, 2.55 / 255, 7.65 / 255, 0.1, 49 / 255])
def test_dpir_is_deepinv_s(noise: float) -> None:
    sigma, stepsize, iterations = get_DPIR_params(noise)
    schedule = dpir(noise)
    assert len(schedule) == iterations == 8
    assert schedule.sigma == pytest.approx(sigma.tolist(), rel=1e-5)
    assert schedule.stepsize == pytest.approx(stepsize.tolist(), rel=1e-5)


@pytest.mark.parametrize("iterations", [1, 2, 5, 24])
def test_dpir_falls_evenly_in_the_logarithm(iterations: int) -> None:
    schedule = dpir(0.02, iterations, start=0.2, weight=0.5)
    expected = torch.logspace(math.log10(0.2), math.log10(0.02), iterations, dtype=torch.float64)
    assert schedule.sigma == pytest.approx(expected.tolist())
    assert schedule.stepsize == pytest.approx([(s / 0.02) ** 2 / 0.5 for s in schedule.sigma])


def test_more_noise_than_the_start_stays_at_the_noise() -> None:
    assert dpir(0.4).sigma == pytest.approx([0.4] * 8)
    assert dpir(0.4).stepsize == pytest.approx([1 / 0.23] * 8)


@pytest.mark.parametrize(
    ("noise", "weight", "growth"),
    [(2.55, 100.0, 1.8), (5.10, 25.0, 1.7), (7.65, 100 / 9, 1.6), (10.20, 6.25, 1.5)],
)
def test_genericdp_has_the_paper_s_numbers(noise: float, weight: float, growth: float) -> None:
    """Section 3.5: lambda, and beta = gamma ** (t - 1) for t = 1 … T."""
    schedule = genericdp(noise / 255, 8)
    expected = [weight / growth ** (t - 1) for t in range(1, 9)]
    assert schedule.stepsize == pytest.approx(expected)
    assert schedule.sigma == pytest.approx([0.1 / growth ** ((t - 1) / 2) for t in range(1, 9)])


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
@pytest.mark.parametrize("noise", [0, 0.001, 0.05, 0.3, 1.0])
def test_schedules_are_finite_and_fall(kind: str, noise: float) -> None:
    schedule = SCHEDULES[kind](noise, 6)
    assert isinstance(schedule, Schedule)
    assert len(schedule.sigma) == len(schedule.stepsize) == len(schedule) == 6
    for values in (schedule.sigma, schedule.stepsize):
        assert all(math.isfinite(v) and v > 0 for v in values)
        assert list(values) == sorted(values, reverse=True)


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_without_noise_as_with_the_smallest(kind: str) -> None:
    assert SCHEDULES[kind](0.0, 4) == SCHEDULES[kind](SMALLEST_NOISE, 4)


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
@pytest.mark.parametrize("noise", [2.55, -0.01, math.nan, math.inf])
def test_impossible_noise_levels(kind: str, noise: float) -> None:
    with pytest.raises(InputError, match=r"\[0, 1\] image units"):
        SCHEDULES[kind](noise, 8)


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_no_iterations(kind: str) -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        SCHEDULES[kind](0.01, 0)


@pytest.mark.parametrize("noise", [0.0, 0.003, 0.05, 0.4])
def test_descending_trusts_the_data_as_its_noise_allows_wherever_sigma_ends(noise: float) -> None:
    level = max(noise, SMALLEST_NOISE)
    schedule = descending(noise, 0.01, 5)
    assert schedule.sigma[-1] == pytest.approx(max(level, 0.01))
    assert schedule.stepsize == pytest.approx([(s / level) ** 2 / 0.23 for s in schedule.sigma])
    if noise > 0.01:
        assert schedule == dpir(noise, 5)


def test_super_resolution_ends_at_half_the_scale() -> None:
    assert super_resolution(0, 3).sigma[-1] == pytest.approx(1.5 / 255)
    assert len(super_resolution(0.1, 2.5)) == 16
    assert super_resolution(0.1, 2.5).sigma[-1] == pytest.approx(0.1)
    for scale in (0.9, math.nan, math.inf):
        with pytest.raises(InputError, match="scale must be 1 or more"):
            super_resolution(0, scale)
    with pytest.raises(InputError, match="image units"):
        super_resolution(2.55, 2)
