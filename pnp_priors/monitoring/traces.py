"""What the iterates of a solver did, kept until somebody asks. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Divergence:
    """Where a run diverged and what was returned instead.

    :param iteration: the first bad one, counted from 1.
    :param reason: what was seen there.
    :param fallback: the iterate that is the result; 0 is the solver's start.
    """

    iteration: int
    reason: str
    fallback: int

    def __str__(self) -> str:
        kept = f"iterate {self.fallback}" if self.fallback else "the solver's start"
        return f"diverged in iteration {self.iteration}: {self.reason}; the result is {kept}"


@dataclass
class Trace:
    """What one image's iterates did.

    :param change: per iteration, :math:`\\|x_k - x_{k-1}\\| / \\|x_k\\|`.
    :param residual: per iteration, the root mean square of :math:`Ax_k - y` in the units of y;
        empty where y is not a tensor (JPEG).
    """

    change: list[float] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    divergence: Divergence | None = None

    @property
    def warnings(self) -> list[str]:
        return [] if self.divergence is None else [str(self.divergence)]


#: runs of the restoration in progress, where somebody collects them
_runs: ContextVar[list[list[Trace]] | None] = ContextVar("runs", default=None)


@contextmanager
def collected() -> Iterator[list[list[Trace]]]:
    """Collect the traces of all solvers' runs inside, one list per run, see :func:`keep`."""
    runs: list[list[Trace]] = []
    token = _runs.set(runs)
    try:
        yield runs
    finally:
        _runs.reset(token)


def keep(traces: list[Trace]) -> bool:
    """Hand the traces of a run to who collects them; say whether anybody does."""
    runs = _runs.get()
    if runs is None:
        return False
    runs.append(traces)
    return True


def of_image(runs: Sequence[Sequence[Trace]], position: int, batch: int) -> tuple[Trace, ...]:
    """Those traces of :func:`collected` that are of one image of a batch.

    :param runs: of the whole batch at once, or of one image (or tile of it) each, image by image.
    """
    if all(len(run) == batch for run in runs):
        return tuple(run[position] for run in runs)
    of_each = len(runs) // batch
    return tuple(trace for run in runs[position * of_each :][:of_each] for trace in run)
