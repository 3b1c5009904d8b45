"""Crops of clean images, degraded as the tasks have it: always the same for a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from deepinv.physics import BlurFFT
from deepinv.physics.generator import MotionBlurGenerator
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors import kernels
from pnp_priors.errors import InputError
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.solvers.deblocking import quantisation_noise
from pnp_priors.training.data import image_files, read_image

#: side of the motion kernels
KERNEL_SIDE = 25


@dataclass(frozen=True)
class Crop:
    """A clean part ``[1, C, side, side]`` of an image, in [0, 1].

    :param name: of its file, relative to the folder.
    """

    name: str
    pixels: Tensor


@dataclass(frozen=True)
class Problem:
    """One crop, and what is observed of it.

    :param noise: what a schedule is made of: its level in [0, 1] image units.
    """

    clean: Tensor
    y: Tensor | TensorList
    physics: BlurFFT | JPEG | BicubicReduction
    noise: float

    def to(self, device: str) -> Problem:
        """The same on a device."""
        clean, y = self.clean.to(device), self.y.to(device)
        return Problem(clean, y, self.physics.to(device), self.noise)

    def psnr(self, restored: Tensor) -> float:
        """dB, of the restored crop clipped to [0, 1]."""
        error = (restored.clamp(0, 1) - self.clean).double().square().mean().item()
        if math.isnan(error):
            # Diverged: the worst that there is, so that it loses against any other.
            return 0.0
        return -10 * math.log10(max(error, 1e-20))


def crops(folder: Path, count: int, side: int, channels: int, seed: int) -> list[Crop]:
    """One part of each of some images, both drawn at random.

    :param folder: of clean images; they are looked for in its folders, too.
    :param side: of the crops, pixels; smaller images are left out.
    :param channels: 1 or 3; colour files read as gray are their ITU-R 601 luma.
    :raises MissingFileError: there is no such folder.
    :raises InputError: no images in it, or too few that are large enough.
    """
    generator = torch.Generator().manual_seed(seed)
    files = image_files(folder)
    found: list[Crop] = []
    for index in torch.randperm(len(files), generator=generator).tolist():
        if len(found) == count:
            break
        try:
            image = torch.from_numpy(read_image(files[index], channels).copy())
        except OSError as error:
            raise InputError(f"{files[index]}: not readable as an image") from error
        spare = [size - side for size in image.shape[-2:]]
        if min(spare) < 0:
            continue
        top, left = (int(torch.randint(n + 1, (), generator=generator)) for n in spare)
        part = image[:, top : top + side, left : left + side].float().div(255)[None]
        found.append(Crop(str(files[index].relative_to(folder)), part))
    if len(found) < count:
        raise InputError(
            f"{folder}: {len(found)} of its {len(files)} images are at least {side}x{side} pixels, "
            f"{count} are needed"
        )
    return found


def for_measuring(folder: Path, parts: list[Crop]) -> list[Path]:
    """The folders of evaluation sets, below an ``eval``, that crops were cut from.

    :param folder: that the crops' names are relative to.
    """
    places = [(folder / crop.name).resolve().parent for crop in parts]
    return list(dict.fromkeys(place for place in places if "eval" in place.parts))


def motion_kernels(count: int, seed: int, side: int = KERNEL_SIDE) -> Tensor:
    """Random motion blurs, ``[count, 1, side, side]``: deepinv's ``MotionBlurGenerator``.

    Trajectories of a Gaussian process, none of which anybody reports numbers on.
    """
    generator = MotionBlurGenerator((side, side), rng=torch.Generator())
    drawn = generator.step(count, seed=seed)["filter"]
    return torch.stack([torch.from_numpy(kernels.check(k.numpy()))[None] for k in drawn])


def blurred(parts: list[Crop], level: float, seed: int) -> list[Problem]:
    """Each crop under its own motion blur, circular, with white Gaussian noise.

    :param level: of the noise, on the 0..255 scale.
    :raises InputError: crops that are not larger than the kernels.
    """
    problems = []
    drawn = motion_kernels(len(parts), seed)
    generator = torch.Generator().manual_seed(seed)
    for crop, kernel in zip(parts, drawn, strict=True):
        size = crop.pixels.shape
        kernels.check_fits((KERNEL_SIDE, KERNEL_SIDE), size[-2], size[-1], "motion blur")
        physics = BlurFFT(tuple(size[1:]), filter=kernel[None])
        # The same noise at every level, but for its strength: levels then differ in that alone.
        noise = torch.randn(size, generator=generator)
        y = physics.A(crop.pixels) + level / 255 * noise
        problems.append(Problem(crop.pixels, y, physics, level / 255))
    return problems


def compressed(parts: list[Crop], level: float, seed: int) -> list[Problem]:
    """Each crop as a JPEG image.

    :param level: quality, 1 to 100.
    :param seed: unused: nothing is random here.
    """
    problems = []
    for crop in parts:
        channels, height, width = crop.pixels.shape[1:]
        physics = JPEG((channels, height, width), quality=int(level))
        y = physics(crop.pixels)
        problems.append(Problem(crop.pixels, y, physics, quantisation_noise(y, physics)))
    return problems


def reduced(parts: list[Crop], level: float, seed: int) -> list[Problem]:
    """Each crop reduced bicubically with antialiasing, and rounded to 8 bits as files are.

    :param level: the scale; sides of the small image are rounded.
    :param seed: unused: nothing is random here.
    """
    problems = []
    for crop in parts:
        channels, height, width = crop.pixels.shape[1:]
        size = (max(round(height / level), 1), max(round(width / level), 1))
        small = resize(crop.pixels, *size).clamp(0, 1)
        physics = BicubicReduction((channels, height, width), size)
        problems.append(Problem(crop.pixels, (255 * small).round() / 255, physics, level / 255))
    return problems
