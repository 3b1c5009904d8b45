"""Evaluation images and kernels, from the data folder that lies outside the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.training.data import SUFFIXES, read_image

KERNELS = Path("kernels", "levin09.npz")


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
