"""What is done to clean images before a prior restores them: the tasks that a recipe trains.

A recipe names one in ``data.degradation`` and gives the keys that it lists; keys of the others are
refused. Each draws everything random from the sampler's generator, so that a checkpoint continues
with the same images.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from pnp_priors.errors import ConfigError
from pnp_priors.physics import bicubic
from pnp_priors.physics.jpeg import BLOCK, luminance_table, simulate
from pnp_priors.priors.base import Prior, Task
from pnp_priors.training import camera

if TYPE_CHECKING:
    from pnp_priors.training.data import PatchSampler
    from pnp_priors.training.recipe import Recipe


class Degradation(ABC):
    """How one kind of degraded image is made, as a recipe says."""

    #: the keys of a recipe's ``data`` that it needs
    keys: ClassVar[tuple[str, ...]]
    #: patches are whole multiples of this
    grid: ClassVar[int]
    #: pixels around a patch that it looks at: clean patches come with them, degraded ones without
    margin: ClassVar[int] = 0
    #: what a level is, in words, and in short in front of one where there are several kinds
    unit: ClassVar[str]
    symbol: ClassVar[str] = ""
    #: the tasks of a card that it trains
    tasks: ClassVar[tuple[Task, ...]]
    #: those that it draws from, by their names in recipes
    kinds: ClassVar[dict[str, type[Degradation]]] = {}
    #: the cases of the validation
    levels: Sequence[Any]

    @abstractmethod
    def __init__(self, recipe: Recipe) -> None: ...

    def check(self, prior: Prior) -> None:
        """:raises ConfigError: a network that is made for something else, or for more."""
        for wrong, words in (
            (set(self.tasks) - set(prior.tasks), "not for"),
            (set(prior.tasks) - set(self.tasks), "none of these trains it for"),
        ):
            if wrong:
                made = ", ".join(prior.tasks)
                raise ConfigError(
                    f"data.degradation: the network is for {made}, {words} "
                    f"{', '.join(sorted(wrong))}"
                )
        self.check_levels(prior)

    def check_levels(self, prior: Prior) -> None:  # noqa: B027
        """:raises ConfigError: a network that is made for other levels."""

    @abstractmethod
    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        """Degraded patches and the noise levels that the prior is told (0 for none).

        :param clean: ``[B, C, P + 2*margin, P + 2*margin]`` in [0, 1].
        :returns: the degraded patches ``[B, C, P, P]``; the levels ``[B]``, or a map of them for
            priors that estimate it.
        """

    @abstractmethod
    def at(self, clean: Tensor, level: Any, seed: int) -> tuple[Tensor, float | None]:
        """One validation image ``[1, C, H, W]`` degraded at a level, and its noise level.

        Rows and columns beyond whole multiples of what the level asks for are cut off. Where the
        prior estimates the noise level, it is told ``None``.
        """

    @abstractmethod
    def label(self, level: Any) -> str:
        """The level as logs and cards name it."""


def inside(patches: Tensor, margin: int) -> Tensor:
    """Patches ``[..., P + 2*margin, P + 2*margin]`` without their margin."""
    return patches[..., margin:-margin, margin:-margin] if margin else patches


class Gaussian(Degradation):
    """White Gaussian noise of a level drawn for each patch, neither clipped nor rounded."""

    keys = ("sigma",)
    grid = 1
    unit = "sigma"
    symbol = "sigma "
    tasks = ("gaussian",)

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
    symbol = "q "
    tasks = ("jpeg",)

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.data.quality is not None
        self.low, self.high = recipe.data.quality
        self.levels = recipe.validation_qualities or sorted({self.low, self.high})
        self.tables = torch.stack([luminance_table(q) for q in range(self.low, self.high + 1)])

    def check_levels(self, prior: Prior) -> None:
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


class SuperResolution(Degradation):
    """The bicubic enlargement of a bicubic reduction, by a scale drawn for each patch.

    As super-resolution is measured (:mod:`pnp_priors.benchmark.super_resolution`): antialiased,
    the reduced image rounded to 8 bits.
    """

    keys = ("scale",)
    # Of all scales that are allowed. The margin is as wide as an image's border is felt at scale
    # 4, the far tails of the cubic function aside: a patch shows what is inside of images.
    grid = 12
    margin = 12
    unit = "scale"
    symbol = "x"
    tasks = ("super-resolution",)

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.data.scale is not None
        self.scales = recipe.data.scale
        self.levels = self.scales

    def check_levels(self, prior: Prior) -> None:
        if prior.scales is not None and not set(self.scales) <= set(prior.scales):
            raise ConfigError(
                f"data.scale: the network is for {list(prior.scales)}, got {list(self.scales)}"
            )

    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        blurred = clean.clone()
        chosen = sampler.integers(clean.shape[0], len(self.scales))
        for index, scale in enumerate(self.scales):
            rows = (chosen == index).nonzero()[:, 0]
            blurred[rows] = bicubic.simulate(clean[rows], scale)
        return inside(blurred, self.margin), clean.new_zeros(clean.shape[0])

    def at(self, clean: Tensor, level: int, seed: int) -> tuple[Tensor, float]:
        height, width = (size // level * level for size in clean.shape[-2:])
        return bicubic.simulate(clean[..., :height, :width], level), 0.0

    def label(self, level: int) -> str:
        return str(level)


class Mixed(Degradation):
    """Noise, super-resolution or JPEG, drawn for each patch: DnCNN-3.

    Zhang et al., IEEE TIP 26(7), 2017, section IV-A; which share each kind has is not said there.
    Here it is the recipe's ``data.shares``, equal by default.
    """

    kinds: ClassVar[dict[str, type[Degradation]]] = {
        "gaussian": Gaussian,
        "super-resolution": SuperResolution,
        "jpeg": Jpeg,
    }
    keys = tuple(key for kind in kinds.values() for key in kind.keys)
    grid = math.lcm(*(kind.grid for kind in kinds.values()))
    margin = max(kind.margin for kind in kinds.values())
    unit = "level"
    tasks = tuple(task for kind in kinds.values() for task in kind.tasks)

    def __init__(self, recipe: Recipe) -> None:
        self.parts = [kind(recipe) for kind in self.kinds.values()]
        shares = recipe.data.shares or dict.fromkeys(self.kinds, 1)
        #: of as many draws as the shares' sum, which part each is
        self.draws = [index for index, kind in enumerate(self.kinds) for _ in range(shares[kind])]
        self.levels = [(part, level) for part in self.parts for level in part.levels]

    def check_levels(self, prior: Prior) -> None:
        for part in self.parts:
            part.check_levels(prior)

    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        degraded = inside(clean, self.margin).clone()
        sigma = clean.new_zeros(clean.shape[0])
        drawn = sampler.integers(clean.shape[0], len(self.draws))
        chosen = torch.tensor(self.draws, device=drawn.device)[drawn]
        for index, part in enumerate(self.parts):
            rows = (chosen == index).nonzero()[:, 0]
            if not len(rows):
                continue
            patches = inside(clean[rows], self.margin - part.margin)
            degraded[rows], sigma[rows] = part.degrade(patches, sampler)
        return degraded, sigma

    def at(
        self, clean: Tensor, level: tuple[Degradation, Any], seed: int
    ) -> tuple[Tensor, float | None]:
        part, its_level = level
        return part.at(clean, its_level, seed)

    def label(self, level: tuple[Degradation, Any]) -> str:
        part, its_level = level
        return part.symbol + part.label(its_level)


class Camera(Degradation):
    """Photographs, each by a camera of its own: see :mod:`pnp_priors.training.camera`.

    A level is the share of the strongest shot and read noise that an image gets.
    """

    keys = ("shot", "read", "gamma", "quality")
    grid = 2 * BLOCK  # of which chrominance is stored at half size
    margin = camera.REACH
    unit = "shot+read noise"
    tasks = ("camera",)
    levels = (0.25, 0.5, 1.0)

    def __init__(self, recipe: Recipe) -> None:
        data = recipe.data
        assert data.shot is not None
        assert data.read is not None
        assert data.gamma is not None
        assert data.quality is not None
        self.ranges = camera.Ranges(data.shot, data.read, data.gamma, data.quality)

    def degrade(self, clean: Tensor, sampler: PatchSampler) -> tuple[Tensor, Tensor]:
        settings = camera.Settings.draw(len(clean), self.ranges, sampler.generator)
        return camera.photograph(clean, settings, sampler.generator, self.margin)

    def at(self, clean: Tensor, level: float, seed: int) -> tuple[Tensor, None]:
        shot, read = self._noise(level)
        generator = torch.Generator().manual_seed(seed)
        ranges = replace(self.ranges, shot=(shot, shot), read=(read, read))
        settings = camera.Settings.draw(len(clean), ranges, generator)
        return camera.photograph(clean, settings, generator)[0], None

    def label(self, level: float) -> str:
        return "+".join(f"{noise:g}" for noise in self._noise(level))

    def _noise(self, level: float) -> tuple[float, float]:
        return level * self.ranges.shot[1], level * self.ranges.read[1]


DEGRADATIONS: dict[str, type[Degradation]] = Mixed.kinds | {
    "mixed": Mixed,
    "camera": Camera,
}
