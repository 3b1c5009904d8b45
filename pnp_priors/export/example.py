"""A restoration's inputs, drawn by formulas, with the torch restorer that is set up for them.

Each module of :mod:`pnp_priors.export.tasks` has ``example(restorer, size, level, seed)``. It makes
reference cases, what ``pnp-priors verify`` tries and what is timed on a graphics card.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pnp_priors.export.inputs import Size
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.runtime.reference import Case


@dataclass(frozen=True)
class Example:
    """What a graph is given, and who does the same in torch.

    :param inputs: of the graph, by name.
    :param restorer: has as settings what the graph has as inputs: kernel, tables; it shares the
        prior with the restorer that it was made of.
    :param noise: standard deviation that the restorer is told; ``None``: nothing.
    :param clean: the photo without what is removed, of the size of the restored one.
    :param label: the level of what is removed, in a few words.
    """

    inputs: dict[str, np.ndarray]
    restorer: Restorer
    noise: float | None
    clean: np.ndarray
    label: str

    def restored(self, x: Tensor) -> Tensor:
        """By torch, in the dtype and on the device of the restorer."""
        with torch.no_grad():
            return self.restorer(x, noise=self.noise)

    def in_float64(self) -> np.ndarray:
        """By torch in float64, where the restorer is; its prior is float64 afterwards."""
        self.restorer.double()
        return self.restored(torch.from_numpy(self.inputs["x"]).double()).cpu().numpy()

    def in_float32(self) -> np.ndarray:
        """By torch as people run it."""
        return self.restored(torch.from_numpy(self.inputs["x"])).numpy()


class Task(Protocol):
    """What a module of :mod:`pnp_priors.export.tasks` has."""

    #: sizes of photos and levels that ``pnp-priors verify`` tries, as for a gray prior
    VERIFIED: tuple[tuple[Size, float], ...]
    #: what ``example`` draws by default: noise in [0, 1], or a quality
    LEVEL: float

    def example(self, restorer: Restorer, size: Size, level: float, seed: int = 0) -> Example:
        """A photo of this size."""


def cases_of(examples: Iterable[Example]) -> list[Case]:
    """With what torch makes of them in float64; the prior is float64 afterwards."""
    return [Case(one.inputs, one.in_float64().astype(np.float32)) for one in examples]


def told(level: float) -> np.ndarray:
    """A noise level as graphs take it, ``[1]``; torch is told the same float32 number."""
    return np.array([level], np.float32)
