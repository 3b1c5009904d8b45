r"""Noise levels and steps of each iteration, computed in the graph from the noise level.

The formulas are those of :mod:`pnp_priors.solvers.schedules` and
:mod:`pnp_priors.solvers.presets`; powers are written as exponentials of logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.solvers.presets import default_values
from pnp_priors.solvers.schedules import SMALLEST_NOISE
from pnp_priors.tuning.schema import Preset

#: below it a preset is asked for no parameters, see :func:`pnp_priors.solvers.presets.at`
_LEAST_ASKED = 1e-6


@dataclass(frozen=True)
class Schedule:
    r"""Per iteration the prior's sigma and the inverse of the data step's gamma, ``[k]`` each.

    :param width: of the quantisation intervals, no axes, in JPEG deblocking.
    """

    sigma: Value
    inverse_step: Value
    width: Value | None = None


#: a parameter: one number for all noise levels, or what a preset says at this one
Parameters = dict[str, Value | float]


def parameters(noise: Value, preset: Preset | None, task: str, solver: str) -> Parameters:
    """The parameters of a schedule at a noise level, those of the default without a preset."""
    if preset is None:
        return dict(default_values(task, solver))
    asked = noise.graph.op("Log", noise.clip(low=_LEAST_ASKED))
    levels = [math.log(knot.noise) for knot in preset.knots]
    names = preset.knots[0].parameters
    return {
        name: _between(asked, levels, [math.log(getattr(knot, name)) for knot in preset.knots])
        for name in names
    }


def _between(at: Value, places: list[float], values: list[float]) -> Value | float:
    """The exponential of what lies linearly between knots, and is constant beyond them."""
    if len(set(values)) == 1:
        return math.exp(values[0])
    found = at * 0.0 + values[0]
    for i in range(len(places) - 1):
        slope = (values[i + 1] - values[i]) / (places[i + 1] - places[i])
        if slope:
            found = found + (at.clip(places[i], places[i + 1]) - places[i]) * slope
    return at.graph.op("Exp", found)


def _falling(first: Value, last: Value, count: Value | int) -> Value:
    """From ``first`` to ``last`` evenly in the logarithm, ``[count]``."""
    graph = first.graph
    steps = graph.range(count)
    number = steps.size(0).cast(np.float32)
    part = steps.cast(np.float32) / (number - 1.0).clip(low=1.0)
    return first * graph.op("Exp", graph.op("Log", last / first) * part)


def dpir(noise: Value, count: Value | int, given: Parameters) -> Schedule:
    """:func:`pnp_priors.solvers.schedules.dpir`.

    :param noise: no axes.
    """
    level = noise.clip(low=SMALLEST_NOISE)
    last = level * given["end"]
    sigma = _falling(last.clip(low=given["start"]), last, count)
    ratio = level / sigma
    return Schedule(sigma, ratio * ratio * given["weight"])


def genericdp(noise: Value, count: Value | int) -> Schedule:
    """:func:`pnp_priors.solvers.schedules.genericdp`."""
    graph = noise.graph
    level = noise.clip(low=SMALLEST_NOISE)
    growth = (1.9 - 10.0 * level).clip(low=1.2)
    beta = graph.op("Exp", graph.op("Log", growth) * graph.range(count).cast(np.float32))
    ratio = level * 100.0
    return Schedule(0.1 / graph.op("Sqrt", beta), beta * ratio * ratio / 100.0)


def descending(
    noise: Value,
    last: Value | float,
    count: Value | int,
    start: Value | float,
    weight: Value | float,
) -> Schedule:
    """:func:`pnp_priors.solvers.schedules.descending`."""
    level = noise.clip(low=SMALLEST_NOISE)
    final = level.clip(low=last)
    sigma = _falling(final.clip(low=start), final, count)
    ratio = level / sigma
    return Schedule(sigma, ratio * ratio * weight)


def super_resolution(noise: Value, scale: Value, count: Value | int, given: Parameters) -> Schedule:
    """:func:`pnp_priors.solvers.schedules.super_resolution`."""
    last = given["end"] * scale * (1 / 255)
    return descending(noise, last, count, given["start"], given["weight"])


def deblocking(noise: Value, count: Value | int, given: Parameters) -> Schedule:
    """:func:`pnp_priors.solvers.deblocking.deblocking_schedule`."""
    graph = noise.graph
    level = noise.clip(low=SMALLEST_NOISE)
    sigma = _falling(level * given["first"], level * given["last"], count)
    width = given["width"]
    if not isinstance(width, Value):
        width = graph.constant(width, np.float32)
    return Schedule(sigma, sigma * 0.0 + 1.0, width)


#: by the pipeline's key `schedule`, those that have no parameters
FIXED: dict[str, Callable[[Value, Value | int], Schedule]] = {
    "dpir": lambda noise, count: dpir(
        noise, count, {"start": 49 / 255, "end": 1.0, "weight": 0.23}
    ),
    "genericdp": genericdp,
}
