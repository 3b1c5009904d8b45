"""ADMM and DRS: deepinv's at a constant step, and the same problem's when the step changes."""

from __future__ import annotations

from typing import Any

import deepinv
import pytest
import torch
from deepinv.optim import L2, PnP
from torch import Tensor

from pnp_priors.solvers import Schedule, solver

SIZE = (5, 6)
COUNT = SIZE[0] * SIZE[1]


class Tikhonov(deepinv.models.Denoiser):
    """The proximal map of gamma c/2 |x|^2, with sigma² = gamma."""

    def forward(self, x: Tensor, sigma: float | Tensor, **_: object) -> Tensor:
        return x / (1 + 0.3 * sigma**2)


@pytest.fixture(scope="module")
def physics() -> deepinv.physics.BlurFFT:
    kernel = torch.tensor([[0.0, 0.1, 0.0], [0.1, 0.5, 0.1], [0.0, 0.2, 0.0]])[None, None]
    return deepinv.physics.BlurFFT(img_size=(1, *SIZE), filter=kernel.double()).double()


@pytest.fixture(scope="module")
def y(physics: deepinv.physics.BlurFFT) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return physics.A(torch.rand(1, 1, *SIZE, generator=generator, dtype=torch.float64))


@pytest.fixture(scope="module")
def expected(physics: deepinv.physics.BlurFFT, y: Tensor) -> Tensor:
    """argmin 1/2 |Ax - y|² + 0.3/2 |x|²."""
    units = torch.eye(COUNT, dtype=torch.float64).reshape(COUNT, 1, 1, *SIZE)
    matrix = torch.stack([physics.A(unit).flatten() for unit in units], dim=1)
    system = matrix.T @ matrix + 0.3 * torch.eye(COUNT, dtype=torch.float64)
    return torch.linalg.solve(system, matrix.T @ y.flatten()).reshape(y.shape)


@pytest.mark.parametrize(("name", "kind"), [("admm", "ADMM"), ("drs", "DRS")])
def test_a_constant_step_gives_deepinv_s_iterates(
    name: str, kind: str, physics: deepinv.physics.BlurFFT, y: Tensor
) -> None:
    """Once deepinv's ADMM is told to begin without a multiplier; its DRS does."""
    settings: dict[str, Any] = {"stepsize": 2.0, "g_param": 1.4, "max_iter": 5}
    theirs = getattr(deepinv.optim, kind)(
        prior=PnP(denoiser=Tikhonov()), data_fidelity=L2(), **settings
    )
    start = physics.A_adjoint(y)
    init = (start, torch.zeros_like(start) if name == "admm" else start)
    ours = solver(name, Tikhonov(), Schedule((1.4,) * 5, (2.0,) * 5))
    torch.testing.assert_close(ours(y, physics), theirs(y, physics, init=init), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["admm", "drs"])
def test_a_solution_stays_one_when_the_step_changes(
    name: str, physics: deepinv.physics.BlurFFT, y: Tensor, expected: Tensor
) -> None:
    """The problem does not depend on the step: from its solution, no new step leads away.

    deepinv's own iterations leave it by more than 0.01.
    """
    gammas = [2.0] * 300 + [20.0, 0.2, 0.02]
    sigmas = [gamma**0.5 for gamma in gammas]
    found = solver(name, Tikhonov(), Schedule(tuple(sigmas), tuple(gammas)))(y, physics)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    theirs = getattr(deepinv.optim, name.upper())(
        prior=PnP(denoiser=Tikhonov()),
        data_fidelity=L2(),
        stepsize=gammas,
        g_param=sigmas,
        max_iter=len(gammas),
    )(y, physics)
    assert (theirs - expected).abs().max() > 0.01


@pytest.mark.parametrize("name", ["admm", "drs"])
def test_the_start_may_be_given(name: str, physics: deepinv.physics.BlurFFT, y: Tensor) -> None:
    """As an image; a multiplier that comes with it is not taken."""
    schedule = Schedule((1.4,) * 3, (2.0,) * 3)
    model = solver(name, Tikhonov(), schedule)
    start = physics.A_adjoint(y)
    assert torch.equal(model(y, physics, init=start), model(y, physics))
    assert torch.equal(model(y, physics, init=(start, start)), model(y, physics))
    assert not torch.allclose(model(y, physics, init=0 * start), model(y, physics))
