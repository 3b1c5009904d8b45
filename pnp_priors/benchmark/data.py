"""Evaluation images and kernels, from the data folder that lies outside the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.training.data import SUFFIXES, read_image

KERNELS = Path("kernels", "levin09.npz")
#: weights of R, G and B in [0, 255] for luma from 16 to 235 (ITU-R 601), the Y of the papers
_LUMA = np.array([65.481, 128.553, 24.966]) / 255


def evaluation_files(data: Path, name: str, pattern: str = "*") -> list[Path]:
    """The image files of the evaluation set ``eval/name``, sorted by name.

    :param pattern: glob that tells images from other files of the folder, such as kernels.
    :raises MissingFileError: no such set (those that exist are listed), or no images in it.
    """
    folder = data / "eval" / name
    if not folder.is_dir():
        parent = data / "eval"
        there = sorted(f.name for f in parent.iterdir() if f.is_dir()) if parent.is_dir() else []
        raise MissingFileError(
            f"no evaluation set {name!r}: {folder} does not exist"
            + (f"; there: {', '.join(there)}" if there else "")
        )
    files = sorted(f for f in folder.glob(pattern) if f.suffix.lower() in SUFFIXES)
    if not files:
        raise MissingFileError(f"evaluation set {name!r}: no images in {folder}")
    return files


def load_image(file: Path, channels: int) -> Tensor:
    """An image as float32 ``[1, channels, H, W]`` in [0, 1].

    A colour file read as gray is its ITU-R 601 luma, the conversion of the Berkeley gray sets.

    :raises InputError: a file that is no readable image.
    """
    try:
        array = read_image(file, channels)
    except OSError as error:
        raise InputError(f"{file}: not readable as an image") from error
    return torch.from_numpy(array.copy()).float().div(255)[None]


def load_luma(file: Path) -> np.ndarray:
    """The Y channel as papers measure it, uint8 ``[H, W]``.

    ITU-R 601 luma from 16 to 235 of colour files, rounded, as MATLAB's ``rgb2ycbcr`` makes it; gray
    files as they are. This reproduces the papers' numbers of the degraded images, which luma from 0
    to 255 misses by 20 log(255/219) = 1.3 dB where the error scales with the image.

    :raises InputError: a file that is no readable image.
    """
    try:
        with Image.open(file) as image:
            if image.mode in {"1", "L"}:
                return np.asarray(image.convert("L"))
            pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    except OSError as error:
        raise InputError(f"{file}: not readable as an image") from error
    return np.rint(16 + pixels @ _LUMA).astype(np.uint8)


def as_tensor(gray: np.ndarray) -> Tensor:
    """Values 0..255 ``[H, W]`` as float32 ``[1, 1, H, W]`` in [0, 1]."""
    return torch.from_numpy(np.array(gray, np.float32)).div(255)[None, None]


def centre(image: Tensor, size: int) -> Tensor:
    """The middle ``size``×``size`` pixels of ``[..., H, W]``, half a pixel up and left if uneven.

    :raises InputError: a smaller image.
    """
    height, width = image.shape[-2:]
    if min(height, width) < size:
        raise InputError(f"no {size}x{size} pixels to cut from an image of {height}x{width}")
    top, left = (height - size) // 2, (width - size) // 2
    return image[..., top : top + size, left : left + size]


def load_kernels(data: Path, indices: tuple[int, ...]) -> dict[int, Tensor]:
    """Levin's motion kernels ``{index: [1, 1, h, w]}``, float32, from ``kernels/levin09.npz``.

    :param indices: from 0, as the file counts; papers count from 1.
    :raises MissingFileError: the file is not there.
    :raises InputError: it lacks a kernel, or a kernel that does not sum to 1.
    """
    path = data / KERNELS
    if not path.is_file():
        raise MissingFileError(f"no such file of blur kernels: {path}")
    kernels = {}
    with np.load(path) as archive:
        for index in indices:
            if f"k{index}" not in archive:
                raise InputError(f"{path}: no kernel 'k{index}'")
            kernel = torch.from_numpy(archive[f"k{index}"]).float()
            if kernel.ndim != 2 or abs(float(kernel.sum()) - 1) > 1e-3:
                raise InputError(f"{path}: kernel 'k{index}' is not an image that sums to 1")
            kernels[index] = kernel[None, None]
    return kernels
