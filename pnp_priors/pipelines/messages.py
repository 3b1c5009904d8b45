"""What ``pnp-priors run`` says: a line for each file, a bar with the time left, a summary."""

from __future__ import annotations

import sys
from collections import Counter
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

from pnp_priors import images
from pnp_priors.report.files import has_report
from pnp_priors.report.record import decibels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pnp_priors.pipelines.run import Done
    from pnp_priors.report.record import Scores


#: so many files are named one by one
_NAMED = 4


def warn(text: str) -> None:
    """A line on stderr; while a bar is shown, rich puts it above."""
    print(text, file=sys.stderr)


def say_left_out(pictures: Sequence[Path]) -> None:
    """A line on pictures that cannot be read: by name if they are few, else how many of each kind.

    :param pictures: from :func:`pnp_priors.pipelines.inputs.left_out`; of none, nothing is said.
    """
    if not pictures:
        return
    if len(pictures) == 1:
        words = f"{pictures[0]} is left out: such pictures cannot be read"
    else:
        kinds = Counter(path.suffix.lower() for path in pictures)
        counted = (f"{count} {suffix}" for suffix, count in kinds.most_common())
        each = map(str, pictures) if len(pictures) <= _NAMED else counted
        words = f"{len(pictures)} pictures are left out, which cannot be read: {', '.join(each)}"
    warn(f"note: {words}; convert to PNG or TIFF")


def measured(scores: Scores) -> list[str]:
    """What an example scored, before and after."""
    words = (scores.before, "restored")
    psnr = "   ".join(f"{decibels(v):>8} {w}" for v, w in zip(scores.psnr, words, strict=True))
    if scores.ssim is None:
        return [f"PSNR   {psnr}"]
    ssim = "   ".join(f"{v:8.4f} {w}" for v, w in zip(scores.ssim, words, strict=True))
    return [f"PSNR   {psnr}", f"SSIM   {ssim}"]


class Results:
    """Says what came of each file as it comes, and in the end what failed."""

    def __init__(self, console: Console, jobs: int) -> None:
        self.console = console
        self.jobs = jobs
        self.restored = self.skipped = self._without = 0
        self.failed: list[str] = []

    @property
    def finished(self) -> int:
        """Files that this call has finished with, for better or worse."""
        return self.restored + len(self.failed)

    def add(self, done: Done) -> None:
        if done.skipped:
            self.skipped += 1
            self._without += not has_report(done.job.target)
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
            lost = images.lost(done.job.target, done.after[0]) if done.after else []
            if lost:
                kept = ".tif" if done.after[0].dtype == "float32" else ".png"
                kind = f"{done.job.target.suffix} files hold no {' and no '.join(lost)}"
                warn(f"note: {done.job.source}: {kind}: write a {kept} file to keep that")

    def summary(self) -> None:
        for line in self.failed:
            warn(f"error: {line}")
        again = " (whatever settings made them; --overwrite restores again)" if self.skipped else ""
        self._say(
            f"{self.restored} restored, {self.skipped} skipped, {len(self.failed)} failed{again}"
        )

    def unreported(self) -> None:
        """To be said where reports were asked for: what is skipped gets none."""
        if self._without:
            files = "file has" if self._without == 1 else "files have"
            warn(
                f"note: {self._without} skipped {files} no report: --overwrite restores again, "
                "with a report"
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
