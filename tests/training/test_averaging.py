"""The moving average of weights, step by step."""

from __future__ import annotations

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from pnp_priors.training.averaging import moving_average


def run(decay: float, values: list[float]) -> float:
    """The average of a network's one weight, which takes these values."""
    network = torch.nn.Linear(1, 1, bias=False)
    average = AveragedModel(network, multi_avg_fn=moving_average(decay))
    for value in values:
        torch.nn.init.constant_(network.weight, value)
        average.update_parameters(network)
    return average.module.weight.item()


def test_first_steps_are_forgotten() -> None:
    assert run(0.999, [1.0]) == 1  # the first one is taken as it is
    # Then (1 + n)/(10 + n) of the old average stays, whatever the decay: 2/11, 3/12, 4/13.
    expected = 0.0
    for n, value in enumerate([1.0, 2.0, 3.0], start=1):
        keep = (1 + n) / (10 + n)
        expected = keep * expected + (1 - keep) * value
    assert run(0.999, [0.0, 1.0, 2.0, 3.0]) == pytest.approx(expected, rel=1e-6)


def test_start_of_a_short_run_is_gone() -> None:
    assert run(0.999, [1.0] + 400 * [0.0]) < 1e-9
    assert 0.999**400 > 0.6  # what a fixed decay would have kept of it


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_decay_is_an_upper_limit(decay: float) -> None:
    assert run(decay, [1.0, 0.0, 0.0]) == pytest.approx(decay**2)


def test_a_long_run_averages_with_the_decay() -> None:
    weights = torch.nn.Parameter(torch.ones(2))
    update = moving_average(0.999)
    update([weights.data], [torch.zeros(2)], torch.tensor(100_000))
    torch.testing.assert_close(weights.data, torch.full((2,), 0.999))
