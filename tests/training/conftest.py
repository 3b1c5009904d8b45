"""A folder of synthetic training images, and tiny recipes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import Tensor

from pnp_priors.schema import parse_as
from pnp_priors.training.recipe import Recipe

Make = Callable[..., Recipe]

CARD = {"title": "t", "paper": "p", "licence": "MIT", "iterative_use": "none"}
COMMON: dict[str, Any] = {
    "name": "tiny",
    "card": CARD,
    "data": {
        "sources": [{"folder": "images", "hold_out": 1}],
        "patch": 16,
        "batch": 4,
        "sigma": [5 / 255, 40 / 255],
    },
    "steps": 12,
    "ema": 0.8,
    "validate_every": 5,
    "validation_sigmas": [15 / 255, 25 / 255],
}
FFDNET = {
    "system": "ffdnet",
    "architecture": {"depth": 3, "width": 8, "residual": True, "batch_norm": True},
    "optimizer": {"lr": {"weights": 5e-3}, "warmup_steps": 3, "clip": 1.0},
}
DIFFUSION = {
    "system": "reaction-diffusion",
    "architecture": {"stages": 3, "filter_size": 3, "levels": 40},
    "optimizer": {
        "lr": {"filters": 2e-3, "influence": 2e-2, "reaction": 2e-2},
        "warmup_steps": 3,
        "clip": 1.0,
    },
    "phases": [
        {"until": 0.5, "grow": {"stages": 1}},
        {"until": 0.75, "grow": {"stages": 2}},
        {"until": 1.0, "grow": {"stages": 3}},
    ],
}
JPEG = {
    "system": "jpeg-reaction-diffusion",
    "architecture": {"stages": 3, "filter_size": 3, "quality": 20},
    "data": {
        **{key: value for key, value in COMMON["data"].items() if key != "sigma"},
        "degradation": "jpeg",
        "quality": [20, 20],
    },
    "optimizer": {"lr": {"filters": 2e-3, "influence": 2e-1}, "warmup_steps": 3, "clip": 1.0},
    "phases": DIFFUSION["phases"],
}
MIXED = {
    "system": "dncnn",
    "architecture": {
        "depth": 3,
        "width": 8,
        "blind": True,
        "sigma_range": [0, 55 / 255],
        "tasks": ["gaussian", "jpeg", "super-resolution"],
        "quality_range": [5, 99],
        "scales": [2, 3, 4],
    },
    "data": {
        **COMMON["data"],
        "sources": [{"folder": "large", "hold_out": 1}],
        "patch": 24,
        "degradation": "mixed",
        "quality": [10, 40],
        "scale": [2, 3],
    },
    "loss": "rmse",
    "optimizer": {"lr": {"weights": 5e-3}, "warmup_steps": 3, "clip": 1.0},
}
CAMERA = {
    "system": "cbdnet",
    "architecture": {"width": 4, "estimator_width": 4},
    "data": {
        **{key: value for key, value in COMMON["data"].items() if key != "sigma"},
        "degradation": "camera",
        "shot": [0.0, 0.16],
        "read": [0.0, 0.06],
        "gamma": [2.0, 2.8],
        "quality": [60, 100],
    },
    "optimizer": {"lr": {"weights": 5e-3}, "warmup_steps": 3, "clip": 1.0},
}
SYSTEMS = {
    "ffdnet": FFDNET,
    "diffusion": DIFFUSION,
    "jpeg": JPEG,
    "mixed": MIXED,
    "camera": CAMERA,
}
FOLDERS = {
    "images": [(40, 48), (33, 37), (24, 30)],
    "large": [(60, 66), (52, 49), (49, 53)],  # for patches with a margin
}


@pytest.fixture
def data(tmp_path: Path, scene: Callable[..., Tensor]) -> Path:
    """A data folder with three synthetic images in ``images`` and in ``large``."""
    for name, sizes in FOLDERS.items():
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for seed, (height, width) in enumerate(sizes):
            pixels = scene(height, width, seed=seed)[0, 0].mul(255).round().byte().numpy()
            Image.fromarray(pixels).save(folder / f"{seed}.png")
    return tmp_path / "data"


@pytest.fixture
def recipe() -> Make:
    """``recipe("ffdnet", steps=3, …)``: a tiny recipe with changed keys."""

    def make(system: str, **changes: Any) -> Recipe:
        return parse_as(Recipe, {**COMMON, **SYSTEMS[system], **changes}, "test")

    return make
