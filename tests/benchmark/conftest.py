"""A data folder made here, and a prior that needs no weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.errors import UnknownNameError
from pnp_priors.priors.base import Prior

CARD: dict[str, Any] = {
    "name": "smoother",
    "title": "a mean",
    "system": "ffdnet",
    "architecture": {"channels": 1},
    "channels": 1,
    "sigma_range": [0.0, 0.2],
    "outside_range": "scaled",
    "blind": False,
    "tasks": ["gaussian"],
    "parameters": 9,
    "receptive_field": 3,
    "weights": {"file": "smoother.safetensors", "sha256": "0" * 64, "bytes": 1},
    "licence": "MIT",
    "paper": "none, naïve",
    "iterative_use": "mild",
    "training": {
        "recipe": "none.yaml",
        "recipe_text": {"zeta": 1, "alpha": 2},
        "data": ["none"],
        "images": 0,
        "megapixels_seen": 0.0,
        "minutes": 0.0,
        "hardware": "none",
        "torch": "2",
        "seed": 0,
        "finished": True,
        "validation_psnr": {},
    },
    "results": [
        {"task": "denoising", "dataset": "BSD68", "psnr": {"15": 1.0}, "command": "old"},
        {"task": "denoising", "dataset": "other", "psnr": {"15": 2.0}, "command": "kept"},
    ],
}


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


def colour_image(seed: int, height: int, width: int) -> np.ndarray:
    """An RGB uint8 image of three different gray ones."""
    return np.stack([smooth_image(seed + i, height, width) for i in range(3)], axis=-1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with tiny sets and the motion kernels."""
    folder = tmp_path / "data"
    for name, files in {
        "BSD68": ("test002", "test001", "test003"),
        "Set12": ("01", "02"),
        "levin": ("im1", "im2"),
        "classic5": ("baboon", "lena"),
    }.items():
        (folder / "eval" / name).mkdir(parents=True)
        for seed, file in enumerate(files):
            image = Image.fromarray(smooth_image(seed, 24, 31))
            image.save(folder / "eval" / name / f"{file}.png")
    for name, size in {"CBSD68": (24, 31), "LIVE1": (24, 31), "Set5": (50, 62)}.items():
        (folder / "eval" / name).mkdir()
        for seed in range(2):
            image = Image.fromarray(colour_image(seed, *size))
            image.save(folder / "eval" / name / f"{seed}.png")
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(folder / "eval/levin/kernel1.png")
    (folder / "kernels").mkdir()
    rng = np.random.default_rng(0)
    kernels = {f"k{i}": rng.random((5, 7)) for i in range(8)}
    kernels = {name: kernel / kernel.sum() for name, kernel in kernels.items()}
    np.savez(folder / "kernels" / "levin09.npz", **kernels)
    return folder


@pytest.fixture
def smoother(monkeypatch: pytest.MonkeyPatch) -> Smoother:
    """The prior that ``registry.load`` returns for every name; its card where there is none."""
    prior = Smoother().eval()
    real = registry.describe

    def describe(name: str) -> Card:
        try:
            return real(name)
        except UnknownNameError:
            return Card.model_validate(CARD | {"name": name})

    monkeypatch.setattr(registry, "load", lambda name, device=None: prior)
    monkeypatch.setattr(registry, "describe", describe)
    return prior


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a card, ``cards(name, **changes)``, in a folder that is the registry's from now on."""
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(registry, "CARDS", folder)

    def write(name: str, **changes: Any) -> Path:
        path = folder / f"{name}.yaml"
        content = CARD | {"name": name} | changes
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
        return path

    return write


@pytest.fixture
def card(cards: Callable[..., Path]) -> Path:
    """The card of a prior called smoother."""
    return cards("smoother")


@pytest.fixture
def shared() -> Path:
    """The data folder of the real sets; for tests marked ``shared_data``."""
    named = os.environ.get("PNP_PRIORS_DATA")
    return Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
