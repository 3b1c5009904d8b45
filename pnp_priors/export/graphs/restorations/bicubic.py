"""Bicubic interpolation as matrices made in the graph: :mod:`pnp_priors.physics.bicubic`."""

from __future__ import annotations

import numpy as np

from pnp_priors.export.graphs.restorations.builder import Value


def weights(inputs: Value, outputs: Value) -> Value:
    """What each output takes of each input, ``[outputs, inputs]``.

    Distances are whole numbers until the last step: float32 is too coarse for places in an image.

    :param inputs, outputs: int64, no axes.
    """
    graph = inputs.graph
    place = (2 * graph.range(inputs) + 1) * outputs
    centre = (2 * graph.range(outputs) + 1) * inputs
    longer = graph.where(inputs > outputs, inputs, outputs)
    apart = graph.op("Abs", place - centre.reshape([-1, 1])).cast(np.float32)
    x = apart / (2 * longer).cast(np.float32)
    near = (1.5 * x - 2.5) * (x * x) + 1.0
    far = ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0
    found = graph.where(x < 1.0, near, graph.where(x < 2.0, far, 0.0))
    return found / found.sum(1)


def resize(x: Value, rows: Value, columns: Value) -> Value:
    """``[…, H, W]`` by two matrices of :func:`weights`; neither rounded nor clipped."""
    return rows @ (x @ columns.transpose(1, 0))


def enlarged(length: Value, factor: float) -> Value:
    """:func:`pnp_priors.solvers.super_resolution.enlarged_size`, half a pixel up."""
    if factor == int(factor):
        return length * int(factor)
    graph = length.graph
    # In whole numbers: factors are multiples of this part of a pixel, or nearly.
    parts = 1_000_000
    return (length * round(factor * parts) + parts // 2) / graph.constant(parts, np.int64)
