"""Trained reaction diffusion as a graph: TRD and genericDP."""

from __future__ import annotations

import numpy as np

from pnp_priors.export.graphs.layers import array, mirrored
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.priors.diffusion_term import STRIPS, Table, diffusion_term
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.priors.base import Prior
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion

#: batch, height and width of a graph's images
Size = tuple[Value, Value, Value]


class DiffusionStages:
    """The diffusion terms of all stages.

    A file holds the weights of the radial basis functions; tables, which are fifty times as large,
    are computed in the graph from constants alone, so that runtimes do so once, on opening it.
    """

    def __init__(self, prior: ReactionDiffusion) -> None:
        basis = prior.basis
        self.kind, self.count = basis.kind, basis.count
        self.entries = basis.sampled.shape[0]
        self.steps = round(basis.spacing / basis.table_step)
        #: of a response of 0, in entries; and of the first centre
        self.middle = -basis.table_start / basis.table_step
        self.first = round((float(basis.centres[0]) - basis.table_start) / basis.table_step)
        self.stages, self.reach = prior.active_stages, prior.filter_size - 1
        self.kernels = array(prior.filters().double() / basis.table_step)[: self.stages]
        # Values times the distance of entries: the transposed convolution divides by it again.
        self.weights = array(prior.weights.double() * basis.table_step)[: self.stages]

    def tables(self, graph: Graph) -> list[Table]:
        """Intercepts and slopes of the tables' lines, ``[N, entries]`` each, stage by stage."""
        entry = graph.range(self.entries).cast(np.float32)
        centre = self.first + self.steps * np.arange(self.count, dtype=np.float32)[:, None]
        radial = _RADIAL[self.kind]((entry - centre) / float(self.steps))
        filters = self.weights.shape[1]
        values = graph.stored(self.weights.reshape(-1, self.count)) @ radial
        steps = values.slice(1, 1) - values.slice(1, 0, -1)
        slopes = graph.pad(steps, [0, 0], [0, 1])
        intercepts = values - entry * slopes

        def part(values: Value, stage: int) -> Value:
            # No Slice: OpenVINO (2026.4) drops one in front of GatherElements, and then refuses it.
            return values.reshape([self.stages, filters, -1]).take(stage)

        return [
            Table(part(intercepts, stage), part(slopes, stage), self.entries)
            for stage in range(self.stages)
        ]

    def term(self, u: Value, size: Size, stage: int, table: Table, strips: int = STRIPS) -> Value:
        """The term of one stage for images ``[N, C, H, W]`` on the 0..255 scale.

        :param size: N, H and W, computed once for all stages.
        """
        channels = self.kernels.shape[2]
        batch, height, width = size
        tall = height + 2 * self.reach
        padded = mirrored(u, self.reach)
        # Images one below the other: their margins keep them apart, and tables serve them all.
        padded = padded.transpose(1, 0, 2, 3) if channels > 1 else padded
        rows = batch * tall
        column = padded.reshape([1, channels, rows, width + 2 * self.reach])
        kernel = self.kernels[stage]
        term = diffusion_term(column, (rows, width), kernel, self.middle, table, strips)
        term = term.reshape([channels, batch, tall, width])
        term = term.transpose(1, 0, 2, 3) if channels > 1 else term.reshape([batch, 1, tall, width])
        return term.slice(2, self.reach, tall - self.reach)


def size_of(x: Value) -> Size:
    """Batch, height and width."""
    return x.size(0), x.size(2), x.size(3)


class ReactionDiffusionGraph(PriorGraph):
    """:class:`pnp_priors.priors.reaction_diffusion.ReactionDiffusion`."""

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, ReactionDiffusion)
        self.stages = DiffusionStages(prior)
        self.levels, self.reaction = prior.levels, prior.reaction
        self.weights = array(prior.reaction_weights)[: prior.active_stages]

    def strengths(self, sigma: Value) -> list[Value | float]:
        """Reaction weights at ``sigma``, of its shape, stage by stage."""
        if self.levels == 1:
            return [float(weight) for weight in self.weights[:, 0]]
        graph = sigma.graph
        weights = graph.constant(self.weights, np.float32)
        position = (sigma * 255.0).clip(low=1.0, high=float(self.levels)) - 1.0
        index = graph.op("Floor", position).clip(high=self.levels - 2.0)
        share, index = position - index, index.cast(np.int64)
        strengths: list[Value | float] = []
        for stage in range(len(self.weights)):
            low, high = (weights.take(stage).take(where) for where in (index, index + 1))
            strengths.append(low + share * (high - low))
        return strengths

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        size = size_of(x)
        u = noisy = x * 255.0
        reaction = self.reaction and sigma is not None
        strengths = self.strengths(sigma) if reaction and sigma is not None else None
        for stage, table in enumerate(self.stages.tables(x.graph)):
            step = self.stages.term(u, size, stage, table)
            if strengths is not None:
                step = step + strengths[stage] * (u - noisy)
            u = u - step
        return u / 255.0


def _gaussian(distance: Value) -> Value:
    graph = distance.graph
    value = graph.op("Exp", distance * distance * -0.5)
    return graph.where(value < 1e-12, 0.0, value)


def _triangular(distance: Value) -> Value:
    return (1.0 - distance.graph.op("Abs", distance)).clip(low=0.0)


_RADIAL = {"gaussian": _gaussian, "triangular": _triangular}
