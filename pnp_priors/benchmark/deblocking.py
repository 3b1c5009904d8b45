"""JPEG deblocking of gray images.

Images are encoded in memory as gray files by Pillow's encoder at quality q and decoded; a prior
for JPEG gets the decoded image and, where it takes one, the file's quantisation table. A prior for
noise is used by a method: a solver with the quantisation intervals as the data term
(:mod:`pnp_priors.solvers.deblocking`). The output is clipped, not rounded.

``classic5``
    Gray images, as their files are.
``LIVE1``
    The Y channel of papers: ITU-R 601 luma from 16 to 235 (see
    :func:`pnp_priors.benchmark.data.load_luma`). The decoded images then score 27.77, 30.07 and
    31.41 dB at q = 10, 20, 30, to the digit what the AR-CNN line of papers prints for JPEG.
``LIVE1-full``
    The same with luma from 0 to 255, as Pillow and JPEG files have it: 0.75 dB lower, since the
    contrast is higher at the same quantisation.
``BSD68-half``
    BSD68 halved by Pillow's antialiased bicubic reduction to 240×160: TRD's protocol, which does
    not say which reduction it uses. The decoded images score 26.65, 28.78 and 30.03 dB, TRD prints
    26.59, 28.77 and 30.05 (box and Lanczos reductions are 0.5 dB away, bilinear ones 1 dB).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pnp_priors.benchmark import presets
from pnp_priors.benchmark.data import as_tensor, evaluation_files, load_luma
from pnp_priors.benchmark.metrics import MIRRORING, SCORING, Score, score
from pnp_priors.benchmark.tasks import Setting, known
from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_file import from_pixels
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.deblocking import deblock, quantisation_noise
from pnp_priors.solvers.presets import Tuned, default
from pnp_priors.training.data import read_image


def _full_range(file: Path) -> np.ndarray:
    colour = np.moveaxis(_read(file, 3), 0, -1)
    return np.asarray(Image.fromarray(np.ascontiguousarray(colour)).convert("YCbCr"))[..., 0]


def _halved(file: Path) -> np.ndarray:
    image = Image.fromarray(_read(file, 1)[0])
    size = (image.width // 2, image.height // 2)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _read(file: Path, channels: int) -> np.ndarray:
    try:
        return read_image(file, channels)
    except OSError as error:
        raise InputError(f"{file}: not readable as an image") from error


@dataclass(frozen=True)
class GraySet:
    """A folder, how a clean image ``[H, W]``, uint8, is read from it, and that in words."""

    folder: str
    read: Callable[[Path], np.ndarray]
    words: str


SETS = {
    "classic5": GraySet("classic5", load_luma, "gray files"),
    "LIVE1": GraySet("LIVE1", load_luma, "Y channel (ITU-R 601, 16 to 235)"),
    "LIVE1-full": GraySet("LIVE1", _full_range, "luma from 0 to 255"),
    "BSD68-half": GraySet("BSD68", _halved, "gray BSD68 halved by antialiased bicubic reduction"),
}


def _default(prior: Prior, noise: float) -> Tuned:
    return default("jpeg-deblocking", "hqs", noise)


def _preset(method: str) -> Callable[[Prior, float], Tuned]:
    return lambda prior, noise: presets.tuned("jpeg-deblocking", prior, method, noise)


#: what a solver is built of, for a prior and the noise of quantisation; no method: one pass
METHODS: dict[str, Callable[[Prior, float], Tuned]] = {
    "hqs": _default,
    **{method: _preset(method) for method in presets.METHODS},
}


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    words = SETS[setting.dataset].words
    how = ""
    if setting.method is not None:
        how = f"{setting.method}: quantisation intervals as data, {MIRRORING}; "
    return f"{words}; gray JPEG by Pillow's encoder at quality q; {how}{SCORING}"


def channels(setting: Setting) -> int:
    """Of the images."""
    return 1


def skill(setting: Setting) -> str:
    """The task that a prior's card must name."""
    return "jpeg" if setting.method is None else "gaussian"


def check(setting: Setting, level: float) -> None:
    """Refuse what cannot be measured.

    :raises UnknownNameError: lists the known sets.
    :raises InputError: an impossible quality.
    """
    known("deblocking set", setting.dataset, SETS)
    if setting.method is not None:
        known("deblocking method", setting.method, METHODS)
    if level != int(level) or not 1 <= level <= 100:
        raise InputError(f"--quality is a whole number from 1 to 100, got {level:g}")


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Path]:
    """The files of the set.

    :raises MissingFileError: its folder is not there.
    """
    return evaluation_files(data, SETS[setting.dataset].folder)[:limit]


def compress(gray: np.ndarray, quality: int) -> tuple[np.ndarray, Tensor]:
    """Encode and decode an image.

    :param gray: uint8 ``[H, W]``.
    :param quality: 1 to 100, as Pillow takes it.
    :returns: the decoded image, likewise, and the quantisation table ``[8, 8]`` of the file.
    """
    stream = BytesIO()
    Image.fromarray(gray).save(stream, "JPEG", quality=quality)
    with Image.open(stream, formats=("JPEG",)) as file:
        table = torch.tensor(file.quantization[0])  # type: ignore[attr-defined]
        return np.array(file), table.reshape(8, 8).float()


def solve(
    problem: Path, prior: Prior, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Compress one image, restore it and score the result.

    :param prior: for JPEG, or with a method for noise; in eval mode, on ``device``.
    :param level: the quality.
    """
    gray = SETS[setting.dataset].read(problem)
    decoded, table = compress(gray, int(level))
    y = as_tensor(decoded)
    if setting.method is not None:
        restored = _solve(y, table, prior, METHODS[setting.method], device)
    elif prior.takes_table:
        restored = prior(y.to(device), table=table.to(device))
    else:
        restored = prior(y.to(device))
    return score(problem.name, y, restored.cpu(), as_tensor(gray))


def _solve(
    decoded: Tensor,
    table: Tensor,
    prior: Prior,
    method: Callable[[Prior, float], Tuned],
    device: str,
) -> Tensor:
    file = from_pixels(decoded[0], [table])
    physics = file.physics(device)
    y = file.measurements(physics)
    tuned = method(prior, quantisation_noise(y, physics))
    assert tuned.width is not None
    return deblock(y, physics, prior, tuned.schedule, tuned.solver, tuned.width)
