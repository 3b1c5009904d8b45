r"""Watches the iterates of a deepinv solver and falls back when they diverge.

A forward hook on the solver's iteration sees every iterate; the algorithm itself is untouched, so
that a run in which nothing happens gives the very same result, bit for bit.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from deepinv.optim import BaseOptim
from deepinv.physics import Physics
from torch import Tensor

from pnp_priors.errors import DivergenceWarning
from pnp_priors.monitoring import traces
from pnp_priors.monitoring.traces import Divergence, Trace

#: A change or residual above this many times its smallest value so far has diverged. Runs that go
#: well stayed below 1.2 (deconvolution of the bundled photo at 2.55/255, five solvers, both
#: schedules, 8 iterations, trd-5x5-s15 and ffdnet-gray).
GROWTH = 3.0
#: … if it is also above this share of the image's root mean square: near a fixed point changes are
#: tiny, and their ratios mean nothing.
_FLOOR = 0.1
#: an iterate whose change is within this factor of the smallest so far is one to fall back on
_CALM = 1.5
_DARKEST = 1 / 255


@dataclass(frozen=True)
class Watched:
    """A restored batch and a trace for each of its images."""

    x: Tensor
    traces: list[Trace]


def run(
    solver: BaseOptim,
    y: Any,
    physics: Physics,
    init: Any = None,
    growth: float = GROWTH,
) -> Watched:
    """Run ``solver(y, physics)`` and watch its iterates.

    An image diverges when its iterate is not finite, or its change or residual (root mean squares)
    exceeds ``growth`` times the smallest value it had so far (or that of the observation itself,
    if this is smaller). Its result is then the last good iterate: the last one whose change was
    within 1.5 times the smallest so far and that explains y better than a black image does; the
    start, if there is none. Other images of the batch go on; when all have diverged the solver
    stops.

    Each iteration costs one application of the physics more.

    :param solver: any deepinv solver, such as :func:`pnp_priors.solvers.solver` makes; one run of
        it at a time.
    :param y: measurements ``[B, …]``, or deepinv's ``TensorList``, whose residual is not watched.
    :param init: as the solver takes it.
    :param growth: above 1.
    """
    observer = _Observer(solver, growth)
    hook = solver.fixed_point.iterator.register_forward_hook(observer)
    try:
        x = solver(y, physics, init=init)
    except _AllDivergedError:
        x = None
    finally:
        hook.remove()
    return Watched(observer.result(x), observer.traces)


def solve(solver: BaseOptim, y: Any, physics: Physics, init: Any = None) -> Tensor:
    """``solver(y, physics, init=init)``, watched as by :func:`run`.

    Inside :func:`pnp_priors.monitoring.traces.collected` the traces are kept there; elsewhere a
    divergence is a :class:`pnp_priors.errors.DivergenceWarning`.
    """
    watched = run(solver, y, physics, init)
    if not traces.keep(watched.traces):
        for trace in watched.traces:
            for line in trace.warnings:
                warnings.warn(line, DivergenceWarning, stacklevel=2)
    return watched.x


class _AllDivergedError(Exception):
    """Leaves the solver's loop; never leaves this module."""


class _Observer:
    """Called after each iteration with deepinv's arguments and the new iterate."""

    def __init__(self, solver: BaseOptim, growth: float) -> None:
        self.solver, self.growth = solver, growth
        self.traces: list[Trace] = []
        self.good: Tensor
        self.good_at: list[int]
        self.scale: list[float]
        self.least: list[tuple[float, float]]  # smallest change and residual of each image

    def __call__(self, module: Any, arguments: tuple[Any, ...], output: dict[str, Any]) -> None:
        before, _, _, _, y, physics = arguments[:6]
        last, x = self.solver.get_output(before), self.solver.get_output(output)
        if not self.traces:
            self._begin(last, y)
        changes, sizes = _rms(x - last), _rms(x)
        tensors = isinstance(y, Tensor)
        residuals = _rms(physics.A(x) - y) if tensors else [0.0] * len(sizes)
        calm = [self._judge(b, changes[b], residuals[b], sizes[b]) for b in range(len(self.traces))]
        for trace, change, residual, size in zip(
            self.traces, changes, residuals, sizes, strict=True
        ):
            if trace.divergence is None or trace.divergence.iteration > len(trace.change):
                trace.change.append(change / size if size > 0 else 0.0)
                trace.residual += [residual] if tensors else []
        if any(calm):
            mask = torch.tensor(calm, device=x.device).reshape(-1, *[1] * (x.ndim - 1))
            self.good = torch.where(mask, x, self.good)
        if all(trace.divergence for trace in self.traces):
            raise _AllDivergedError

    def _begin(self, start: Tensor, y: Any) -> None:
        self.good = start
        self.good_at = [0] * len(start)
        self.traces = [Trace() for _ in range(len(start))]
        self.scale = [max(s, _DARKEST) for s in _rms(y if isinstance(y, Tensor) else start)]
        self.least = [(math.inf, math.inf)] * len(start)

    def _judge(self, b: int, change: float, residual: float, size: float) -> bool:
        """Note a divergence; say whether this iterate is one to fall back on."""
        trace, scale = self.traces[b], self.scale[b]
        if trace.divergence is not None:
            return False
        reason = None
        if not math.isfinite(change + residual + size):
            reason = "values that are not finite"
        least_change, least_residual = self.least[b]
        for name, value, least in (
            ("change", change, least_change),
            ("residual", residual, least_residual),
        ):
            reference = min(least, scale)
            if reason is None and value > max(self.growth * reference, _FLOOR * scale):
                reason = f"the {name} grew to {value:.2g}, from {reference:.2g} at best (RMS)"
        iteration = len(trace.change) + 1
        if reason is not None:
            trace.divergence = Divergence(iteration, reason, self.good_at[b])
            return False
        good = change <= _CALM * least_change and residual <= scale
        if good:
            self.good_at[b] = iteration
        self.least[b] = (min(change, least_change), min(residual, least_residual))
        return good

    def result(self, x: Tensor | None) -> Tensor:
        diverged = [trace.divergence is not None for trace in self.traces]
        if x is None:
            return self.good
        if not any(diverged):
            return x
        mask = torch.tensor(diverged, device=x.device).reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(mask, self.good, x)


def _rms(x: Tensor) -> list[float]:
    """Of each image, in float64."""
    return x.detach().flatten(1).double().square().mean(dim=1).sqrt().tolist()
