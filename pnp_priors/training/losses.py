"""Losses of a restored against a clean batch, one value per image of the batch.

Values are on the 0..1 scale. The training loop weighs the images (see the recipe's
``level_weight``) and averages.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def squared_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error of each image (TRD eq. 5 up to its factor). ``[B]``."""
    return (restored - clean).square().flatten(1).mean(dim=1)


def absolute_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute error of each image. ``[B]``."""
    return (restored - clean).abs().flatten(1).mean(dim=1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": squared_error,
    "l1": absolute_error,
}
