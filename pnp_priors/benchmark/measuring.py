"""The tasks of the bench as one thing: what can be measured, and how a prior does on it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from pnp_priors.benchmark.tasks import LEVELS, Setting, Task
from pnp_priors.errors import BlindPriorWarning, InputError

if TYPE_CHECKING:
    from pnp_priors.benchmark.metrics import Score
    from pnp_priors.card import Card
    from pnp_priors.priors.base import Prior


class Bench(Protocol):
    """What the module of a task provides; see :mod:`pnp_priors.benchmark.denoising`."""

    def protocol(self, setting: Setting) -> str: ...

    def channels(self, setting: Setting) -> int | None: ...

    def skill(self, setting: Setting) -> str: ...

    def check(self, setting: Setting, level: float) -> None: ...

    def problems(self, data: Path, setting: Setting, limit: int | None = None) -> Sequence[Any]: ...

    def solve(
        self, problem: Any, prior: Prior, setting: Setting, level: float, device: str = "cpu"
    ) -> Score: ...


#: to be raised when a task's numbers change without its settings: what was measured before is then
#: measured again
PROTOCOL_VERSIONS: dict[Task, int] = {
    "denoising": 1,
    "camera": 1,
    "deblocking": 1,
    "super-resolution": 1,
    "deconvolution": 1,
}
#: likewise, of one way to use a prior alone
METHOD_VERSIONS: dict[tuple[Task, str | None], int] = {
    # Since these, solvers mirror what they show the prior.
    ("super-resolution", "hqs"): 3,
    **{
        (task, method): 2
        for task in ("deconvolution", "deblocking")
        for method in ("hqs", "hqs-genericdp", "hqs-preset", "admm-preset", "drs-preset")
    },
}


def bench(task: Task) -> Bench:
    """The module of a task."""
    return importlib.import_module(f"pnp_priors.benchmark.{task.replace('-', '_')}")  # type: ignore[return-value]


def suits(card: Card, setting: Setting) -> str | None:
    """Why a prior cannot be measured there; ``None``: it can."""
    skill = bench(setting.task).skill(setting)
    if skill not in card.tasks:
        return f"it is trained for {', '.join(card.tasks)}, not for {skill}"
    if card.channels != 1 and bench(setting.task).channels(setting) == 1:
        return f"it is for {card.channels} channels, {setting.dataset} is gray here"
    return None


def check_suits(card: Card, setting: Setting) -> None:
    """Refuse a prior that cannot be measured there.

    :raises InputError: says why.
    """
    reason = suits(card, setting)
    if reason is not None:
        raise InputError(f"{card.name} on {setting.dataset}, {setting.task}: {reason}")


def trained_levels(card: Card, task: Task, levels: Sequence[float]) -> list[float]:
    """Those of the levels that a prior was trained for; all where that is not a question."""
    if task == "denoising":
        low, high = (255 * sigma for sigma in card.sigma_range)
        return [level for level in levels if low - 1e-3 <= level <= high + 1e-3]
    if task == "deblocking" and card.quality_range is not None:
        first, last = card.quality_range
        return [level for level in levels if first <= level <= last]
    if task == "super-resolution" and card.scales is not None:
        return [level for level in levels if level in card.scales]
    return list(levels)


def usual_levels(card: Card, task: Task, levels: Sequence[float] | None = None) -> list[float]:
    """The levels at which a prior is measured unless asked: of the usual ones, those trained for.

    :param levels: what is usual, instead of the task's.
    """
    usual = list(levels or LEVELS[task].usual)
    return trained_levels(card, task, usual) or usual


@torch.no_grad()
def measure(
    prior: Prior,
    problems: Sequence[Any],
    setting: Setting,
    level: float,
    device: str = "cpu",
    done: Callable[[], None] = lambda: None,
) -> list[Score]:
    """Restore and score every problem at one level.

    :param prior: in eval mode, on ``device``.
    :param problems: of the task's module for this setting.
    :param done: called after each problem.
    """
    solve = bench(setting.task).solve
    scores = []
    for problem in problems:
        with warnings.catch_warnings():
            # What a blind prior does in a solver is what is measured here.
            warnings.simplefilter("ignore", BlindPriorWarning)
            scores.append(solve(problem, prior, setting, level, device))
        done()
    return scores
