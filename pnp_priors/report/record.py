"""The JSON of a report: what was done to one image, how it went, what it scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pnp_priors.atomic import whole
from pnp_priors.report.checks import Checks

if TYPE_CHECKING:
    from pnp_priors.images import Image

#: changes when a key changes its name or meaning
VERSION = 1
UNITS = {
    "sigma, spread, residual, std": "standard deviation or root mean square of image values, "
    "which are in [0, 1]",
    "change": "norm of an iterate's difference to the last one over its own norm",
    "psnr": "dB",
    "seconds": "s, without reading, writing and checking",
}


@dataclass(frozen=True)
class Scores:
    """PSNR in dB and SSIM, before and after, against a reference; of values as they are stored.

    :param before: what is compared, in words: the input, or what was interpolated of it.
    """

    reference: str
    psnr: tuple[float, float]
    ssim: tuple[float, float] | None
    before: str = "input"


@dataclass(frozen=True)
class Record:
    """One restored image (or page of a file).

    :param pipeline: the settings, as plain values.
    :param noise: how the noise level was found, in words; ``sigma`` is its value.
    :param notes: what the task has to say.
    :param engine: what computed, and where.
    """

    input: str
    output: str
    pipeline: Mapping[str, Any]
    sigma: float | None
    noise: str
    checks: Checks
    seconds: float
    scores: Scores | None = None
    notes: tuple[str, ...] = ()
    page: int | None = None
    picture: str | None = None
    engine: Mapping[str, str] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        kernel = self.checks.kernel
        return (*(() if kernel is None else kernel.warnings), *self.checks.warnings)

    def plain(self) -> dict[str, Any]:
        """As JSON has it: numbers that are not finite are null."""
        from importlib.metadata import version

        estimate, shape = self.checks.noise, self.checks.kernel
        scores = self.scores
        content = {
            "version": VERSION,
            "pnp_priors": version("pnp_priors"),
            "units": UNITS,
            "input": self.input,
            "output": self.output,
            "page": self.page,
            "pipeline": self.pipeline,
            "engine": self.engine,
            "noise": {"sigma": self.sigma, "words": self.noise, "estimate": estimate},
            "residual": _with_verdict(self.checks.residual),
            "iterates": self.checks.traces,
            "kernel": shape and {**asdict(shape), "orientation": self.checks.orientation},
            "seconds": self.seconds,
            "scores": scores
            and {
                "reference": scores.reference,
                "input_as": scores.before,
                "psnr": {"input": scores.psnr[0], "restored": scores.psnr[1]},
                "ssim": scores.ssim and {"input": scores.ssim[0], "restored": scores.ssim[1]},
            },
            "notes": self.notes,
            "warnings": self.warnings,
            "picture": self.picture,
        }
        return {key: _plain(value) for key, value in content.items()}

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        text = json.dumps(self.plain(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8") and None)


def scores(
    before: Image, after: Image, reference: Image, name: str, words: str = "input"
) -> Scores | None:
    """Score an image as it is written, clipped and rounded to its file's depth.

    :param before: of the reference's size; where the input had another one, enlarged.
    :param words: what that is.
    :returns: ``None`` where the reference has another size or number of channels.
    """
    from pnp_priors import images
    from pnp_priors.errors import InputError
    from pnp_priors.report.similarity import psnr, ssim

    if not before.pixels.shape == after.pixels.shape == reference.pixels.shape:
        return None

    def as_stored(image: Image) -> np.ndarray:
        stored = images.to_stored(image.pixels, image.dtype, image.white)
        return images.to_unit(stored, image.white)

    first, second, clean = (as_stored(image) for image in (before, after, reference))
    try:
        similarity = (ssim(first, clean), ssim(second, clean))
    except InputError:  # smaller than its window
        return Scores(name, (psnr(first, clean), psnr(second, clean)), None, words)
    return Scores(name, (psnr(first, clean), psnr(second, clean)), similarity, words)


def decibels(psnr: float) -> str:
    """For people: of equal images the PSNR is infinite."""
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "identical"


def _with_verdict(residual: Any) -> Any:
    if residual is None:
        return None
    verdict = {
        "level_rejected": residual.level_rejected,
        "whiteness_rejected": residual.whiteness_rejected,
    }
    return {**asdict(residual), **verdict}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
