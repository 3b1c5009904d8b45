"""deepinv's solvers as built here: they reach the solutions that algebra gives."""

from __future__ import annotations

import warnings

import deepinv
import pytest
import torch
from torch import Tensor

import pnp_priors
from pnp_priors.errors import BlindPriorWarning, UnknownNameError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.solvers import SOLVERS, Schedule, dpir, solver

SIZE = (5, 6)
COUNT = SIZE[0] * SIZE[1]


class Shrink(deepinv.models.Denoiser):
    """x / (1 + c): the proximal map of c/2 |x|^2, Tikhonov's prior."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = c
        self.seen: list[float] = []

    def forward(self, x: Tensor, sigma: float | Tensor, **_: object) -> Tensor:
        self.seen.append(float(sigma))
        return x / (1 + self.c)


@pytest.fixture(scope="module")
def physics() -> deepinv.physics.BlurFFT:
    kernel = torch.tensor([[0.0, 0.1, 0.0], [0.1, 0.5, 0.1], [0.0, 0.2, 0.0]])[None, None]
    return deepinv.physics.BlurFFT(img_size=(1, *SIZE), filter=kernel.double()).double()


@pytest.fixture(scope="module")
def matrix(physics: deepinv.physics.BlurFFT) -> Tensor:
    units = torch.eye(COUNT, dtype=torch.float64).reshape(COUNT, 1, 1, *SIZE)
    return torch.stack([physics.A(unit).flatten() for unit in units], dim=1)


@pytest.fixture(scope="module")
def y(physics: deepinv.physics.BlurFFT) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return physics.A(torch.rand(1, 1, *SIZE, generator=generator, dtype=torch.float64))


def constant(iterations: int, stepsize: float, sigma: float = 0.05) -> Schedule:
    return Schedule((sigma,) * iterations, (stepsize,) * iterations)


def tikhonov(matrix: Tensor, y: Tensor, weight: float) -> Tensor:
    """argmin 1/2 |Ax - y|^2 + weight/2 |x|^2."""
    system = matrix.T @ matrix + weight * torch.eye(COUNT, dtype=torch.float64)
    return torch.linalg.solve(system, matrix.T @ y.flatten()).reshape(y.shape)


@pytest.mark.parametrize("name", ["admm", "drs"])
@pytest.mark.parametrize("stepsize", [0.5, 3.0])
def test_admm_and_drs_solve_tikhonov(
    name: str, stepsize: float, physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor
) -> None:
    """prox of gamma g = x / (1 + c), so g = c / (2 gamma) |x|^2."""
    c = 0.3
    found = solver(name, Shrink(c), constant(150, stepsize))(y, physics)
    torch.testing.assert_close(found, tikhonov(matrix, y, c / stepsize), rtol=0, atol=1e-5)


def test_pgd_solves_tikhonov(physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor) -> None:
    """Its step is 1, whatever the schedule's: x (1 + c) = x - A'(Ax - y)."""
    found = solver("pgd", Shrink(0.3), constant(150, 5.0))(y, physics)
    torch.testing.assert_close(found, tikhonov(matrix, y, 0.3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stepsize", [0.5, 3.0])
def test_red_solves_tikhonov(
    stepsize: float, physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor
) -> None:
    """A'(Ax - y) + (x - D x) / gamma = 0 with x - D x = x c / (1 + c)."""
    found = solver("red", Shrink(0.3), constant(300, stepsize))(y, physics)
    weight = 0.3 / 1.3 / stepsize
    torch.testing.assert_close(found, tikhonov(matrix, y, weight), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stepsize", [0.5, 3.0])
def test_hqs_reaches_its_fixed_point(
    stepsize: float, physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor
) -> None:
    """x = D u and u = (g A'A + I)^-1 (g A'y + x), that is (g A'A + I - D) u = g A'y."""
    c = 0.3
    found = solver("hqs", Shrink(c), constant(150, stepsize))(y, physics)
    u = tikhonov(matrix, y, (1 - 1 / (1 + c)) / stepsize)
    torch.testing.assert_close(found, u / (1 + c), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("hqs", 1e-4), ("admm", 1e-4), ("drs", 1e-4), ("pgd", 1e-2), ("red", 1e-2)],
)
def test_without_a_prior_they_solve_least_squares(
    name: str, tolerance: float, physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor
) -> None:
    # The gradient methods creep along the blur's weakest direction: hence their tolerance.
    expected = torch.linalg.lstsq(matrix, y.flatten()[:, None]).solution.reshape(y.shape)
    found = solver(name, Shrink(0.0), constant(400, 5.0))(y, physics)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_each_iteration_has_its_sigma(
    name: str, physics: deepinv.physics.BlurFFT, y: Tensor
) -> None:
    prior, schedule = Shrink(0.1), dpir(0.02, 5)
    restored = solver(name, prior, schedule)(y, physics)
    assert restored.shape == y.shape
    assert torch.isfinite(restored).all()
    assert prior.seen == pytest.approx(list(schedule.sigma))


def test_each_data_step_has_its_stepsize(
    physics: deepinv.physics.BlurFFT, matrix: Tensor, y: Tensor
) -> None:
    """HQS by hand, with a schedule of which no two steps are the same."""
    schedule = dpir(0.02, 4)
    x = matrix.T @ y.flatten()
    for step in schedule.stepsize:
        system = step * matrix.T @ matrix + torch.eye(COUNT, dtype=torch.float64)
        x = torch.linalg.solve(system, step * matrix.T @ y.flatten() + x) / 1.2
    found = solver("hqs", Shrink(0.2), schedule)(y, physics)
    torch.testing.assert_close(found.flatten(), x, rtol=0, atol=1e-5)


def test_a_solver_runs_twice_with_the_same_result(
    physics: deepinv.physics.BlurFFT, y: Tensor
) -> None:
    for name in SOLVERS:
        model = solver(name, Shrink(0.1), dpir(0.02, 4))
        assert torch.equal(model(y, physics), model(y, physics)), name


def test_an_unknown_solver_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'admn': nearest: admm.*known: admm, drs, hqs"):
        solver("admn", Shrink(0.1), dpir(0.02))


def test_a_released_blind_prior_is_named() -> None:
    with pytest.warns(BlindPriorWarning, match="solver 'hqs' with bf-dncnn, a blind prior"):
        solver("hqs", pnp_priors.load("bf-dncnn"), dpir(0.02, 3))


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_blind_prior_is_warned_of_once(name: str) -> None:
    """With the line that built the solver; a prior that takes sigma is not warned of."""
    sizes = {"depth": 2, "width": 4}
    with pytest.warns(BlindPriorWarning, match="noise that it was not trained for") as caught:
        solver(name, DnCNN(**sizes, blind=True, sigma_range=(0.0, 0.2)), dpir(0.02, 3))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert f"solver '{name}' with DnCNN, a blind prior" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solver(name, DnCNN(**sizes), dpir(0.02, 3))
        warnings.filterwarnings("ignore", category=BlindPriorWarning)
        solver(name, DnCNN(**sizes, blind=True), dpir(0.02, 3))
