"""Which three levels an example shows, and that its steps are the prior's own."""

from __future__ import annotations

import pytest
import torch

import pnp_priors
from pnp_priors.analysis.regimes import LevelRange
from pnp_priors.showing.example import example, iterates, scores, steps, three


@pytest.mark.parametrize(
    ("inside", "beyond", "expected"),
    [
        ((5, 15, 25, 50, 75), (112.5, 150), [5, 25, 75]),
        ((25,), (6.25, 12.5, 37.5, 50), [12.5, 25, 37.5]),
        ((5, 10), (15, 20), [5, 10, 15]),
        ((10,), (5, 20, 30, 40), [5, 10, 20]),
        ((75,), (100, 150), [75, 100, 150]),
        ((20,), (), [20]),
    ],
)
def test_three_levels(inside, beyond, expected) -> None:
    assert three(LevelRange((0, 1), inside, beyond), usual=25) == expected


def test_an_example_is_what_the_prior_makes_of_it(formula) -> None:
    half = formula(lambda x, sigma: 0.5 * x)
    shown = example(half, side=32)
    assert [one.level for one in shown.levels] == [5, 25, 50]
    assert shown.usual.level == 25
    assert shown.named(25.0) == "σ = 25/255"
    for one in shown.levels:
        assert one.trained
        torch.testing.assert_close(one.output, (0.5 * one.input).clamp(0, 1))
    # The same noise at each level but for its strength.
    first, last = ((one.input - shown.clean) / one.level for one in shown.levels[::2])
    torch.testing.assert_close(first, last, atol=1e-6, rtol=1e-4)


def test_a_jpeg_prior_is_shown_at_qualities() -> None:
    shown = example(pnp_priors.load("trd-jpeg-q10"), side=32)
    assert [(one.level, one.trained) for one in shown.levels] == [
        (5, False),
        (10, True),
        (20, False),
    ]
    assert shown.named(10.0) == "q = 10"


@pytest.mark.parametrize(
    ("name", "key", "count"),
    [
        ("trd-5x5-s25", "active_stages", 5),
        ("trd-jpeg-q10", "active_stages", 4),
        ("ka-s25", "iterations", 10),
    ],
)
def test_the_last_step_is_the_result(name, key, count) -> None:
    prior = pnp_priors.load(name)
    shown = example(prior, side=32)
    found = iterates(prior, key, shown)
    assert len(found) == count + 1
    assert getattr(prior, key) == count
    assert torch.equal(found[0], shown.usual.input)
    assert torch.equal(found[-1].clamp(0, 1), shown.usual.output)
    values = scores(found, shown)
    assert (values[0], values[-1]) == shown.usual.psnr


def test_steps_come_back_after_an_error() -> None:
    prior = pnp_priors.load("trd-5x5-s25")

    def interrupted() -> None:
        with steps(prior, "active_stages", 2):
            assert prior.active_stages == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert prior.active_stages == 5
