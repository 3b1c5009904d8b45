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
    Half-quadratic splitting with a Gaussian prior, DPIR's schedule and the closed-form data step of
    ``deepinv.physics.Downsampling``, whose kernels (``kernels_bicubicx234.npz``) stand for the
    bicubic reduction: they are centred half a pixel (scale 2) to one and a half (scale 4) up and
    left, so that every scale-th pixel from the first on is the reduced image, without a shift.
    The reduced image is mirrored around its edges before, and the result cropped, because the data
    step is periodic.
``direct``
    One pass of a prior trained for super-resolution over the bicubic enlargement.

Parameters of ``hqs`` were chosen on crops of 132×168 of four images of ``train/bsd432_color`` with
ffdnet-gray: see :data:`FINAL`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from deepinv.physics import Downsampling
from PIL import Image
from torch import Tensor

from pnp_priors.benchmark.data import as_tensor, evaluation_files, load_luma
from pnp_priors.benchmark.metrics import SCORING, Score, score
from pnp_priors.benchmark.tasks import Setting, known
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.priors.base import Prior
from pnp_priors.solvers import dpir, solver

KERNELS = Path("kernels", "kernels_bicubicx234.npz")
#: which of its kernels stands for which reduction
_NAMES = {2: "k0", 3: "k1", 4: "k2"}
SETS = ("Set5", "Set14")
#: iterations of ``hqs``; its last sigma for each unit of the scale, and the noise that the data
#: step assumes, both on 0..255. Mean PSNR on the training crops at scale 2 / 3 / 4: bicubic 33.07 /
#: 30.32 / 28.64 dB; 4 iterations 35.13 / 31.99 / 30.21, 8 iterations 35.43 / 32.16 / 30.42; with 6,
#: a last sigma of 0.6 scale 35.33 / 32.12 / 30.36, 1 scale 35.27 / 32.05 / 30.32, 2.5 scale 34.53 /
#: 31.64 / 29.93. A noise of 0.12 is as good, 0.7 is 0.05 to 0.1 dB worse. genericdp likewise
#: changes by 0.05 dB at most between 0.5 and 1 scale.
ITERATIONS, FINAL, NOISE = 8, 0.5, 0.255
#: low-resolution pixels mirrored around the image
_PAD = 8


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


def load_kernel(data: Path, scale: int) -> Tensor:
    """The kernel ``[1, 1, 25, 25]`` whose samples stand for bicubic reduction; sums to 1.

    :raises MissingFileError: its file is not there.
    """
    path = data / KERNELS
    if not path.is_file():
        raise MissingFileError(f"no such file of kernels: {path}")
    with np.load(path) as archive:
        kernel = torch.from_numpy(archive[_NAMES[scale]])
    return (kernel / kernel.sum()).float()[None, None]


def split(small: Tensor, prior: Prior, kernel: Tensor, scale: int) -> Tensor:
    """Half-quadratic splitting from the bicubic enlargement on.

    :param small: ``[1, 1, h, w]`` in [0, 1], h and w above 8.
    :returns: ``[1, 1, scale*h, scale*w]``.
    :raises InputError: a smaller image.
    """
    if min(small.shape[-2:]) <= _PAD:
        raise InputError(f"method 'hqs' needs more than {_PAD} low-resolution pixels a side")
    y = F.pad(small, (_PAD,) * 4, mode="reflect")
    height, width = (scale * size for size in y.shape[-2:])
    physics = Downsampling((1, height, width), kernel, scale, y.device, "circular")
    start = enlarge(255 * y[0, 0].cpu().numpy(), scale) / 255
    final = FINAL * scale
    schedule = dpir(final / 255, ITERATIONS, weight=0.23 * (NOISE / final) ** 2)
    init = torch.from_numpy(start)[None, None].to(y.device)
    restored = solver("hqs", prior, schedule)(y, physics, init=init)
    edge = scale * _PAD
    return restored[..., edge:-edge, edge:-edge]


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    return (
        "Y channel (ITU-R 601, 16 to 235; gray files as they are), antialiased bicubic reduction, "
        f"rounded to 8 bits, input enlarged bicubically; a border of scale pixels left out; "
        f"hqs: {ITERATIONS} iterations to sigma = {FINAL:g} scale; direct: one pass; {SCORING}"
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
    if level not in _NAMES:
        raise InputError(f"--scale is 2, 3 or 4, got {level:g}")


@dataclass(frozen=True)
class Problem:
    """An image's file, and the data folder in which the kernels are."""

    file: Path
    data: Path


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Problem]:
    """The images of the set.

    :raises MissingFileError: the set's folder is not there.
    """
    return [Problem(file, data) for file in evaluation_files(data, setting.dataset)[:limit]]


def solve(
    problem: Problem, prior: Prior, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Reduce one image, restore it and score the result.

    :param prior: in eval mode, on ``device``.
    :param level: the scale, 2, 3 or 4.
    """
    scale = int(level)
    clean = whole_blocks(load_luma(problem.file), scale)
    small = reduce(clean, scale)
    bicubic = as_tensor(enlarge(small, scale))
    if setting.method == "direct":
        restored = prior(bicubic.to(device), None)
    else:
        kernel = load_kernel(problem.data, scale).to(device)
        restored = split(as_tensor(small).to(device), prior, kernel, scale)
    images = (bicubic, restored.cpu(), as_tensor(clean))
    return score(problem.file.name, *(image[..., scale:-scale, scale:-scale] for image in images))
