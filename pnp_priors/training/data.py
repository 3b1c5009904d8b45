"""Patches of clean images, cut and turned on the device that trains.

All images lie in one flat byte buffer, and a batch of patches is one gather from it: no worker
processes, images of any size, the same code on a CPU and on a GPU, and a generator's state is all
that a checkpoint needs to continue with the same patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.training.documents import RENDERED

if TYPE_CHECKING:
    from pnp_priors.training.recipe import Source

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def image_files(folder: Path) -> list[Path]:
    """The image files below ``folder``, sorted, so that a seed means the same everywhere."""
    if not folder.is_dir():
        raise MissingFileError(f"no such folder of training images: {folder}")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"no images ({', '.join(sorted(SUFFIXES))}) in {folder}")
    return files


def read_image(path: Path, channels: int) -> np.ndarray:
    """An image as uint8 ``[channels, H, W]``; gray is ITU-R 601 luma, as in the Berkeley sets."""
    with Image.open(path) as image:
        array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return array[None] if channels == 1 else np.moveaxis(array, -1, 0)


def load_source(
    source: Source, data: Path, channels: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The images of a recipe's source for training, and those it holds out, uint8 ``[C, H, W]``.

    :param data: the folder that a source's folder is relative to.
    :raises MissingFileError, InputError: no such folder, or too few images.
    :raises MissingExtraError: rendering needs a font that is not installed.
    """
    if source.rendered is not None:
        assert source.count is not None
        images = list(RENDERED[source.rendered](source.count, source.seed or 0, channels))
    else:
        assert source.folder is not None
        images = [read_image(file, channels) for file in image_files(data / source.folder)]
    kept = len(images) - source.hold_out
    if kept <= 0:
        raise InputError(f"{source}: cannot hold out {source.hold_out} of {len(images)}")
    return images[:kept], images[kept:]


def load_sources(
    sources: Sequence[Source], data: Path, channels: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Likewise of several sources, one after the other."""
    train: list[np.ndarray] = []
    validation: list[np.ndarray] = []
    for source in sources:
        kept, held_out = load_source(source, data, channels)
        train += kept
        validation += held_out
    return train, validation


class PatchSampler:
    """Random patches from a list of images, with random flips and transposition.

    :param images: uint8 arrays ``[C, H, W]`` of any sizes, all with the same C.
    :param patch: side of the patches; images smaller than this are refused.
    :param seed: of the generator that draws patches and noise.
    :param device: where patches are made.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        patch: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        for index, image in enumerate(images):
            if min(image.shape[-2:]) < patch:
                raise InputError(
                    f"training image {index} is {image.shape[-1]}x{image.shape[-2]}, "
                    f"smaller than a patch of {patch}"
                )
        self.patch = patch
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        sizes = torch.tensor([image.shape for image in images], device=self.device)
        self.channels = int(sizes[0, 0])
        self.heights, self.widths = sizes[:, 1], sizes[:, 2]
        numel = sizes.prod(dim=1)
        self.starts = numel.cumsum(0) - numel
        flat = np.concatenate([image.reshape(-1) for image in images])
        self.buffer = torch.from_numpy(flat).to(self.device)
        # Each possible patch equally likely, whatever the image's size.
        self.weights = ((self.heights - patch + 1) * (self.widths - patch + 1)).float()
        self.pixels = int((self.heights * self.widths).sum())

    def _integers(self, limits: Tensor) -> Tensor:
        uniform = torch.rand(limits.shape, generator=self.generator, device=self.device)
        return (uniform * limits).long().clamp_(max=limits - 1)

    def sample(self, batch: int) -> Tensor:
        """``[batch, C, patch, patch]`` float32 in [0, 1]."""
        side, device = self.patch, self.device
        chosen = torch.multinomial(self.weights, batch, replacement=True, generator=self.generator)
        height, width = self.heights[chosen], self.widths[chosen]
        top = self._integers(height - side + 1)
        left = self._integers(width - side + 1)
        flips = torch.rand(3, batch, 1, generator=self.generator, device=device) < 0.5
        steps = torch.arange(side, device=device).expand(batch, side)
        rows = torch.where(flips[0], side - 1 - steps, steps) + top[:, None]
        columns = torch.where(flips[1], side - 1 - steps, steps) + left[:, None]
        across = rows[:, :, None] * width[:, None, None] + columns[:, None, :]
        across = torch.where(flips[2][:, :, None], across.transpose(1, 2), across)
        plane = torch.arange(self.channels, device=device) * (height * width)[:, None]
        index = (self.starts[chosen][:, None] + plane)[:, :, None, None] + across[:, None]
        return self.buffer[index].float().div_(255)

    def integers(self, batch: int, count: int) -> Tensor:
        """``[batch]`` whole numbers, each of 0 to ``count - 1`` equally likely."""
        return self._integers(torch.full((batch,), count, device=self.device))

    def noise_levels(self, batch: int, low: float, high: float) -> Tensor:
        """``[batch]`` levels, uniform between ``low`` and ``high``."""
        uniform = torch.rand(batch, generator=self.generator, device=self.device)
        return low + (high - low) * uniform

    def gaussian(self, like: Tensor) -> Tensor:
        """White Gaussian noise of unit variance in the shape of ``like``."""
        return torch.randn(like.shape, generator=self.generator, device=self.device)
