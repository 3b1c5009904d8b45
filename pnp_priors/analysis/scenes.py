"""The images on which priors are assessed: two that come along, or a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError

#: side of the squares that are assessed, at most; at least; and what it is a multiple of
SIDE, SMALLEST, MULTIPLE = 128, 32, 8
#: upper left corner of the part of the photo: the spoon, the saucer's edge, reflections, wood
_PHOTO, _CORNER = "deconvolution_sharp.png", (176, 160)
#: radii of the leaves in pixels
_RADII = (2.0, 40.0)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def default_images(channels: int) -> dict[str, Tensor]:
    """A part of the example photo of the pipelines (CC0), and dead leaves, both 128×128.

    :param channels: 1 (luma of ITU-R 601) or 3.
    :returns: by name, ``[1, channels, 128, 128]``, float32 in [0, 1].
    """
    from pnp_priors.pipelines import files

    photo = images.read(files.folder() / "examples" / _PHOTO).pixels
    top, left = _CORNER
    part = photo[:, top : top + SIDE, left : left + SIDE]
    return {
        "photo": _in_channels(part, channels),
        "dead leaves": _in_channels(dead_leaves(SIDE), channels),
    }


def own_images(folder: Path, channels: int) -> dict[str, Tensor]:
    """The images of a folder, of each the middle square, all of one size: 128 pixels at most.

    :param channels: 1 (luma of ITU-R 601 of colour files) or 3 (gray files thrice).
    :returns: by file name, ``[1, channels, side, side]``, float32 in [0, 1].
    :raises MissingFileError: no such folder, or no images in it.
    :raises InputError: a file that is no readable image, or less than 32 pixels a side.
    """
    if not folder.is_dir():
        raise MissingFileError(f"no such folder of images: {folder}")
    paths = sorted(path for path in folder.iterdir() if images.is_image(path))
    if not paths:
        raise MissingFileError(f"no images in {folder} ({', '.join(sorted(images.SUFFIXES))})")
    read = {path: images.read(path).pixels for path in paths}
    for path, pixels in read.items():
        if min(pixels.shape[-2:]) < SMALLEST:
            rows, columns = pixels.shape[-2:]
            raise InputError(
                f"{path}: {rows}x{columns} pixels, an assessment needs {SMALLEST} a side"
            )
    smallest = min(min(pixels.shape[-2:]) for pixels in read.values())
    side = min(SIDE, smallest // MULTIPLE * MULTIPLE)
    return {path.name: middle(_in_channels(p, channels), side) for path, p in read.items()}


def middle(image: Tensor, side: int) -> Tensor:
    """The middle ``side``×``side`` pixels of ``[..., H, W]``, or all there are."""
    rows, columns = (max(size - side, 0) // 2 for size in image.shape[-2:])
    return image[..., rows : rows + side, columns : columns + side]


def dead_leaves(side: int, seed: int = 0) -> np.ndarray:
    """Opaque discs of all sizes on top of each other, ``[3, side, side]``, float32 in [0, 1].

    Radii follow the power law r^-3, with which occlusion gives the statistics of natural images:
    Lee, Mumford, Huang: Occlusion models for natural images, IJCV 41, 2001.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    canvas = np.zeros((3, side, side), np.float32)
    free = np.ones((side, side), bool)
    low, high = (radius**-2.0 for radius in _RADII)
    reach = _RADII[1]
    # From the front to the back: what is covered stays, until nothing is free.
    while free.any():
        radius = (low + (high - low) * rng.random()) ** -0.5
        y, x = rng.uniform(-reach, side + reach, 2)
        colour = rng.uniform(0.05, 0.95) * rng.uniform(0.6, 1.0, 3)
        leaf = free & ((rows - y) ** 2 + (columns - x) ** 2 < radius**2)
        canvas[:, leaf] = colour[:, None]
        free &= ~leaf
    return canvas


def _in_channels(pixels: np.ndarray, channels: int) -> Tensor:
    """``[C, H, W]`` of 1 or 3 channels as ``[1, channels, H, W]``."""
    if channels == 1 and len(pixels) == 3:
        pixels = np.tensordot(_LUMA, pixels, 1)[None]
    elif channels == 3 and len(pixels) == 1:
        pixels = np.repeat(pixels, 3, axis=0)
    elif channels != len(pixels):
        raise InputError(f"images have 1 or 3 channels, this prior has {channels}")
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32))[None]
