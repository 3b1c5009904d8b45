"""Settings of the process during training."""

from __future__ import annotations

import pytest
import torch

from pnp_priors.training.process import without_subnormals


def halved(value: float) -> float:
    return (torch.full((64,), value) * 0.5)[0].item()


def test_subnormal_numbers_are_zero_inside_and_only_there() -> None:
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot flush subnormal numbers")
    tiny = torch.finfo(torch.float32).tiny
    assert 0 < halved(tiny) < tiny
    with without_subnormals():
        assert halved(tiny) == 0
        assert halved(4 * tiny) == 2 * tiny
    assert 0 < halved(tiny) < tiny


def test_they_come_back_after_an_error() -> None:
    tiny = torch.finfo(torch.float32).tiny
    with pytest.raises(ZeroDivisionError), without_subnormals():
        raise ZeroDivisionError
    assert 0 < halved(tiny) < tiny
