r"""ADMM and DRS whose step size changes from one iteration to the next.

Both carry a multiplier along: ADMM its scaled form :math:`z = \gamma w`, DRS inside of its
variable :math:`t = x + \gamma w`. deepinv leaves z and t as they are when the step size changes,
which multiplies w by the change: when :math:`\gamma` falls by a thousand, as in DPIR's schedule,
old multipliers outweigh the data by that factor. Here w itself is kept (Lorenz, Tran-Dinh:
Non-stationary Douglas-Rachford and alternating direction method of multipliers: adaptive step-sizes
and convergence, Comput. Optim. Appl. 2019); with a constant step the iterates are deepinv's.

Also, deepinv begins ADMM with a multiplier of :math:`A^T y`, the image itself; here it is 0.
"""

from __future__ import annotations

from typing import Any

import deepinv
import torch
from deepinv.optim.optim_iterators import ADMMIteration, DRSIteration, OptimIterator

#: what deepinv calls the state of an algorithm: its iterates and their cost
State = dict[str, Any]


class _Unscaled(OptimIterator):
    """An iteration whose second variable is w, around deepinv's, whose one moves with w."""

    def moved(self, x: torch.Tensor) -> torch.Tensor | float:
        """What deepinv's variable is at w = 0."""
        raise NotImplementedError

    def forward(
        self,
        X: State,  # noqa: N803 (deepinv's name)
        cur_data_fidelity: Any,
        cur_prior: Any,
        cur_params: dict,
        *args: Any,
    ) -> State:
        step = cur_params["stepsize"]
        x, w = X["est"]
        given = {**X, "est": (x, self.moved(x) + step * w)}
        after = super().forward(given, cur_data_fidelity, cur_prior, cur_params, *args)
        x, theirs = after["est"]
        return {**after, "est": (x, (theirs - self.moved(x)) / step)}


class _ADMMIteration(_Unscaled, ADMMIteration):
    def moved(self, x: torch.Tensor) -> float:
        return 0.0


class _DRSIteration(_Unscaled, DRSIteration):
    def moved(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _without_multiplier(state: State) -> State:
    x = state["est"][0]
    return {**state, "est": (x, torch.zeros_like(x))}


class ADMM(deepinv.optim.ADMM):
    """deepinv's, for step sizes that change; begins without a multiplier."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.fixed_point.iterator = _ADMMIteration(has_cost=self.has_cost)

    def init_iterate_fn(self, *args: Any, **kwargs: Any) -> State:
        return _without_multiplier(super().init_iterate_fn(*args, **kwargs))


class DRS(deepinv.optim.DRS):
    """deepinv's, for step sizes that change; begins without a multiplier."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.fixed_point.iterator = _DRSIteration(has_cost=self.has_cost)

    def init_iterate_fn(self, *args: Any, **kwargs: Any) -> State:
        return _without_multiplier(super().init_iterate_fn(*args, **kwargs))
