"""The numbers of ``pnp-priors bench all``: kept, measured where missing, written after each one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pnp_priors import registry
from pnp_priors.benchmark.measuring import bench, measure
from pnp_priors.benchmark.metrics import means
from pnp_priors.benchmark.plan import Job
from pnp_priors.benchmark.report import card_row, versions, write_atomically
from pnp_priors.benchmark.tasks import Setting, Task
from pnp_priors.card import Result
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.schema import parse_as


class Cell(BaseModel):
    """One prior in one setting at one level, and everything on which these numbers depend.

    :param weights: :func:`pnp_priors.registry.fingerprint`: SHA-256 of the prior's weights.
    :param protocol: version of the task's protocol.
    :param limit: the first so many images only.
    :param images: PSNR and SSIM of each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    dataset: str
    method: str | None
    blur: str | None
    prior: str
    level: float
    weights: str
    protocol: int
    limit: int | None
    date: str
    versions: dict[str, str]
    degraded_psnr: float
    degraded_ssim: float
    psnr: float
    ssim: float
    images: dict[str, tuple[float, float]]

    @property
    def setting(self) -> Setting:
        return Setting(self.task, self.dataset, self.method, self.blur)

    @property
    def key(self) -> tuple[Setting, str, float]:
        """What it is about, whatever the weights."""
        return self.setting, self.prior, self.level


class _Cells(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cells: list[Cell]


def read(path: Path) -> list[Cell]:
    """The cells of a file that :func:`write` wrote; none where there is no file.

    :raises ConfigError: another or a damaged file.
    """
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not readable as JSON; remove it to start anew") from error
    return parse_as(_Cells, content, str(path)).cells


def write(path: Path, cells: Iterable[Cell]) -> None:
    """Write cells, one a line, so that two versions of the file can be compared."""
    lines = ",\n".join(json.dumps(cell.model_dump(mode="json")) for cell in cells)
    write_atomically(path, '{"cells": [\n' + lines + "\n]}\n")


def valid(cells: Iterable[Cell], jobs: Iterable[Job]) -> list[Cell]:
    """The cells that these jobs would measure again, with weights and protocol as they are now."""
    wanted = {job.key: (registry.fingerprint(job.card), job.protocol, job.limit) for job in jobs}
    return [c for c in cells if wanted.get(c.key) == (c.weights, c.protocol, c.limit)]


def missing(cells: Iterable[Cell], jobs: Iterable[Job]) -> list[Job]:
    """The jobs that no valid cell answers."""
    there = {cell.key for cell in cells}
    return [job for job in jobs if job.key not in there]


def check_limit(cells: Iterable[Cell], limit: int | None, path: Path) -> None:
    """Refuse to replace numbers of whole sets by those of some images, or the reverse.

    :raises InputError: says what the file holds.
    """
    others = {cell.limit for cell in cells} - {limit}
    if others:
        holds = "whole sets" if None in others else f"the first {others.pop()} image(s) of each set"
        raise InputError(f"{path} holds numbers of {holds}: choose another folder with --out")


def chosen(jobs: Iterable[Job], patterns: Sequence[str]) -> list[str]:
    """The priors of some jobs whose names match.

    :raises InputError: a pattern that matches none; lists the names.
    """
    names = list(dict.fromkeys(job.card.name for job in jobs))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"--only {pattern}: no such prior; in the plan: {', '.join(names)}")
    return [n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)]


def problems(data: Path, jobs: Iterable[Job]) -> dict[Setting, Sequence[Any]]:
    """The problems of each setting.

    :raises MissingFileError: a set that is not in the data folder.
    """
    found: dict[Setting, Sequence[Any]] = {}
    for job in jobs:
        if job.setting not in found:
            found[job.setting] = bench(job.setting.task).problems(data, job.setting, job.limit)
    return found


def run(
    jobs: Sequence[Job],
    problems: Mapping[Setting, Sequence[Any]],
    device: str = "cpu",
    done: Callable[[], None] = lambda: None,
) -> Iterator[Cell]:
    """Measure jobs, each prior's together; yields each cell as soon as it is finished.

    :raises WeightsError: weights that are not those of the card.
    """
    for name in dict.fromkeys(job.card.name for job in jobs):
        prior = registry.load(name, device=device)
        for job in jobs:
            if job.card.name == name:
                todo = problems[job.setting]
                scores = measure(prior, todo, job.setting, job.level, device, done)
                mean = means(scores)
                yield Cell(
                    task=job.setting.task,
                    dataset=job.setting.dataset,
                    method=job.setting.method,
                    blur=job.setting.blur,
                    prior=name,
                    level=job.level,
                    weights=registry.fingerprint(job.card),
                    protocol=job.protocol,
                    limit=job.limit,
                    date=datetime.now(timezone.utc).date().isoformat(),
                    versions=versions(),
                    degraded_psnr=round(mean.degraded_psnr, 6),
                    degraded_ssim=round(mean.degraded_ssim, 6),
                    psnr=round(mean.psnr, 6),
                    ssim=round(mean.ssim, 6),
                    images={s.image: (round(s.psnr, 4), round(s.ssim, 5)) for s in scores},
                )


def rows(cells: Iterable[Cell]) -> list[Result]:
    """The rows of one prior's card."""
    by_setting: dict[Setting, list[Cell]] = {}
    for cell in cells:
        by_setting.setdefault(cell.setting, []).append(cell)
    return [
        card_row(setting, some[0].prior, {cell.level: (cell.psnr, cell.ssim) for cell in some})
        for setting, some in by_setting.items()
    ]
