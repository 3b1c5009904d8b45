"""Colour photographs with the noise of simulated cameras (:mod:`pnp_priors.training.camera`).

A level is the standard deviation of the shot noise at full light, linear and in 0..1 units; the
read noise is 0.375 times that, as the strongest ones of Guo et al. (CVPR 2019) are to each other,
0.16 and 0.06. The camera's response and JPEG quality are drawn for each image: exponents 2 to 2.8,
qualities 60 to 100. The prior is told nothing and gets the camera's picture as it is; its output is
clipped. Cameras were simulated in the same way for training, on other images.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import torch
from torch import Tensor

from pnp_priors.benchmark.data import evaluation_files, load_image
from pnp_priors.benchmark.metrics import SCORING, Score, score
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.training.camera import Ranges, Settings, photograph

#: the strongest noise of the paper
SHOT, READ = 0.16, 0.06
GAMMA, QUALITY = (2.0, 2.8), (60, 100)


def ranges(shot: float) -> Ranges:
    """Cameras of one noise level; response and quality are still to be drawn."""
    read = shot * READ / SHOT
    return Ranges((shot, shot), (read, read), GAMMA, QUALITY)


def shoot(clean: Tensor, ranges: Ranges, problem: str) -> tuple[Tensor, Tensor]:
    """A photograph of an image, and its noise level.

    :param clean: ``[1, 3, H, W]`` in [0, 1].
    :param problem: with the ranges, decides camera and noise.
    :returns: the photograph and the noise level of its pixels, both like ``clean``.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{problem}/{ranges}".encode()))
    return photograph(clean, Settings.draw(1, ranges, generator), generator)


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    return (
        "simulated cameras: shot noise as stated (at full light, linear) and 0.375 times as much "
        "read noise, mosaic, response of exponent 2 to 2.8, JPEG of quality 60 to 100; PSNR over "
        f"all channels; {SCORING}"
    )


def channels(setting: Setting) -> int | None:
    """Of the images."""
    return 3


def skill(setting: Setting) -> str:
    """The task that a prior's card must name."""
    return "camera"


def check(setting: Setting, level: float) -> None:
    """Refuse what cannot be measured.

    :raises InputError: an impossible noise level.
    """
    if not 0 < level <= 1:
        raise InputError(f"--shot is above 0 and at most 1 (0..1 units), got {level:g}")


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Path]:
    """The files of the set.

    :raises MissingFileError: no such set; lists those that are there.
    """
    return evaluation_files(data, setting.dataset)[:limit]


def solve(
    problem: Path, prior: Prior, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Photograph one image, restore it and score the result.

    :param prior: for photographs, in eval mode, on ``device``.
    :param level: the shot noise.
    """
    clean = load_image(problem, 3)
    photo, _ = shoot(clean, ranges(level), problem.stem)
    return score(problem.name, photo, prior(photo.to(device)).cpu(), clean)
