"""The search for parameters: SciPy's COBYQA on their logarithms, within a budget."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scipy.optimize import Bounds, minimize

#: by how much a parameter changes in the first steps, and below which change it is found: factors
_FIRST, _LAST = 1.6, 1.02


@dataclass(frozen=True)
class Parameter:
    """What is searched for, a positive number."""

    name: str
    low: float
    high: float


@dataclass
class Budget:
    """When to stop.

    :param seconds: of all that is to come, ``None`` for no limit.
    :param evaluations: of one search.
    :param clock: seconds, as :func:`time.monotonic` counts them.
    """

    seconds: float | None = None
    evaluations: int = 25
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def share(self, searches: int) -> float:
        """The time at which the first of so many searches has had its part of what is left."""
        if self.seconds is None:
            return math.inf
        left = max(self.seconds - (self.clock() - self._start), 0.0)
        return self.clock() + left / searches


class _SpentError(Exception):
    """The budget is spent."""


def search(
    score: Callable[[Mapping[str, float]], float],
    parameters: tuple[Parameter, ...],
    start: Mapping[str, float],
    evaluations: int,
    until: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Look for the parameters of the highest score; who calls keeps what ``score`` was asked for.

    COBYQA (Ragonneau, Zhang; SciPy's) models the score by a quadratic function, which suits smooth
    scores of a few parameters that take seconds to evaluate. It is deterministic: only the time
    budget, where that is spent first, makes two runs differ.

    :param score: of parameters by name, each within its bounds; the start's is asked for first.
    :param start: within the bounds.
    :param evaluations: at most so many.
    :param until: no evaluation begins after this time of ``clock``, but the first one.
    """
    asked = 0

    def loss(logarithms: list[float]) -> float:
        nonlocal asked
        if asked >= evaluations or (asked and clock() >= until):
            raise _SpentError
        asked += 1
        values = {
            p.name: min(max(math.exp(x), p.low), p.high)
            for p, x in zip(parameters, logarithms, strict=True)
        }
        return -score(values)

    bounds = Bounds([math.log(p.low) for p in parameters], [math.log(p.high) for p in parameters])
    first = [math.log(start[p.name]) for p in parameters]
    options = {
        "initial_tr_radius": math.log(_FIRST),
        "final_tr_radius": math.log(_LAST),
        "maxfev": evaluations,
    }
    with contextlib.suppress(_SpentError):
        minimize(loss, first, method="COBYQA", bounds=bounds, options=options)
