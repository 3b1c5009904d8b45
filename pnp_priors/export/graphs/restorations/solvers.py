"""The solvers of :mod:`pnp_priors.solvers` as loops around the graph of a prior.

The iterates are those of deepinv with our multipliers; nothing watches them, so that a run that
diverges returns its last iterate, where :mod:`pnp_priors.monitoring.iterates` falls back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx

from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.graphs.restorations.schedules import Schedule
from pnp_priors.solvers.mirroring import AXES


@dataclass(frozen=True)
class PriorModel:
    """An exported prior, to be put into a restoration.

    :param model: inputs ``x`` ``[batch, channels, height, width]`` and ``sigma`` ``[batch]`` or
        none, one output, the restored ``x``.
    :param channels: 1 or 3: of the images that it was trained for.
    """

    model: onnx.ModelProto
    channels: int

    def __call__(self, x: Value, sigma: Value, table: Value | None = None) -> Value:
        """Restored ``[n, channels, H, W]``, with one sigma for all images."""
        available = {"sigma": sigma.expand([x.size(0)]), "x": x}
        if table is not None:
            available["table"] = table
        wanted = [value.name for value in self.model.graph.input]
        return x.graph.inline(self.model, **{name: available[name] for name in wanted})


class Data(Protocol):
    """What was measured, as a data term."""

    def start(self) -> Value:
        """Where solvers begin, ``[n, channels, H, W]``."""

    def prox(self, x: Value, inverse_step: Value) -> Value:
        """The minimiser of ``step * f(u) + |u - x|^2 / 2``."""

    def gradient(self, x: Value) -> Value:
        """Of f at x."""


#: a prior: an image and sigma to the restored image
Denoise = Callable[[Value, Value], Value]
#: one iteration: data, prior, sigma, inverse step and the state before; the state after
_Step = Callable[[Data, Denoise, Value, Value, list[Value]], list[Value]]


def _hqs(data: Data, prior: Denoise, sigma: Value, inverse: Value, s: list[Value]) -> list[Value]:
    return [prior(data.prox(s[0], inverse), sigma)]


def _admm(data: Data, prior: Denoise, sigma: Value, inverse: Value, s: list[Value]) -> list[Value]:
    x, w = s
    z = w / inverse
    u = data.prox(x - z, inverse)
    x = prior(u + z, sigma)
    return [x, (z + u - x) * inverse]


def _drs(data: Data, prior: Denoise, sigma: Value, inverse: Value, s: list[Value]) -> list[Value]:
    x, w = s
    t = x + w / inverse
    u = data.prox(t, inverse)
    return [prior(2.0 * u - t, sigma), (t - u) * inverse]


def _pgd(data: Data, prior: Denoise, sigma: Value, inverse: Value, s: list[Value]) -> list[Value]:
    return [prior(s[0] - data.gradient(s[0]), sigma)]


def _red(data: Data, prior: Denoise, sigma: Value, inverse: Value, s: list[Value]) -> list[Value]:
    (x,) = s
    step = 1.9 / (1.0 + 2.0 * inverse)
    return [x - step * (data.gradient(x) + inverse * (x - prior(x, sigma)))]


#: by the pipeline's key `solver.name`: an iteration, and whether it carries a multiplier
SOLVERS: dict[str, tuple[_Step, bool]] = {
    "hqs": (_hqs, False),
    "admm": (_admm, True),
    "drs": (_drs, True),
    "pgd": (_pgd, False),
    "red": (_red, False),
}


def _mirrored(prior: Denoise, index: Value) -> Denoise:
    """The prior of an iteration, as :func:`pnp_priors.solvers.mirroring.mirrored` has it."""
    graph = index.graph
    way = index % len(AXES)

    def turned(x: Value) -> Value:
        for axis in (2, 3):
            places = graph.range(x.size(axis))
            back = x.size(axis) - 1 - places
            # 0 or 1: numbers, since not every runtime picks from truth values.
            mirrors = graph.constant([int(axis - 4 in axes) for axes in AXES], np.int64).take(way)
            x = x.take(places + mirrors * (back - places), axis)
        return x

    return lambda x, sigma: turned(prior(turned(x), sigma))


def blended(strength: float, before: Value, after: Value) -> Value:
    """The pipeline's key `strength`."""
    return after if strength == 1 else before + (after - before) * strength


def solve(name: str, data: Data, prior: Denoise, schedule: Schedule, mirror: bool) -> Value:
    """The last iterate ``[n, channels, H, W]``.

    :param mirror: the pipeline's key `solver.mirror`.
    """
    step, carries = SOLVERS[name]
    graph: Graph = schedule.sigma.graph
    start = data.start()
    state = [start, start * 0.0] if carries else [start]

    def body(index: Value, *before: Value) -> list[Value]:
        now = schedule.sigma.take(index), schedule.inverse_step.take(index)
        way = _mirrored(prior, index) if mirror else prior
        return step(data, way, *now, list(before))

    return graph.loop(schedule.sigma.size(0), state, body)[0]
