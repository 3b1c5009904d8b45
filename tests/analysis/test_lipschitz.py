"""Lower bounds reach the constants that algebra gives, and never pass them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pnp_priors.analysis.lipschitz import PowerIteration, lower_bound


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network() -> nn.Module:
    """Smooth, not linear, not symmetric; small enough for its whole Jacobian."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1)]
    return nn.Sequential(*layers).double().requires_grad_(False)


@pytest.mark.parametrize("factor", [-1.5, 0.0, 0.3, 2.0])
def test_a_multiple_of_the_image(factor: float) -> None:
    x = random(1, 2, 5, 4)
    assert lower_bound(lambda u: factor * u, x, 2) == pytest.approx(abs(factor), abs=1e-12)
    residual = lower_bound(lambda u: u - factor * u, x, 2)
    assert residual == pytest.approx(abs(1 - factor), abs=1e-12)


def test_a_matrix_has_its_spectral_norm() -> None:
    matrix = random(20, 20, seed=1) - 0.4
    largest = float(torch.linalg.matrix_norm(matrix, 2))
    x = random(1, 1, 4, 5)

    def function(u: Tensor) -> Tensor:
        return (matrix @ u.flatten()).reshape(u.shape)

    found = [lower_bound(function, x, iterations) for iterations in (1, 5, 60)]
    assert found == sorted(found)
    assert found[0] < 0.9 * largest
    assert found[2] == pytest.approx(largest, rel=1e-9)
    assert found[2] <= largest * (1 + 1e-12)


@pytest.mark.parametrize("residual", [False, True], ids=["D", "I - D"])
def test_a_network_has_the_largest_singular_value_of_its_jacobian(residual: bool) -> None:
    model, x = network(), random(1, 1, 6, 6)

    def function(u: Tensor) -> Tensor:
        return u - model(u) if residual else model(u)

    jacobian = torch.autograd.functional.jacobian(function, x).reshape(36, 36)
    largest = float(torch.linalg.matrix_norm(jacobian, 2))
    assert lower_bound(function, x, 300, step=1e-4) == pytest.approx(largest, rel=1e-5)


def test_it_is_a_lower_bound_of_what_is_not_linear() -> None:
    """sin(3 x) has the constant 3, which is reached at x = 0 by small steps alone."""

    def function(u: Tensor) -> Tensor:
        return torch.sin(3 * u)

    zero = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    assert lower_bound(function, zero, 5, step=1e-3) == pytest.approx(3, rel=1e-5)
    for step in (0.01, 1.0, 10.0):
        assert lower_bound(function, random(1, 1, 4, 4), 30, step=step) <= 3


def test_a_start_saves_iterations() -> None:
    model, x = network(), random(1, 1, 6, 6)
    long = PowerIteration(model, x)
    for _ in range(100):
        long.advance()
    assert PowerIteration(model, x, start=5 * long.best).advance() == pytest.approx(long.bound)
    assert PowerIteration(model, x).advance() < 0.9 * long.bound


def test_a_constant_has_none() -> None:
    assert lower_bound(lambda u: 0 * u + 0.5, random(1, 1, 3, 3), 3) == 0


def test_the_same_seed_finds_the_same() -> None:
    model, x = network(), random(1, 1, 6, 6)
    assert lower_bound(model, x, 3) == lower_bound(model, x, 3)
    assert lower_bound(model, x, 3) != lower_bound(model, x, 3, seed=1)
