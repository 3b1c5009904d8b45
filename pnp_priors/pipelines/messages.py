"""What ``pnp-priors run`` says: a line for each file, a bar with the time left, a summary."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from pnp_priors.pipelines.run import Done


def warn(text: str) -> None:
    """A line on stderr; while a bar is shown, rich puts it above."""
    print(text, file=sys.stderr)


class Results:
    """Says what came of each file as it comes, and in the end what failed."""

    def __init__(self, console: Console, jobs: int) -> None:
        self.console = console
        self.jobs = jobs
        self.restored = self.skipped = 0
        self.failed: list[str] = []

    @property
    def finished(self) -> int:
        """Files that this call has finished with, for better or worse."""
        return self.restored + len(self.failed)

    def add(self, done: Done) -> None:
        if done.skipped:
            self.skipped += 1
            self._say(f"skipped, done already: {done.job.target}")
        elif done.error is not None:
            self.failed.append(" ".join(str(done.error).split()))
            self._say(f"failed: {done.job.source}")
        else:
            self.restored += 1
            words = "; ".join(dict.fromkeys(used.words for used in done.used))
            self._say(f"{done.job.source} -> {done.job.target} ({words})")
            for note in dict.fromkeys(note for used in done.used for note in used.notes):
                warn(f"note: {done.job.source}: {note}")

    def summary(self) -> None:
        for line in self.failed:
            warn(f"error: {line}")
        again = " (--overwrite restores again)" if self.skipped else ""
        self._say(
            f"{self.restored} restored, {self.skipped} skipped, {len(self.failed)} failed{again}"
        )

    def interrupted(self, overwrite: bool, reason: str = "interrupted") -> None:
        for line in self.failed:
            warn(f"error: {line}")
        how = "starts again" if overwrite else "continues"
        done = f"{self.restored + self.skipped} of {self.jobs} done"
        warn(f"{reason}: {done}; the same command {how}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False)


def console() -> Console:
    return Console(soft_wrap=True, highlight=False)


def bar(on: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:.1f}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=on,
        # Steps can be slow and files unequal: the mean of the last ten minutes tells more.
        speed_estimate_period=600,
        # A log file wants lines, not the bar's last state.
        disable=not on.is_terminal,
    )
