"""Muon: the polar factor, its share of the work, what it does to a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pnp_priors.training.muon import (
    ADAM_SHARE,
    COEFFICIENTS,
    ITERATIONS,
    STEP_RMS,
    Muon,
    orthogonalised,
)


def matrix(rows: int, columns: int, decades: float = 0.0) -> Tensor:
    """A random matrix whose singular values span this many powers of ten."""
    generator = torch.Generator().manual_seed(rows)
    u, _, v = torch.linalg.svd(torch.randn(rows, columns, generator=generator), full_matrices=False)
    return u @ torch.diag(torch.logspace(0, -decades, min(rows, columns))) @ v


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (16, 144), (80, 20)])
def test_it_keeps_the_directions_and_levels_the_singular_values(rows: int, columns: int) -> None:
    given = matrix(rows, columns, decades=1.0)
    u, values, v = torch.linalg.svd(given, full_matrices=False)
    inner = u.T @ orthogonalised(given) @ v.T
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), rtol=0, atol=1e-4)
    # The singular values are those of the same polynomial, applied to numbers.
    a, b, c = COEFFICIENTS
    s = values.double() / values.double().norm()
    for _ in range(ITERATIONS):
        s = a * s + b * s**3 + c * s**5
    torch.testing.assert_close(inner.diagonal().double(), s, rtol=1e-4, atol=1e-4)
    assert s.min() > 0.6
    assert s.max() < 1.3


def test_a_zero_gradient_stays_zero() -> None:
    assert torch.equal(orthogonalised(torch.zeros(16, 32)), torch.zeros(16, 32))


def test_the_first_step_is_the_polar_factor_at_adams_scale() -> None:
    kernels = torch.nn.Parameter(matrix(16, 18 * 9).reshape(16, 18, 3, 3))
    before, lr = kernels.detach().clone(), 0.01
    kernels.grad = matrix(16, 18 * 9, decades=0.5).reshape(16, 18, 3, 3)
    Muon([{"params": [kernels]}], lr=lr).step()
    step = (before - kernels.detach()).flatten(1)
    expected = lr * STEP_RMS * (18 * 9) ** 0.5 * orthogonalised(kernels.grad.flatten(1))
    torch.testing.assert_close(step, expected, rtol=1e-4, atol=1e-7)
    rms = step.square().mean().sqrt().item()
    assert rms == pytest.approx(STEP_RMS * lr, rel=0.3)


def test_narrow_tensors_get_adams_steps() -> None:
    def parameters() -> list[torch.nn.Parameter]:
        return [
            torch.nn.Parameter(torch.ones(shape)) for shape in [(64, 1, 3, 3), (1, 64, 3, 3), (64,)]
        ]

    ours, theirs = parameters(), parameters()
    muon = Muon([{"params": ours}], lr=0.02, betas=(0.8, 0.95))
    adam = torch.optim.Adam(theirs, lr=ADAM_SHARE * 0.02, betas=(0.8, 0.95))
    for index in range(4):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = other.grad = torch.randn(
                mine.shape, generator=torch.Generator().manual_seed(index)
            )
        muon.step()
        adam.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_momentum_is_nesterovs() -> None:
    kernels = torch.nn.Parameter(torch.zeros(16, 32))
    muon = Muon([{"params": [kernels]}], lr=1.0, momentum=0.9)
    first, second = matrix(16, 32), matrix(17, 32)[:16]
    kernels.grad = first
    muon.step()
    before = kernels.detach().clone()
    kernels.grad = second
    muon.step()
    average = 0.9 * 0.1 * first + 0.1 * second
    direction = 0.1 * second + 0.9 * average
    expected = STEP_RMS * 32**0.5 * orthogonalised(direction)
    torch.testing.assert_close(before - kernels.detach(), expected, rtol=1e-4, atol=1e-5)


def test_what_gets_no_gradient_stays_where_it_is() -> None:
    """Momentum that fades out behind a dead ReLU must not be blown up to a step of full length."""
    parameters = [torch.nn.Parameter(torch.randn(16, 16)) for _ in range(2)]
    optimizer = Muon([{"params": parameters}], lr=0.1)
    for parameter in parameters:
        parameter.grad = torch.randn(16, 16)
    optimizer.step()
    before = [parameter.detach().clone() for parameter in parameters]
    parameters[0].grad = torch.zeros(16, 16)
    optimizer.step()
    assert torch.equal(parameters[0], before[0])
    assert not torch.equal(parameters[1], before[1])


def test_a_run_continues_from_its_state() -> None:
    def start() -> tuple[torch.nn.Linear, Muon]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(20, 20)
        return layer, Muon([{"params": list(layer.parameters())}], lr=0.01)

    def step(layer: torch.nn.Linear, optimizer: Muon, seed: int) -> None:
        x = torch.randn(5, 20, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()

    whole, whole_optimizer = start()
    for seed in range(6):
        step(whole, whole_optimizer, seed)
    first, first_optimizer = start()
    for seed in range(3):
        step(first, first_optimizer, seed)
    second, second_optimizer = start()
    second.load_state_dict(first.state_dict())
    second_optimizer.load_state_dict(first_optimizer.state_dict())
    for seed in range(3, 6):
        step(second, second_optimizer, seed)
    assert torch.equal(second.weight, whole.weight)
    assert torch.equal(second.bias, whole.bias)
