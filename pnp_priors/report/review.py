"""Looks at each restored file of a run: warns in one line, and writes reports if asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors.report import files

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.run import Done


class Review:
    """Reviews what :func:`pnp_priors.pipelines.run.restore_files` gives.

    :param report: also write the reports.
    :param reference: original or folder of originals, see
        :func:`pnp_priors.report.files.find_reference`.
    """

    def __init__(self, restorer: RestorerBase, report: bool, reference: Path | None = None) -> None:
        self.restorer, self.report, self.reference = restorer, report, reference
        for line in files.kernel_warnings(restorer):
            self._warn(line)

    def add(self, done: Done) -> None:
        """Review a file; one that was skipped or failed has nothing to review."""
        if done.skipped or done.error is not None:
            return
        try:
            checks = [files.check_page(self.restorer, done, page) for page in range(len(done.used))]
            if self.report:
                checks = files.write(self.restorer, done, checks, self.reference)
        except Exception as error:
            # The file is restored and written; what is said about it must not end the run.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._warn(f"{done.job.source}: restored, but it could not be reviewed ({reason})")
            return
        for line in dict.fromkeys(line for found in checks for line in found.warnings):
            self._warn(f"{done.job.source}: {line}")

    def _warn(self, line: str) -> None:
        from pnp_priors.pipelines.messages import warn

        warn(f"warning: {line}")
