"""Which priors ``pnp-priors bench all`` measures where: ``plan.yaml``, resolved to jobs."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field, model_validator

from pnp_priors import registry
from pnp_priors.benchmark.measuring import (
    METHOD_VERSIONS,
    PROTOCOL_VERSIONS,
    bench,
    suits,
    trained_levels,
)
from pnp_priors.benchmark.tasks import Setting, Task
from pnp_priors.card import Card
from pnp_priors.errors import ConfigError, PnpPriorsError
from pnp_priors.schema import Strict, read_yaml_as

PLAN = Path(__file__).with_name("plan.yaml")


class Entry(Strict):
    """Some priors in some settings: of those released, the ones that the task suits."""

    task: Task
    sets: list[str] = Field(min_length=1)
    methods: list[str] = []
    blur: str | None = None
    priors: list[str] = Field(["*"], min_length=1, description="patterns of names")
    without: list[str] = Field([], description="patterns of names")
    channels: int | None = Field(None, description="of the priors")
    levels: list[float] = Field(
        min_length=1, description="in denoising and deblocking, only those trained for"
    )

    @property
    def settings(self) -> list[Setting]:
        """Every set with every method."""
        methods: list[str | None] = [*self.methods] or [None]
        return [Setting(self.task, name, how, self.blur) for name in self.sets for how in methods]

    @model_validator(mode="after")
    def _possible(self) -> Entry:
        for setting in self.settings:
            for level in self.levels:
                try:
                    bench(self.task).check(setting, level)
                except PnpPriorsError as error:
                    raise ValueError(str(error)) from None
        return self

    def matches(self, card: Card) -> bool:
        """Whether the entry is about this prior."""
        named = any(fnmatchcase(card.name, pattern) for pattern in self.priors)
        excluded = any(fnmatchcase(card.name, pattern) for pattern in self.without)
        return named and not excluded and self.channels in (None, card.channels)


class Plan(Strict):
    """All entries, in the order of the tables."""

    entries: list[Entry] = Field(min_length=1)


def plan() -> Plan:
    """The entries of ``plan.yaml``.

    :raises ConfigError: naming the key that is wrong.
    """
    return read_yaml_as(Plan, PLAN)


@dataclass(frozen=True)
class Job:
    """One number to measure.

    :param limit: the first so many images only.
    """

    card: Card
    setting: Setting
    level: float
    limit: int | None = None

    @property
    def key(self) -> tuple[Setting, str, float]:
        """What it is about, whatever the weights."""
        return self.setting, self.card.name, self.level

    @property
    def protocol(self) -> int:
        """Version of the protocol."""
        task = self.setting.task
        return METHOD_VERSIONS.get((task, self.setting.method), PROTOCOL_VERSIONS[task])


def jobs(plan: Plan, limit: int | None = None) -> list[Job]:
    """Every number that the plan asks for, once.

    :raises ConfigError: a plan that asks for nothing.
    """
    cards = [registry.describe(name) for name in registry.available()]
    found: dict[tuple[Setting, str, float], Job] = {}
    for entry in plan.entries:
        for setting in entry.settings:
            for card in filter(entry.matches, cards):
                if suits(card, setting) is None:
                    for level in trained_levels(card, entry.task, entry.levels):
                        job = Job(card, setting, level, limit)
                        found.setdefault(job.key, job)
    if not found:
        raise ConfigError("the plan asks for nothing of the priors that are released")
    return list(found.values())
