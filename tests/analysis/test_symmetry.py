"""Errors of equivariance: none where D commutes, the right ones where it does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pnp_priors.analysis.symmetry import SHIFTS, shift_errors, symmetry_errors
from pnp_priors.priors.equivariant import Equivariant
from pnp_priors.symmetries import NAMES


def noisy(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("factor", [0.0, 0.7, 1.0])
def test_a_multiple_commutes_with_everything(factor: float) -> None:
    x = noisy(40, 48)
    assert symmetry_errors(lambda u: factor * u, x) == dict.fromkeys(NAMES[1:], 0.0)
    assert shift_errors(lambda u: factor * u, x) == dict.fromkeys(SHIFTS, 0.0)


def test_a_directional_blur() -> None:
    """(x + x shifted right) / 2 becomes a shift to the left, down or up."""
    x = noisy(12, 12)

    def shift(down: int, right: int) -> Tensor:
        return torch.roll(x, (down, right), (-2, -1))

    errors = symmetry_errors(lambda u: (u + torch.roll(u, 1, -1)) / 2, x)
    # T^-1 D T shifts to where T^-1 takes "right".
    becomes = {
        "rotation 90°": (1, 0),
        "rotation 180°": (0, -1),
        "rotation 270°": (-1, 0),
        "flip left-right": (0, -1),
        "transposition": (1, 0),
        "flip up-down": (0, 1),
        "anti-transposition": (-1, 0),
    }
    for name, to in becomes.items():
        expected = float((shift(*to) - shift(0, 1)).norm() / (x - shift(0, 1)).norm())
        assert errors[name] == pytest.approx(expected, abs=1e-12), name
    assert errors["flip up-down"] == 0
    assert errors["flip left-right"] > 0.5


def test_averaging_over_the_group_removes_the_error(formula) -> None:
    prior = formula(lambda x, s: (x + torch.roll(x, 1, -1)) / 2).double()
    x = noisy(12, 12)
    assert max(symmetry_errors(lambda u: prior(u, 0.1), x).values()) > 0.5
    averaged = Equivariant(prior)
    assert max(symmetry_errors(lambda u: averaged(u, 0.1), x).values()) < 1e-12


def test_a_convolution_commutes_with_shifts_away_from_the_border() -> None:
    kernel = torch.rand(1, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    errors = shift_errors(
        lambda u: torch.nn.functional.conv2d(u, kernel, padding=2) / 12, noisy(40, 48)
    )
    assert max(errors.values()) < 1e-12


def test_a_grid_of_columns_does_not() -> None:
    """D sets every second column to 0: where it is off by one column, all of x differs."""

    def stripes(u: Tensor) -> Tensor:
        return u * (torch.arange(u.shape[-1]) % 2)

    errors = shift_errors(stripes, torch.ones(1, 1, 40, 48, dtype=torch.float64))
    assert errors["down"] == 0
    # 29 columns are compared, of which 15 or 14 are set to 0.
    for name in ("right", "down and right"):
        assert errors[name] == pytest.approx(2**0.5, rel=0.03)
