"""Checks an exported file: against torch where that is installed, else against its reference."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.extras import installed
from pnp_priors.report.similarity import psnr
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.reference import RESTORED, read_reference
from pnp_priors.runtime.session import Session, open_session

Result = TypeVar("Result")

#: by precision, how far in dB PSNR may be from torch's; int8: from what its passport states of it
PSNR_LIMITS = {"float32": 0.001, "float16": 0.01, "int8": 0.5}
#: of noise levels in 1/255 where it holds, and of images with at least so many values
_PSNR_LEVELS, _PSNR_VALUES = (5.0, 50.0), 1000


@dataclass(frozen=True)
class Problem:
    """Inputs of a graph, and what torch makes of them.

    :param label: what this is, in a few words.
    :param exact: what the graph's output is compared with.
    :param as_used: what is timed: the same as people run it.
    :param clean: the image without what is to be removed, for PSNR.
    :param level: its noise level in 1/255; ``None``: it has another distortion.
    :param stretch: how many times the tolerance is allowed.
    """

    label: str
    inputs: dict[str, np.ndarray]
    exact: Callable[[], np.ndarray]
    as_used: Callable[[], object] | None = None
    clean: np.ndarray | None = None
    level: float | None = None
    stretch: float = 1.0

    @property
    def psnr_counts(self) -> bool:
        """Whether its PSNR says something: a pixel's does not, nor a noise-free image's."""
        low, high = _PSNR_LEVELS
        large = self.clean is not None and self.clean.size >= _PSNR_VALUES
        return large and (self.level is None or low <= self.level <= high)


@dataclass(frozen=True)
class Row:
    """One problem's result. Differences are in image units, PSNR in dB, times in seconds.

    :param psnr: of the file minus that of torch.
    :param psnr_allowed: by how much it may differ from ``psnr_stated``; ``None``: by any number.
    :param psnr_stated: what the passport says of it; 0: nothing.
    """

    label: str
    difference: float
    allowed: float
    psnr: float | None
    seconds: float
    torch_seconds: float | None
    psnr_allowed: float | None = None
    psnr_stated: float = 0.0

    @property
    def passed(self) -> bool:
        # Written so that NaN does not pass.
        return self.difference <= self.allowed and self.psnr_passed

    @property
    def psnr_passed(self) -> bool:
        return self.psnr_allowed is None or self.psnr_off < self.psnr_allowed

    @property
    def psnr_off(self) -> float:
        """How far PSNR is from what is stated of it; 0 where it has none."""
        return 0.0 if self.psnr is None else abs(self.psnr - self.psnr_stated)

    @property
    def psnr_limit(self) -> str:
        """In words."""
        about = f" about {self.psnr_stated:+.2f}" if self.psnr_stated else ""
        return f"{self.psnr_allowed:g}{about}"


@dataclass(frozen=True)
class Verdict:
    """All results of a file.

    :param against: what it was compared with: ``torch`` or ``the stored reference``.
    """

    against: str
    rows: list[Row]
    tolerance: float

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    @property
    def largest(self) -> Row:
        """The row of the largest difference."""
        return max(self.rows, key=lambda row: np.nan_to_num(row.difference, nan=np.inf))

    @property
    def worst(self) -> Row:
        """The row that is nearest to its limit, or farthest beyond it.

        Not always that of the largest difference: some rows are allowed more than others.
        """
        return max(
            self.rows, key=lambda row: np.nan_to_num(row.difference / row.allowed, nan=np.inf)
        )

    def __str__(self) -> str:
        lines = [f"  {'':<34}{'difference':>11}{'PSNR, dB':>11}{'ONNX, ms':>10}{'torch, ms':>11}"]
        for row in self.rows:
            gain = "" if row.psnr is None else f"{row.psnr:+.4f}"
            torch = "" if row.torch_seconds is None else f"{1e3 * row.torch_seconds:.1f}"
            beyond = not row.difference <= row.allowed
            mark = f"  more than {row.allowed:.1e}" if beyond else ""
            mark += "" if row.psnr_passed else f"  more than {row.psnr_limit} dB"
            lines.append(
                f"  {row.label:<34}{row.difference:>11.1e}{gain:>11}{1e3 * row.seconds:>10.1f}"
                f"{torch:>11}{mark}"
            )
        return "\n".join([*lines, self.summary])

    @property
    def summary(self) -> str:
        """The largest difference; another one that is beyond its own limit; PSNR, where something
        is said of it."""
        largest, worst = self.largest, self.worst
        text = f"largest difference to {self.against}: {_of_allowed(largest)}"
        # Where a larger difference is allowed, a smaller one elsewhere may be what is wrong.
        if worst is not largest and not worst.difference <= worst.allowed:
            text += f"; too much at {worst.label}: {_of_allowed(worst)}"
        stated = [row for row in self.rows if row.psnr is not None and row.psnr_allowed is not None]
        if not stated:
            return text
        farthest = max(stated, key=lambda row: np.nan_to_num(row.psnr_off, nan=np.inf))
        return f"{text}; of PSNR: {farthest.psnr:+.4f} dB (allowed {farthest.psnr_limit})"


def _of_allowed(row: Row) -> str:
    return f"{row.difference:.1e} (allowed {row.allowed:.2g})"


#: by the kind in a passport, what gives a file's problems, with torch
PROBLEMS = {
    "prior": "pnp_priors.export.problems:of_prior",
    "restoration": "pnp_priors.export.problems:of_restoration",
}


def verify(path: str | Path, reference: bool = False, threads: int | None = None) -> Verdict:
    """Run a file and compare.

    :param reference: compare with the reference beside it although torch is installed.
    :param threads: of the CPU.
    :raises MissingFileError: no such file, or no reference beside it.
    :raises InputError: not an exported file, a damaged one, or one of other weights than the
        installed prior's; one line.
    """
    session = open_session(path, threads=threads)
    if reference or not installed("torch", "deepinv"):
        return against_reference(session)
    return against_torch(session)


def against_reference(session: Session) -> Verdict:
    """Compare with the inputs and outputs stored beside a file."""
    stored = read_reference(session.path)
    rows = []
    for number, case in enumerate(stored.cases):
        label = f"case {number}, {_sizes(case.restored)}"
        problem = Problem(label, case.inputs, lambda case=case: case.restored)  # type: ignore[misc]
        rows.append(_measured(session, problem, stored.tolerance))
    return Verdict("the stored reference", rows, stored.tolerance)


def against_torch(session: Session) -> Verdict:
    """Compare with the prior or restoration that the passport names, in torch."""
    module, _, name = PROBLEMS[session.passport.kind].partition(":")
    problems = getattr(importlib.import_module(module), name)(session)
    tolerance = session.passport.tolerance
    return Verdict("torch", [_measured(session, one, tolerance) for one in problems], tolerance)


def _measured(session: Session, problem: Problem, tolerance: float) -> Row:
    found, seconds = _timed(lambda: session(problem.inputs, outside=True))
    exact = problem.exact()
    if found.shape != exact.shape:
        raise InputError(
            f"{session.path.name}: {RESTORED} is {list(found.shape)}, should be {list(exact.shape)}"
        )
    clean = problem.clean
    return Row(
        label=problem.label,
        difference=float(np.abs(found.astype(np.float64) - exact).max()),
        allowed=tolerance * problem.stretch,
        psnr=None if clean is None else psnr_difference(found, exact, clean),
        seconds=seconds,
        torch_seconds=None if problem.as_used is None else _timed(problem.as_used)[1],
        psnr_allowed=PSNR_LIMITS[session.passport.precision] if problem.psnr_counts else None,
        psnr_stated=psnr_stated(session.passport, problem.level),
    )


def psnr_stated(passport: Passport, level: float | None) -> float:
    """By how many dB a file says that its PSNR differs from float32's; 0 where it says nothing.

    :param level: of the noise in 1/255; between stated levels in proportion, beyond them as at the
        nearest one. ``None``: of another distortion, the mean of what is stated.
    """
    stated = sorted((float(at), value) for at, value in (passport.psnr_difference or {}).items())
    if not stated:
        return 0.0
    levels, values = zip(*stated, strict=True)
    return float(np.mean(values) if level is None else np.interp(level, levels, values))


def psnr_difference(found: np.ndarray, exact: np.ndarray, clean: np.ndarray) -> float:
    """PSNR of one image minus that of another, in dB; 0 for equal ones, the clean one as well."""
    return 0.0 if np.array_equal(found, exact) else psnr(found, clean) - psnr(exact, clean)


def _timed(run: Callable[[], Result]) -> tuple[Result, float]:
    """The second of two runs: the first one allocates."""
    run()
    began = time.perf_counter()
    return run(), time.perf_counter() - began


def _sizes(image: np.ndarray) -> str:
    return "×".join(map(str, image.shape))
