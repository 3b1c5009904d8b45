"""The search on a function whose maximum is known, and its budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from pnp_priors.tuning.search import Budget, Parameter, search

PARAMETERS = (Parameter("a", 0.01, 100.0), Parameter("b", 0.1, 2.0))


class Hill:
    """A quadratic function of the logarithms; keeps what it was asked for."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b
        self.asked: list[dict[str, float]] = []

    def __call__(self, values: Mapping[str, float]) -> float:
        self.asked.append(dict(values))
        x, y = math.log(values["a"] / self.a), math.log(values["b"] / self.b)
        return 30 - x * x - 0.5 * x * y - y * y

    @property
    def best(self) -> dict[str, float]:
        return max(list(self.asked), key=Hill(self.a, self.b))


def test_the_top_of_a_hill_is_found() -> None:
    hill = Hill(6.0, 0.5)
    search(hill, PARAMETERS, {"a": 1.0, "b": 1.0}, evaluations=40)
    assert hill.asked[0] == pytest.approx({"a": 1.0, "b": 1.0})
    assert hill.best == pytest.approx({"a": 6.0, "b": 0.5}, rel=0.05)
    assert len(hill.asked) <= 40


def test_beyond_a_bound_the_best_is_on_it() -> None:
    """With b = 2: the derivative by x is -2 x - 0.5 log(2/8), so x = log(4) / 4."""
    hill = Hill(6.0, 8.0)
    search(hill, PARAMETERS, {"a": 1.0, "b": 2.0}, evaluations=60)
    assert all(0.1 <= values["b"] <= 2.0 for values in hill.asked)
    assert hill.best["b"] == pytest.approx(2.0, rel=0.02)
    assert hill.best["a"] == pytest.approx(6.0 * 4**0.25, rel=0.05)


def test_it_is_deterministic() -> None:
    first, second = Hill(6.0, 0.5), Hill(6.0, 0.5)
    for hill in (first, second):
        search(hill, PARAMETERS, {"a": 1.0, "b": 1.0}, evaluations=15)
    assert first.asked == second.asked


@pytest.mark.parametrize("evaluations", [1, 4, 9])
def test_no_more_evaluations_than_allowed(evaluations: int) -> None:
    hill = Hill(6.0, 0.5)
    search(hill, PARAMETERS, {"a": 1.0, "b": 1.0}, evaluations)
    assert len(hill.asked) == evaluations


def test_no_evaluation_begins_late_but_the_first() -> None:
    hill = Hill(6.0, 0.5)
    start = {"a": 1.0, "b": 1.0}
    # Each evaluation takes a second of this clock.
    search(hill, PARAMETERS, start, 40, until=5.0, clock=lambda: float(len(hill.asked)))
    assert len(hill.asked) == 5
    search(hill, PARAMETERS, start, 40, until=5.0, clock=lambda: 9.0)
    assert len(hill.asked) == 6


def test_what_one_search_leaves_is_shared_by_the_rest() -> None:
    now = [100.0]
    budget = Budget(seconds=60.0, clock=lambda: now[0])
    assert budget.share(3) == 120.0
    now[0] = 110.0
    assert budget.share(2) == 135.0
    now[0] = 500.0
    assert budget.share(1) == 500.0
    assert Budget().share(4) == math.inf
