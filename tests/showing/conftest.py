"""A prior known in closed form, and an example of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pnp_priors.priors.base import Prior


class Formula(Prior):
    """``D(x, sigma)`` as a formula."""

    receptive_field = 1

    def __init__(
        self,
        formula: Callable[[Tensor, Tensor], Tensor],
        channels: int = 1,
        sigma_range: tuple[float, float] = (0.0, 50 / 255),
        blind: bool = False,
    ) -> None:
        super().__init__(channels, sigma_range, blind)
        self.formula = formula
        self.weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.formula(x, sigma)


@pytest.fixture(scope="session")
def formula() -> type[Formula]:
    return Formula
