"""Denoising as the tables of the field measure it.

White Gaussian noise, neither clipped nor rounded, from one generator for each image and level; the
prior is told sigma; its output is clipped to [0, 1]; PSNR and SSIM of each image over all its
channels, then their means.

``BSD68``, ``Set12``
    Gray images, as their files are.
``BSD68-256``
    The middle 256×256 pixels of the gray BSD68 images: the size on which learned diffusivities
    (2024) were measured, there at random places of 500 Berkeley images.
``CBSD68``
    Colour images. A gray prior restores each channel by itself, of the same noisy images as a
    colour prior.

Any other folder below ``eval/`` is read in the channels of the prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pnp_priors.benchmark.data import centre, evaluation_files, load_image
from pnp_priors.benchmark.metrics import SCORING, Score, score
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.benchmark.tasks import Setting, check_sigma
from pnp_priors.priors.base import Prior


@dataclass(frozen=True)
class ImageSet:
    """Where a set's images are and what is taken of them.

    :param channels: 1 reads files as gray; ``None``: as many as the prior has.
    :param crop: side of the middle square that is taken.
    """

    folder: str
    channels: int | None = None
    crop: int | None = None

    def read(self, file: Path, prior_channels: int) -> Tensor:
        """A clean image ``[1, C, H, W]`` in [0, 1]."""
        image = load_image(file, self.channels or prior_channels)
        return image if self.crop is None else centre(image, self.crop)


SETS = {
    "BSD68": ImageSet("BSD68", 1),
    "BSD68-256": ImageSet("BSD68", 1, 256),
    "CBSD68": ImageSet("CBSD68", 3),
    "Set12": ImageSet("Set12", 1),
}


def image_set(name: str) -> ImageSet:
    """One of :data:`SETS`, or a folder below ``eval/``."""
    return SETS.get(name) or ImageSet(name)


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    chosen = image_set(setting.dataset)
    middle = f"the middle {chosen.crop}×{chosen.crop} pixels of each image; " if chosen.crop else ""
    colours = "PSNR over all channels; " if chosen.channels == 3 else ""
    return f"{middle}white Gaussian noise, not clipped or rounded; {colours}{SCORING}"


def channels(setting: Setting) -> int | None:
    """Of the images; ``None``: those of the prior."""
    return image_set(setting.dataset).channels


def skill(setting: Setting) -> str:
    """The task that a prior's card must name."""
    return "gaussian"


def check(setting: Setting, level: float) -> None:
    """Refuse what cannot be measured.

    :raises InputError: an impossible noise level.
    """
    check_sigma(level)


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Path]:
    """The files of the set.

    :param data: the data folder.
    :param limit: the first so many images only.
    :raises MissingFileError: no such set; lists those that are there.
    """
    return evaluation_files(data, image_set(setting.dataset).folder)[:limit]


def solve(
    problem: Path, prior: Prior, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Add noise to one image, denoise it and score the result.

    :param problem: a clean image; its name and that of the set decide the noise.
    :param prior: in eval mode, on ``device``.
    :param level: sigma on the 0..255 scale.
    """
    clean = image_set(setting.dataset).read(problem, prior.channels)
    noisy = add_noise(clean, level, f"{setting.dataset}/{problem.stem}")
    restored = prior(noisy.to(device), level / 255).cpu()
    return score(problem.name, noisy, restored, clean)
