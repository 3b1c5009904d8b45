"""The moving average of weights that is validated and released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

Average = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def moving_average(decay: float) -> Average:
    """An exponential moving average for ``AveragedModel`` that short runs can rely on.

    After n steps it forgets with (1 + n)/(10 + n) until that exceeds ``decay``: with a fixed 0.999,
    weights after 400 steps would be mostly those that the run began with.

    :param decay: share of the old average that a step keeps, below 1.
    """

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Any) -> None:
        warm = (1 + float(steps)) / (10 + float(steps))
        get_ema_multi_avg_fn(min(decay, warm))(averaged, current, steps)

    return update
