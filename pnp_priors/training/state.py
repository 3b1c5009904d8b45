"""Where a training run stands, what follows from it for a step, and its row of the log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pnp_priors.training.recipe import Recipe

LOG_COLUMNS = ("step", "megapixels", "minutes", "progress", "lr_factor", "loss")


@dataclass
class Progress:
    """Where a run stands; part of the checkpoint."""

    step: int = 0
    pixels: int = 0
    seconds: float = 0.0
    phase: int = -1
    loss: float = float("nan")
    started_from: str | None = None
    megapixels_before: float = 0.0
    validation: dict[str, float] = field(default_factory=dict)


def lr_factor(progress: float, step: int, warmup: int, final: float) -> float:
    """Linear warm-up over steps, then a half cosine over the budget from 1 to ``final``."""
    cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return cosine * min(1.0, (step + 1) / warmup) if warmup else cosine


def level_weights(sigma: Tensor, recipe: Recipe) -> Tensor | float:
    """Weights with mean 1 over the range, so that low levels count in dB as high ones do."""
    power = recipe.level_weight
    if not power or recipe.data.sigma is None:
        return 1.0
    low, high = recipe.data.sigma
    floor = recipe.level_floor
    levels = torch.linspace(low, high, 256, device=sigma.device).clamp(min=floor)
    return sigma.clamp(min=floor) ** -power / (levels**-power).mean()


def log_row(state: Progress, recipe: Recipe, progress: float) -> dict[str, object]:
    """Figures by the names of their columns, the validation's scores at the end."""
    settings = recipe.optimizer
    factor = lr_factor(progress, state.step, settings.warmup_steps, settings.final_fraction)
    figures = (
        state.step,
        f"{state.pixels / 1e6:.3f}",
        f"{state.seconds / 60:.2f}",
        f"{progress:.4f}",
        f"{factor:.4f}",
        f"{state.loss:.6g}",
    )
    row: dict[str, object] = dict(zip(LOG_COLUMNS, figures, strict=True))
    return row | {f"psnr_{level}": f"{v:.3f}" for level, v in state.validation.items()}
