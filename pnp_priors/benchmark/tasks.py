"""What the bench measures, in words that its commands, tables and data files share."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pnp_priors.errors import InputError, UnknownNameError

Task = Literal["denoising", "camera", "deblocking", "super-resolution", "deconvolution"]


@dataclass(frozen=True)
class Levels:
    """How strongly images are degraded: what that is called, and the levels taken unless asked.

    :param symbol: in front of a level in tables.
    :param option: of the command line.
    :param degraded: what tables call the images before restoration.
    """

    symbol: str
    option: str
    degraded: str
    usual: tuple[float, ...]


LEVELS: dict[Task, Levels] = {
    "denoising": Levels("σ", "--sigma", "noisy", (15, 25, 50)),
    "camera": Levels("shot", "--shot", "photo", (0.04, 0.08, 0.16)),
    "deblocking": Levels("q", "--quality", "JPEG", (10, 20, 30, 40)),
    "super-resolution": Levels("scale", "--scale", "bicubic", (2, 3, 4)),
    "deconvolution": Levels("σ", "--sigma", "blurred", (2.55, 7.65)),
}


@dataclass(frozen=True)
class Setting:
    """One table's experiment without the prior and the level.

    :param dataset: as the task's module calls it.
    :param method: how a prior is used, where there are several ways.
    :param blur: the boundary, in deconvolution.
    """

    task: Task
    dataset: str
    method: str | None = None
    blur: str | None = None

    @property
    def how(self) -> list[str]:
        """What has to be said beside a prior's name: the method, and a blur not of the tables."""
        unusual = [] if self.blur in (None, "circular") else [f"{self.blur} blur"]
        return ([] if self.method is None else [self.method]) + unusual


def levels_in_words(task: Task, level: float) -> str:
    """``σ = 25``, ``q = 10``, ``scale = 3``."""
    return f"{LEVELS[task].symbol} = {level:g}"


def known(kind: str, name: str | None, choices: Collection[str]) -> str:
    """``name``, if it is one of the choices.

    :raises UnknownNameError: lists them.
    """
    if name is None or name not in choices:
        raise UnknownNameError(kind, str(name), sorted(choices))
    return name


def check_sigma(level: float) -> None:
    """Refuse a noise level that is not on the 0..255 scale.

    :raises InputError: says what is expected.
    """
    if not 0 < level <= 255:
        raise InputError(f"--sigma is on the 0..255 scale and above 0, got {level:g}")
    if level < 1:
        raise InputError(f"--sigma {level:g} looks like 0..1 units; here it is on 0..255")


def command(
    setting: Setting,
    names: Sequence[str],
    levels: Sequence[float] = (),
    limit: int | None = None,
    methods: Sequence[str] = (),
) -> str:
    """The command line that measures this again, where ``PNP_PRIORS_DATA`` is set.

    :param methods: several at once, instead of the setting's.
    """
    words = ["pnp-priors", "bench", setting.task, *names, "--set", setting.dataset]
    for level in levels:
        words += [LEVELS[setting.task].option, f"{level:g}"]
    for method in methods or ([] if setting.method is None else [setting.method]):
        words += ["--method", method]
    if setting.blur is not None:
        words += ["--blur", setting.blur]
    if limit is not None:
        words += ["--limit", str(limit)]
    return shlex.join(words)
