"""What a preset's file may say: a solver's parameters for one prior and task, by noise level.

Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from pnp_priors.errors import ConfigError, UnknownNameError
from pnp_priors.schema import Strict, parse_as, read_yaml

Solver = Literal["hqs", "admm", "drs"]


class Fixed(Strict):
    """Read, never changed."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Knot(Fixed):
    """The parameters that were found at one noise level, and what they reached there."""

    #: the fields that are interpolated
    parameters: ClassVar[tuple[str, ...]]

    noise: float = Field(gt=0, le=1, description="standard deviation in [0, 1] image units")
    level: float = Field(
        description="the same as it was asked for: 0..255, a JPEG quality, or a scale"
    )
    psnr: float = Field(description="dB, mean over the crops")
    default_psnr: float = Field(
        description="the same with the schedule that is used without tuning"
    )


class DeconvolutionKnot(Knot):
    """Of :func:`pnp_priors.solvers.schedules.dpir`."""

    parameters = ("start", "end", "weight")

    start: float = Field(gt=0, le=1, description="first sigma, [0, 1] image units")
    end: float = Field(gt=0, description="last sigma, in noise levels")
    weight: float = Field(gt=0, description="of the prior: lambda of the paper")


class DeblockingKnot(Knot):
    """Of :func:`pnp_priors.solvers.deblocking.deblock`; the noise is that of quantisation."""

    parameters = ("first", "last", "width")

    first: float = Field(gt=0, description="first sigma, in noise levels")
    last: float = Field(gt=0, description="last sigma, in noise levels")
    width: float = Field(gt=0, le=1, description="of the quantisation intervals, in steps")


class SuperResolutionKnot(Knot):
    """Of :func:`pnp_priors.solvers.schedules.super_resolution`, by the scale: what the small image
    leaves open grows with it as with noise. ``noise`` is the scale over 255, ``level`` the scale.
    """

    parameters = ("start", "end", "weight")

    start: float = Field(gt=0, le=1, description="first sigma, [0, 1] image units")
    end: float = Field(gt=0, description="last sigma, in scales on 0..255")
    weight: float = Field(gt=0, description="of the prior: lambda of the paper")


class Origin(Fixed):
    """How a preset was found."""

    data: str = Field(min_length=1, description="the folder of clean images")
    images: list[str] = Field(min_length=1, description="one crop was cut from each")
    side: int = Field(ge=1, description="of the crops, pixels")
    kernels: str | None = Field(default=None, description="blur kernels, in words")
    seed: int
    evaluations: int = Field(ge=1, description="how often all crops of a level were restored")
    finished: bool = Field(description="false: interrupted")
    weights: str = Field(description="fingerprint of the prior's weights")
    date: str
    version: str
    command: str


class Preset(Fixed):
    """The common part; the tasks differ in their knots."""

    task: str
    prior: str = Field(min_length=1)
    solver: Solver
    iterations: int = Field(ge=1, le=10_000)
    knots: list  # type: ignore[type-arg]
    tuned: Origin

    @model_validator(mode="after")
    def _in_order(self) -> Preset:
        levels = [knot.noise for knot in self.knots]
        if not levels:
            raise ValueError("knots: at least one is needed")
        if any(low >= high for low, high in pairwise(levels)):
            raise ValueError(f"knots: their noise must grow from one to the next, got {levels}")
        return self

    @property
    def identity(self) -> str:
        """12 hexadecimal digits that are others where a restoration would be another: a SHA-256 of
        what :meth:`at` depends on, the solver and the iterations. Where the file lies, what it
        reached and when it was found do not count.
        """
        knots = [[knot.noise, *(getattr(knot, n) for n in knot.parameters)] for knot in self.knots]
        values = [self.task, self.solver, self.iterations, knots]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]

    def at(self, noise: float) -> dict[str, float]:
        """Parameters at a noise level: linear between knots in the logarithms of both, as at the
        nearest knot below the first and above the last.

        :param noise: [0, 1] image units.
        """
        levels = [knot.noise for knot in self.knots]
        above = bisect_right(levels, noise)
        low, high = self.knots[max(above - 1, 0)], self.knots[min(above, len(levels) - 1)]
        part = 0.0
        if high is not low and noise > low.noise:
            part = math.log(noise / low.noise) / math.log(high.noise / low.noise)
        return {
            name: getattr(low, name) ** (1 - part) * getattr(high, name) ** part
            for name in low.parameters
        }


class DeconvolutionPreset(Preset):
    task: Literal["deconvolution"]
    knots: list[DeconvolutionKnot]


class DeblockingPreset(Preset):
    task: Literal["jpeg-deblocking"]
    knots: list[DeblockingKnot]


class SuperResolutionPreset(Preset):
    task: Literal["super-resolution"]
    knots: list[SuperResolutionKnot]


#: what the presets of a task say
PRESETS: dict[str, type[Preset]] = {
    "deconvolution": DeconvolutionPreset,
    "jpeg-deblocking": DeblockingPreset,
    "super-resolution": SuperResolutionPreset,
}


def parse(content: object, where: str) -> Preset:
    """Check what a preset's file says.

    :raises ConfigError: one line that names the file, the key and what is allowed.
    """
    if not isinstance(content, dict) or "task" not in content:
        raise ConfigError(f"{where}: not a preset, it has no key 'task'")
    if content["task"] not in PRESETS:
        raise ConfigError(
            f"{where}: task: no presets of {content['task']!r}; allowed: {', '.join(PRESETS)}"
        )
    return parse_as(PRESETS[content["task"]], content, where)


def read(path: Path) -> Preset:
    """A preset from its YAML file.

    :raises MissingFileError: there is no such file.
    :raises ConfigError: one line that names the file, the key and what is allowed.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: a folder, not the file of a preset")
    return parse(read_yaml(path), str(path))


def check_task(task: str) -> str:
    """``task``, if there can be presets of it.

    :raises UnknownNameError: lists those.
    """
    if task not in PRESETS:
        raise UnknownNameError("task", task, sorted(PRESETS))
    return task
