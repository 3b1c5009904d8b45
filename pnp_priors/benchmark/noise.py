"""The noise of a test problem: always the same one for the same image and level."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def add_noise(clean: Tensor, sigma: float, problem: str) -> Tensor:
    """Add white Gaussian noise, neither clipped nor rounded.

    It is drawn on the CPU from a seed made of the problem's name and the level, so that it does
    not depend on the device, nor on which other problems are measured.

    :param clean: any shape, float32, on the CPU.
    :param sigma: standard deviation on the 0..255 scale, as tables state it.
    :param problem: for example ``BSD68/test001``.
    """
    seed = zlib.crc32(f"{problem}/{sigma:g}".encode())
    generator = torch.Generator("cpu").manual_seed(seed)
    return clean + sigma / 255 * torch.randn(clean.shape, generator=generator)
