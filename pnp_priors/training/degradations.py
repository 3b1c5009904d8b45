"""What is done to clean images before a prior restores them: the task that a recipe trains.

A recipe names one in ``data.degradation`` and gives the keys that it lists; keys of the others are
refused. Each draws everything random from the sampler's generator, so that a checkpoint continues
with the same images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from pnp_priors.errors import ConfigError
from pnp_priors.physics.jpeg import BLOCK, luminance_table, simulate
from pnp_priors.priors.base import Prior, Task

if TYPE_CHECKING:
    from pnp_priors.training.data import PatchSampler
    from pnp_priors.training.recipe import Recipe


class Degradation(ABC):
    """How one kind of degraded image is made, as a recipe says."""

    #: the keys of a recipe's ``data`` that it needs
    keys: ClassVar[tuple[str, ...]]
    #: patches are whole multiples of this
    grid: ClassVar[int]
    #: what a level is, in words
    unit: ClassVar[str]
    #: the task of a card that it trains
    task: ClassVar[Task]
    #: the cases of the validation
    levels: Sequence[Any]

    @abstractmethod
    def __init__(self, recipe: Recipe) -> None: ...

    def check(self, prior: Prior) -> None:
        """:raises ConfigError: a network that is made for something else."""
        if self.task not in prior.tasks:
            made = ", ".join(prior.tasks)
            raise ConfigError(f"data.degradation: the network is for {made}, not for {self.task}")

    @abstractmethod
    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        """Degraded patches and the noise levels ``[B]`` that the prior is told (0 for none)."""

    @abstractmethod
    def at(self, clean: Tensor, level: Any, seed: int) -> tuple[Tensor, float]:
        """One validation image ``[1, C, H, W]`` degraded at a level, and its noise level."""

    @abstractmethod
    def label(self, level: Any) -> str:
        """The level as logs and cards name it."""


class Gaussian(Degradation):
    """White Gaussian noise of a level drawn for each patch, neither clipped nor rounded."""

    keys = ("sigma",)
    grid = 1
    unit = "sigma"
    task = "gaussian"

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.data.sigma is not None
        self.low, self.high = recipe.data.sigma
        self.levels = recipe.validation_sigmas

    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        sigma = sampler.noise_levels(clean.shape[0], self.low, self.high)
        return clean + sigma[:, None, None, None] * sampler.gaussian(clean), sigma

    def at(self, clean: Tensor, level: float, seed: int) -> tuple[Tensor, float]:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        return clean + level * noise, level

    def label(self, level: float) -> str:
        return f"{255 * level:g}"


class Jpeg(Degradation):
    """JPEG's quantisation with the standard luminance table of a quality drawn for each patch.

    Each patch is encoded by itself, its corner on the block grid.
    """

    keys = ("quality",)
    grid = BLOCK
    unit = "JPEG quality"
    task = "jpeg"

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.data.quality is not None
        self.low, self.high = recipe.data.quality
        self.levels = recipe.validation_qualities or sorted({self.low, self.high})
        self.tables = torch.stack([luminance_table(q) for q in range(self.low, self.high + 1)])

    def check(self, prior: Prior) -> None:
        super().check(prior)
        trained = prior.quality_range
        if trained is not None and not trained[0] <= self.low <= self.high <= trained[1]:
            raise ConfigError(
                f"data.quality: the network is for {trained[0]} to {trained[1]}, "
                f"got {self.low} to {self.high}"
            )

    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        tables = self.tables.to(clean.device)
        chosen = sampler.integers(clean.shape[0], len(tables))
        return simulate(clean, tables[chosen]), clean.new_zeros(clean.shape[0])

    def at(self, clean: Tensor, level: int, seed: int) -> tuple[Tensor, float]:
        return simulate(clean, luminance_table(level)), 0.0

    def label(self, level: int) -> str:
        return str(level)


DEGRADATIONS: dict[str, type[Degradation]] = {"gaussian": Gaussian, "jpeg": Jpeg}
