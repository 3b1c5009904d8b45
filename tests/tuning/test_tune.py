"""The tuner on problems whose best parameters algebra gives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import pytest
import torch
from deepinv.physics import BlurFFT
from torch import Tensor

from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.presets import at, default_values
from pnp_priors.tuning.problems import Crop, Problem
from pnp_priors.tuning.search import Budget
from pnp_priors.tuning.tasks import TASKS, candidate
from pnp_priors.tuning.tune import Found, Trial, Tuner, to_preset

MEAN, SPREAD = 0.5, 0.1
ORIGIN = {
    "data": "none",
    "images": ["drawn"],
    "side": 24,
    "seed": 0,
    "weights": "0" * 64,
    "command": "none",
}


class Wiener(Prior):
    """The best denoiser of images of independent normal pixels."""

    def __init__(self) -> None:
        super().__init__(1, (0.0, 1.0))
        self.mean = torch.nn.Parameter(torch.tensor(MEAN), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.mean + (x - self.mean) * SPREAD**2 / (SPREAD**2 + sigma**2)


class Shrink(Prior):
    """To the mean by a factor, whatever sigma."""

    def __init__(self, factor: float) -> None:
        super().__init__(1, (0.0, 1.0))
        self.factor = torch.nn.Parameter(torch.tensor(factor), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return MEAN + (x - MEAN) * self.factor


def noisy(parts: list[Crop], level: float, seed: int) -> list[Problem]:
    """No blur: a kernel of one pixel."""
    physics = BlurFFT((1, 24, 24), filter=torch.ones(1, 1, 1, 1))
    problems = []
    for crop in parts:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(crop.pixels.shape, generator=generator)
        problems.append(
            Problem(crop.pixels, crop.pixels + level / 255 * noise, physics, level / 255)
        )
    return problems


@pytest.fixture(autouse=True)
def _without_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    task = dataclasses.replace(TASKS["deconvolution"], degrade=noisy)
    monkeypatch.setitem(TASKS, "deconvolution", task)


@pytest.fixture
def parts() -> list[Crop]:
    generator = torch.Generator().manual_seed(1)
    return [Crop("drawn", MEAN + SPREAD * torch.randn(1, 1, 24, 24, generator=generator))]


def best_factor(problem: Problem) -> float:
    """Of all a, that of the least |MEAN + a (y - MEAN) - x|."""
    assert isinstance(problem.y, Tensor)
    y, x = problem.y - MEAN, problem.clean - MEAN
    return float((x * y).sum() / (y * y).sum())


def test_one_iteration_finds_the_noise_level_of_the_denoiser(parts: list[Crop]) -> None:
    """D(y, s) shrinks by v / (v + s²), best at s² = v (1/a - 1)."""
    tuner = Tuner("deconvolution", Wiener(), "hqs", parts, [25.5], [1], seed=2)
    found = tuner.run(Budget(evaluations=40))
    (problem,) = tuner.problems[25.5]
    expected = math.sqrt(SPREAD**2 * (1 / best_factor(problem) - 1))
    # The draw's own noise level; the default of 49/255 is far from it.
    assert 0.08 < expected < 0.12
    values = found.best[1][25.5].values
    (sigma,) = candidate("deconvolution", "hqs", 1, values, problem.noise).schedule.sigma
    assert sigma == pytest.approx(expected, rel=0.05)
    assert found.best[1][25.5].psnr > found.default[25.5]
    assert found.finished


def test_two_iterations_find_the_weight(parts: list[Crop]) -> None:
    """HQS shrinks by f (g + f) / (1 + g) with g the last step, end² / weight."""
    tuner = Tuner("deconvolution", Shrink(0.8), "hqs", parts, [25.5 * 0.6], [2], seed=2)
    found = tuner.run(Budget(evaluations=60))
    (problem,) = tuner.problems[25.5 * 0.6]
    a, f = best_factor(problem), 0.8
    assert f * f < a < f
    values = found.best[2][25.5 * 0.6].values
    assert values["end"] ** 2 / values["weight"] == pytest.approx((a - f * f) / (f - a), rel=0.2)
    assert isinstance(problem.y, Tensor)
    top = problem.psnr(MEAN + a * (problem.y - MEAN))
    assert found.best[2][25.5 * 0.6].psnr == pytest.approx(top, abs=0.002)


def test_what_is_found_becomes_a_preset_that_says_so(parts: list[Crop]) -> None:
    tuner = Tuner("deconvolution", Wiener(), "hqs", parts, [25.5, 10.2], [1], seed=2)
    found = tuner.run(Budget(evaluations=6))
    preset = to_preset(tuner, "wiener", ORIGIN)
    assert [knot.level for knot in preset.knots] == [10.2, 25.5]
    assert preset.iterations == 1
    assert preset.tuned.evaluations == found.evaluations
    for knot in preset.knots:
        trial = found.best[1][knot.level]
        assert knot.psnr == pytest.approx(trial.psnr, abs=1e-3)
        assert knot.default_psnr == pytest.approx(found.default[knot.level], abs=1e-3)
        # The solver built from it reaches the number that it states.
        (problem,) = tuner.problems[knot.level]
        restored = tuner.task.restore(problem, tuner.prior, at(preset, problem.noise))
        assert problem.psnr(restored) == pytest.approx(knot.psnr, abs=2e-3)


class Fails(Prior):
    """Gives no numbers but for the noise levels of the schedule that the search began with."""

    def __init__(self) -> None:
        super().__init__(1, (0.0, 1.0))
        self.seen: set[float] = set()
        self.none = torch.nn.Parameter(torch.zeros(()), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        # The default is measured first, with 8 iterations, and then tried with those asked for.
        level = round(float(sigma.max()), 5)
        if len(self.seen) < 8:
            self.seen.add(level)
        return x if level in self.seen else x * torch.nan


@pytest.mark.parametrize("evaluations", [1, 6])
def test_nothing_worse_than_the_defaults_parameters_is_returned(
    parts: list[Crop], evaluations: int
) -> None:
    """Not even where all that was tried afterwards diverged, or nothing was."""
    tuner = Tuner("deconvolution", Fails(), "hqs", parts, [2.55], [8], seed=2)
    found = tuner.run(Budget(evaluations=evaluations))
    trial = found.best[8][2.55]
    assert dict(trial.values) == default_values("deconvolution", "hqs")
    assert trial.psnr == found.default[2.55] > 10
    to_preset(tuner, "fails", ORIGIN)


def test_a_level_that_diverges_at_first_is_searched_on(parts: list[Crop]) -> None:
    class Late(Wiener):
        calls = 0

        def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
            self.calls += 1
            return super()._denoise(x, sigma) * (torch.nan if self.calls <= 9 else 1)

    tuner = Tuner("deconvolution", Late(), "hqs", parts, [25.5], [1], seed=2)
    found = tuner.run(Budget(evaluations=6))
    assert found.best[1][25.5].psnr > 10


def test_every_trial_is_told_and_the_same_again(parts: list[Crop]) -> None:
    told: list[list[Trial]] = [[], []]
    for trials in told:
        tuner = Tuner(
            "deconvolution", Wiener(), "admm", parts, [10.2, 25.5], [1, 2], 0, trials.append
        )
        found = tuner.run(Budget(evaluations=5))
        assert found.evaluations == len(trials) + 2  # and the default at each level
    assert told[0] == told[1]
    for count in (1, 2):
        for level in (10.2, 25.5):
            mine = [t for t in told[0] if (t.iterations, t.level) == (count, level)]
            assert 1 <= len(mine) <= 5
            assert max(t.psnr for t in mine) == found.best[count][level].psnr
            assert found.best[count][level].best


def trial(psnr: float) -> Trial:
    values: Mapping[str, float] = {}
    return Trial(1.0, 1, values, psnr, True)


def test_more_iterations_must_be_worthwhile() -> None:
    found = Found(best={4: {1.0: trial(30.0)}, 8: {1.0: trial(30.5)}, 16: {1.0: trial(30.51)}})
    assert found.iterations() == 8
    # A count that was interrupted before its second level is no choice.
    found.best = {4: {1.0: trial(30.0), 2.0: trial(28.0)}, 8: {1.0: trial(33.0)}}
    assert found.iterations() == 4


def test_mistakes_are_said(parts: list[Crop]) -> None:
    with pytest.raises(UnknownNameError, match="known: deconvolution, jpeg-deblocking, super-res"):
        Tuner("denoising", Wiener(), "hqs", parts, [10], [1], 0)
    with pytest.raises(UnknownNameError, match="admm, drs, hqs"):
        Tuner("deconvolution", Wiener(), "pgd", parts, [10], [1], 0)
    with pytest.raises(InputError, match=r"level 0.01: .*0..255 scale, from 0.5 to 100"):
        Tuner("deconvolution", Wiener(), "hqs", parts, [0.01], [1], 0)
    with pytest.raises(InputError, match=r"level 10.5: .*whole number from 1 to 100"):
        Tuner("jpeg-deblocking", Wiener(), "hqs", parts, [10.5], [1], 0)
