"""Super-resolution of the Y channel, of images reduced by 2, 3 and 4.

``Set5``, ``Set14``
    ITU-R 601 luma from 16 to 235 of colour files, as papers measure it; gray files as they are.
    Rows and columns beyond a multiple of the scale are cut off at the lower right. The reduction is
    Pillow's bicubic one, antialiased as MATLAB's ``imresize`` is, rounded to 8 bits; the input that
    tables call bicubic is its bicubic enlargement, not rounded. As many pixels as the scale are
    left out at every side of the image. Bicubic then scores 33.67, 30.40 and 28.42 dB on Set5 and
    30.23, 27.54 and 26.00 on Set14; papers print 33.66, 30.39, 28.42 and 30.24, 27.55, 26.00.

Methods:

``hqs``
    Half-quadratic splitting with a Gaussian prior and :mod:`pnp_priors.solvers.super_resolution`:
    the data step is the closed form of the bicubic reduction itself, borders included.
``direct``
    One pass of a prior trained for super-resolution over the bicubic enlargement.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pnp_priors.benchmark.data import as_tensor, evaluation_files, load_luma
from pnp_priors.benchmark.metrics import MIRRORING, SCORING, Score, score
from pnp_priors.benchmark.tasks import Setting, known
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.schedules import super_resolution
from pnp_priors.solvers.super_resolution import bicubic, one_pass, super_resolve

SETS = ("Set5", "Set14")
SCALES = (2, 3, 4)
#: of ``hqs``; see :func:`pnp_priors.solvers.schedules.super_resolution`
ITERATIONS = 16


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pillow's bicubic interpolation of ``[H, W]`` in float32, antialiased where it reduces."""
    values = Image.fromarray(np.ascontiguousarray(image, np.float32))
    return np.asarray(values.resize((width, height), Image.Resampling.BICUBIC))


def whole_blocks(luma: np.ndarray, scale: int) -> np.ndarray:
    """``[H, W]`` without what is beyond a multiple of the scale."""
    height, width = (size // scale * scale for size in luma.shape)
    return luma[:height, :width]


def reduce(luma: np.ndarray, scale: int) -> np.ndarray:
    """The low-resolution image, uint8, of a high-resolution one whose sides the scale divides."""
    height, width = (size // scale for size in luma.shape)
    return np.rint(resize(luma, height, width).clip(0, 255)).astype(np.uint8)


def enlarge(small: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic enlargement in float32, clipped to 0..255."""
    height, width = small.shape
    return resize(small, scale * height, scale * width).clip(0, 255)


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    return (
        "Y channel (ITU-R 601, 16 to 235; gray files as they are), antialiased bicubic reduction, "
        f"rounded to 8 bits, input enlarged bicubically; a border of scale pixels left out; "
        f"hqs: {ITERATIONS} iterations to sigma = 0.5 scale, {MIRRORING}; direct: one pass; "
        f"{SCORING}"
    )


def channels(setting: Setting) -> int:
    """Of the images."""
    return 1


#: what a prior's card must name to be used in each way
METHODS = {"hqs": "gaussian", "direct": "super-resolution"}


def skill(setting: Setting) -> str:
    """The task that a prior's card must name."""
    return METHODS[setting.method or "hqs"]


def check(setting: Setting, level: float) -> None:
    """Refuse what cannot be measured.

    :raises UnknownNameError: lists the known sets or methods.
    :raises InputError: another scale.
    """
    known("super-resolution set", setting.dataset, SETS)
    known("super-resolution method", setting.method, METHODS)
    if level not in SCALES:
        raise InputError(f"--scale is 2, 3 or 4, got {level:g}")


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Path]:
    """The images of the set.

    :raises MissingFileError: the set's folder is not there.
    """
    return evaluation_files(data, setting.dataset)[:limit]


def solve(
    problem: Path, prior: Prior, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Reduce one image, restore it and score the result.

    :param problem: the image's file.
    :param prior: in eval mode, on ``device``.
    :param level: the scale, 2, 3 or 4.
    """
    scale = int(level)
    clean = whole_blocks(load_luma(problem), scale)
    small = reduce(clean, scale)
    observed = as_tensor(small).to(device)
    if setting.method == "direct":
        restored = one_pass(observed, prior, scale)
    else:
        schedule = super_resolution(0.0, scale, ITERATIONS)
        restored = super_resolve(bicubic(observed, scale), prior, schedule)
    images = (as_tensor(enlarge(small, scale)), restored.cpu(), as_tensor(clean))
    return score(problem.name, *(image[..., scale:-scale, scale:-scale] for image in images))
