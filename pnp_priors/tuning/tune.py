"""Finds the parameters of a solver for a prior and a task, level by level."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import torch
import yaml

from pnp_priors import registry
from pnp_priors.atomic import whole
from pnp_priors.benchmark.tasks import known
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.presets import TUNED_SOLVERS, Tuned, default, default_values
from pnp_priors.tuning.problems import Crop, Problem
from pnp_priors.tuning.schema import Preset, parse
from pnp_priors.tuning.search import Budget, search
from pnp_priors.tuning.tasks import TASKS, candidate

#: fewer iterations are taken where more would give less than this, dB
WORTHWHILE = 0.02


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    :param psnr: dB, mean over the crops.
    :param best: so far, of its level and iterations.
    """

    level: float
    iterations: int
    values: Mapping[str, float]
    psnr: float
    best: bool


@dataclass
class Found:
    """All that was tried, also while it is being tried.

    :param noise: by level, in [0, 1] units: the mean over the crops.
    :param default: by level, PSNR of the schedule that is used without a preset.
    :param best: by iterations and level.
    """

    noise: dict[float, float] = field(default_factory=dict)
    default: dict[float, float] = field(default_factory=dict)
    best: dict[int, dict[float, Trial]] = field(default_factory=dict)
    evaluations: int = 0
    finished: bool = False

    def iterations(self) -> int:
        """The fewest that are worthwhile, among those that every level was tried with."""
        levels = max(len(by_level) for by_level in self.best.values())
        means = {
            count: statistics.mean(trial.psnr for trial in by_level.values())
            for count, by_level in self.best.items()
            if len(by_level) == levels
        }
        return min(n for n, mean in means.items() if mean >= max(means.values()) - WORTHWHILE)


class Tuner:
    """A search, and what it has found so far in :attr:`found`.

    :param task: a key of :data:`pnp_priors.tuning.tasks.TASKS`.
    :param prior: any denoiser that the task's solvers take.
    :param solver: ``hqs``, ``admm`` or ``drs``.
    :param parts: the clean crops.
    :param levels: of degradation; the task says in which units.
    :param iterations: the counts to try.
    :param seed: of the degradation.
    :param tell: called after each evaluation.
    :param device: where the prior is.
    :raises UnknownNameError: no such task or solver.
    :raises InputError: an impossible level.
    """

    def __init__(
        self,
        task: str,
        prior: Prior,
        solver: str,
        parts: list[Crop],
        levels: Sequence[float],
        iterations: Sequence[int],
        seed: int,
        tell: Callable[[Trial], None] = lambda trial: None,
        device: str = "cpu",
    ) -> None:
        self.name = known("task", task, TASKS)
        self.task = TASKS[task]
        self.solver = known("solver", solver, TUNED_SOLVERS)
        self.prior, self.tell = prior, tell
        self.iterations = sorted(set(iterations))
        self.found = Found()
        for level in levels:
            self.task.check(level)
        self.problems = {
            level: [problem.to(device) for problem in self.task.degrade(parts, level, seed)]
            for level in dict.fromkeys(levels)
        }
        for level, problems in self.problems.items():
            self.found.noise[level] = statistics.fmean(p.noise for p in problems)

    def run(self, budget: Budget) -> Found:
        """Search until the budget is spent or no step helps."""
        searches = [(count, level) for count in self.iterations for level in self._by_noise()]
        for level in self._by_noise():
            self.found.default[level] = self._psnr(
                level, lambda noise: default(self.name, self.solver, noise)
            )
        for index, (count, level) in enumerate(searches):
            until = budget.share(len(searches) - index)
            self._search(count, level, budget, until)
        self.found.finished = True
        return self.found

    def _by_noise(self) -> list[float]:
        return sorted(self.problems, key=lambda level: self.found.noise[level])

    def _search(self, count: int, level: float, budget: Budget, until: float) -> None:
        """From the best of the default, the neighbouring level and the last count of iterations."""
        tried: dict[tuple[float, ...], float] = {}
        best = self.found.best.setdefault(count, {})

        def score(values: Mapping[str, float]) -> float:
            # The search hands a start back with the last digits of an exponential's logarithm.
            key = tuple(float(f"{value:.9g}") for value in values.values())
            if key in tried:
                return tried[key]
            psnr = tried[key] = self._psnr(
                level, lambda noise: candidate(self.name, self.solver, count, values, noise)
            )
            better = level not in best or psnr > best[level].psnr
            trial = Trial(level, count, dict(values), psnr, better)
            if better:
                best[level] = trial
            self.tell(trial)
            return psnr

        # All of these are evaluated, so that no preset is worse than the default's parameters with
        # as many iterations.
        starts: list[Mapping[str, float]] = [default_values(self.name, self.solver)]
        starts += [t.values for t in list(best.values())[-1:]]
        fewer = [self.found.best[n] for n in self.iterations if n < count]
        starts += [by_level[level].values for by_level in fewer[-1:]]
        start = max(starts, key=score)
        left = budget.evaluations - len(tried)
        search(score, self.task.parameters, start, max(left, 1), until, budget.clock)

    @torch.no_grad()
    def _psnr(self, level: float, meaning: Callable[[float], Tuned]) -> float:
        self.found.evaluations += 1
        problems = self.problems[level]
        return statistics.fmean(p.psnr(self._restored(p, meaning(p.noise))) for p in problems)

    def _restored(self, problem: Problem, tuned: Tuned) -> torch.Tensor:
        return self.task.restore(problem, self.prior, tuned)


def to_preset(tuner: Tuner, prior: str, origin: Mapping[str, object]) -> Preset:
    """What was found as a preset.

    :param prior: its name.
    :param origin: fields of :class:`pnp_priors.tuning.schema.Origin` that only the caller knows.
    """
    found = tuner.found
    count = found.iterations()
    best = sorted(found.best[count].values(), key=lambda trial: found.noise[trial.level])
    knots = [
        {
            "level": trial.level,
            "noise": round(found.noise[trial.level], 6),
            **{name: float(f"{value:.4g}") for name, value in trial.values.items()},
            "psnr": round(trial.psnr, 3),
            "default_psnr": round(found.default[trial.level], 3),
        }
        for trial in best
    ]
    content = {
        "task": tuner.name,
        "prior": prior,
        "solver": tuner.solver,
        "iterations": count,
        "knots": knots,
        "tuned": {
            **origin,
            "kernels": tuner.task.kernels,
            "evaluations": found.evaluations,
            "finished": found.finished,
            "date": datetime.now(timezone.utc).date().isoformat(),
            "version": registry.version(),
        },
    }
    return parse(content, "preset")


def write(path: Path, preset: Preset) -> None:
    """Write a preset's file, whole or not at all."""
    content = preset.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)

    def put(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    whole(path, put)
