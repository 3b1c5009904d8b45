"""What a restoration leaves behind besides pixels. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from pnp_priors.monitoring.traces import Trace

#: called with the number of finished iterations and of all of them
Progress = Callable[[int, int], None]

#: rows and columns of a photo
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Used:
    """How a photo was restored.

    :param noise: noise level in [0, 1] units; ``None`` where the prior was told none.
    :param words: that in one line, for people.
    :param notes: what else its owner should know, one line each.
    :param traces: of a solver's iterates; several where a photo is restored in parts.
    """

    noise: float | None
    words: str
    notes: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a restored photo would be measured as, to compare it with the photo given.

    :param values: ``[C, H, W]`` in [0, 1].
    :param border: width in pixels of a border of it that is not to be trusted.
    :param mask: ``[H, W]`` or that of ``values``, true where there was a measurement; ``None``:
        everywhere.
    :param weights: of the channels, where their weighted sum alone was restored.
    """

    values: np.ndarray
    border: int = 0
    mask: np.ndarray | None = None
    weights: tuple[float, ...] | None = None
