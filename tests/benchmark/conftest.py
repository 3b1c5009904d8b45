"""A data folder made here, and a prior that needs no weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pnp_priors import registry
from pnp_priors.priors.base import Prior


class Smoother(Prior):
    """Averages 3x3 pixels; a prior without training."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels, (0.0, 50 / 255))
        kernel = torch.full((channels, 1, 3, 3), 1 / 9)
        self.kernel = torch.nn.Parameter(kernel, requires_grad=False)

    @property
    def receptive_field(self) -> int:
        return 3

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.conv2d(padded, self.kernel, groups=self.channels)


def smooth_image(seed: int, height: int, width: int) -> np.ndarray:
    """A gray uint8 image with some structure."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / rng.uniform(3, 6)) * np.cos(y / rng.uniform(3, 6))
    return np.uint8(np.round(127 + 90 * waves))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with tiny sets: BSD68, Set12, levin and the kernels."""
    folder = tmp_path / "data"
    for name, files in {
        "BSD68": ("test002", "test001", "test003"),
        "Set12": ("01", "02"),
        "levin": ("im1", "im2"),
    }.items():
        (folder / "eval" / name).mkdir(parents=True)
        for seed, file in enumerate(files):
            image = Image.fromarray(smooth_image(seed, 24, 31))
            image.save(folder / "eval" / name / f"{file}.png")
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(folder / "eval/levin/kernel1.png")
    (folder / "kernels").mkdir()
    rng = np.random.default_rng(0)
    kernels = {f"k{i}": rng.random((5, 7)) for i in range(8)}
    kernels = {name: kernel / kernel.sum() for name, kernel in kernels.items()}
    np.savez(folder / "kernels" / "levin09.npz", **kernels)
    return folder


@pytest.fixture
def smoother(monkeypatch: pytest.MonkeyPatch) -> Smoother:
    """The prior that ``registry.load`` returns for every name."""
    prior = Smoother().eval()
    monkeypatch.setattr(registry, "load", lambda name, device=None: prior)
    return prior
