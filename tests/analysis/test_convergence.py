"""Verdicts by their thresholds, and runs whose course is known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pnp_priors.analysis.convergence import (
    BLOWN_UP,
    LAST,
    SETTLED,
    SOLVERS,
    judge,
    run,
    standard_problem,
)

ROOM = 0.9


def scene() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 1, 32, 32, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("changes", "growth", "verdict"),
    [
        ([1.0] + [ROOM * SETTLED] * LAST, 1.0, "converged"),
        ([1.0] + [ROOM * SETTLED] * (LAST - 1), 1.0, "did not settle"),
        ([ROOM * SETTLED] * (LAST - 1) + [1.1 * SETTLED], 1.0, "did not settle"),
        ([1e-6] * (LAST - 1), 1.0, "did not settle"),
        ([1e-6] * LAST, 1.1 * BLOWN_UP, "diverged"),
        ([0.1, math.inf, math.nan], 1.0, "diverged"),
        ([1e-6] * LAST, math.nan, "diverged"),
    ],
)
def test_verdicts(changes: list[float], growth: float, verdict: str) -> None:
    assert judge(changes, [20.0] * (len(changes) + 1), growth)[0].verdict == verdict


def test_what_is_not_finite_is_cut_off() -> None:
    end, curve = judge([0.5, 0.9, math.inf], [20.0, 21.0, 3.0, -math.inf], math.inf)
    assert curve.relative_change == [0.5, 0.9]
    assert curve.psnr == [20.0, 21.0, 3.0]
    assert (end.relative_change, end.psnr) == (None, None)
    assert (end.best_psnr, end.best_iteration) == (21.0, 1)


def test_pgd_with_a_contraction_is_what_it_is_by_hand(scaling) -> None:
    """x' = a (x - A'(A x - y)) shrinks each step by a (1 - |h|^2), at least by a."""
    problem = standard_problem(scene())
    end, curve = run("pgd", scaling(0.5).double(), problem, 40)
    x = problem.physics.A_adjoint(problem.y)
    steps, changes = [], []
    for _ in range(40):
        gradient = problem.physics.A_adjoint(problem.physics.A(x) - problem.y)
        before, x = x, 0.5 * (x - gradient)
        steps.append(float((x - before).norm()))
        changes.append(steps[-1] / float(x.norm()))
    assert curve.relative_change == pytest.approx(changes, rel=1e-4)
    # Later ones are of the size of rounding: deepinv's transform of the kernel is in float32.
    for earlier, later in pairwise(steps[:15]):
        assert 0 < later < 0.5 * earlier
    assert end.verdict == "converged"
    assert end.relative_change == curve.relative_change[-1] < SETTLED
    assert end.psnr == curve.psnr[-1]
    assert len(curve.psnr) == len(curve.relative_change) + 1 == 41


@pytest.mark.parametrize("name", SOLVERS)
def test_all_solvers_settle_with_tikhonovs_prior(name: str, scaling) -> None:
    end, _ = run(name, scaling(0.5).double(), standard_problem(scene()), 40)
    assert end.verdict == "converged"


def test_solvers_of_the_same_problem_agree(scaling) -> None:
    """ADMM and PGD minimise the same cost where D is a proximal map: their images are equal."""
    ends = [run(n, scaling(0.5).double(), standard_problem(scene()), 60)[0] for n in SOLVERS]
    assert ends[1].psnr == pytest.approx(ends[2].psnr, abs=1e-3)


@pytest.mark.parametrize("name", ["hqs", "pgd"])
def test_a_prior_that_amplifies_diverges(name: str, scaling) -> None:
    """What the blur removes is multiplied by 2 in each iteration."""
    end, curve = run(name, scaling(2.0).double(), standard_problem(scene()), 60)
    assert end.verdict == "diverged"
    assert curve.psnr[-1] < curve.psnr[0] - 20


def test_a_prior_that_gives_nan_diverges(formula) -> None:
    end, curve = run("hqs", formula(lambda x, s: x * math.nan), standard_problem(scene()), 12)
    assert end.verdict == "diverged"
    assert curve.relative_change == []
    assert len(curve.psnr) == 1


def test_sigma_is_fixed_and_each_iteration_is_counted(formula) -> None:
    """A blind prior would be warned of, were that not silenced: warnings are errors here."""
    seen, count = [], []
    prior = formula(lambda x, s: seen.append(float(s)) or 0.5 * x, blind=True).double()
    run("admm", prior, standard_problem(scene()), 7, lambda: count.append(1))
    assert len(seen) == len(count) == 7
    assert len(set(seen)) == 1
    assert not prior._forward_hooks


def test_the_problem_is_blurred_and_noisy_and_always_the_same() -> None:
    flat = torch.full((1, 3, 32, 40), 0.5)
    problem = standard_problem(flat)
    assert problem.y.shape == flat.shape
    torch.testing.assert_close(problem.physics.A(flat), flat, atol=1e-5, rtol=0)
    assert float((problem.y - flat).std()) == pytest.approx(7.65 / 255, rel=0.05)
    assert torch.equal(standard_problem(flat).y, problem.y)
    assert not torch.equal(standard_problem(flat, seed=1).y, problem.y)
