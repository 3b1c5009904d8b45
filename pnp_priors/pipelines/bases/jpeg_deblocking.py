"""JPEG deblocking, apart from how it is computed: which file, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_standard import nearest_quality
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.outcome import Used
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking

#: priors for it are trained for one of these
SKILLS = ("gaussian", "jpeg")


class JpegDeblockingBase(RestorerBase):
    """Restores JPEG files, and decoded images where ``quality`` is stated."""

    pipeline: JpegDeblocking

    @property
    def one_pass(self) -> bool:
        """Whether the prior itself is for JPEG, so that there is nothing to iterate."""
        return "jpeg" in getattr(self.prior, "tasks", ())

    @property
    def iterations(self) -> int:
        return 1 if self.one_pass else schedule.iterations(self.pipeline)

    def _described(self, table: np.ndarray, noise: float, notes: tuple[str, ...]) -> Used:
        """How a photo was restored.

        :param table: of its luminance, ``[8, 8]``.
        :param noise: of the quantisation.
        :param notes: on its history.
        """
        quality = self.pipeline.quality or nearest_quality(table)
        known = getattr(self.prior, "quality_range", None)
        if self.one_pass and known is not None and not known[0] <= quality <= known[1]:
            notes += (
                f"quality {quality} is outside {known[0]}..{known[1]}, for which "
                f"{self.pipeline.prior.name} is trained",
            )
        how = "as given" if self.pipeline.quality else "by its tables"
        words = f"quality {quality}, {how}"
        if self.one_pass:
            return Used(None, words, notes)
        words += f", quantisation noise {255 * noise:.2f}/255; {schedule.words(self.pipeline)}"
        return Used(noise, words, notes + self._remarks())


def checked_path(path: Path | None) -> Path:
    """That of a JPEG file.

    :raises InputError: there is none, or it is of another kind.
    """
    if path is None:
        raise InputError("deblocking needs the path of the JPEG file, or quality (1 to 100)")
    if path.is_file():
        with path.open("rb") as content:
            start = content.read(2)
        if start != b"\xff\xd8":
            raise InputError(
                f"{path}: not a JPEG file, so that nothing says how it was compressed; give the "
                "JPEG file itself, or state quality (1 to 100)"
            )
    return path


def history(exact: bool, indices: list[np.ndarray], tables: Any) -> tuple[str, ...]:
    """What is known of a compression before the last one, in a line.

    :param exact: whether the indices are the file's own.
    :param indices: of each plane ``[rows, columns, 8, 8]``.
    :param tables: of each plane ``[8, 8]``.
    """
    if not exact:
        return ()
    from pnp_priors.physics.jpeg_history import recompression

    found = recompression(indices[0][None, None], np.asarray(tables[0]), len(indices))
    if found is None:
        return ()
    before = "" if found.quality is None else f", the first time at about quality {found.quality}"
    return (f"saved twice as JPEG{before}: only the last compression is undone",)
