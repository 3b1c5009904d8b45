r"""The diffusion term :math:`\sum_i \bar k_i * \phi_i(k_i * u)` in nodes that stay in the cache.

The image is cut into strips: 48 responses of a whole image leave every cache, those of a strip do
not, and with them ONNX Runtime takes two thirds of the time (``benchmarks/onnx_speed.py``).
Neighbouring strips' results overlap and are added; nothing is computed twice. There is no loop in
it: targets without control flow run it, too. A response's line in its table is
:math:`a_j + b_j p` with the position :math:`p` as the convolution returns it, so that nothing is
computed from p but its whole part, and indices are 32-bit, which halves their traffic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pnp_priors.export.graphs.layers import convolve, convolve_transposed
from pnp_priors.export.graphs.restorations.builder import Value

#: strips of an image, whatever its size; measured at 256×256 and 512×512, of 1 to 32: with more
#: the graph itself grows larger than the weights
STRIPS = 24
#: fewest rows of a strip: more than a filter reaches, so that only neighbours overlap
FEWEST_ROWS = 11


class Table(NamedTuple):
    """Influence functions, linear between entries: intercepts and slopes, ``[N, entries]``."""

    intercepts: Value
    slopes: Value
    entries: int


def lines(position: Value, table: Table) -> Value:
    """Values of piecewise linear functions.

    :param position: ``[N, P]``, in entries, from 0 to ``entries - 1``.
    """
    graph = position.graph
    index = position.cast(np.int32)
    steep = graph.op("GatherElements", table.slopes, index, axis=1) * position
    return graph.op("GatherElements", table.intercepts, index, axis=1) + steep


def diffusion_term(
    padded: Value,
    size: tuple[Value, Value],
    kernel: np.ndarray,
    middle: float,
    table: Table,
    strips: int = STRIPS,
) -> Value:
    """Responses, their lines in the tables, and the transposed convolution.

    :param padded: ``[1, C, L, W + 2(s-1)]``; the images of a batch one below the other.
    :param size: L and W, computed once for all stages.
    :param kernel: ``[N, C, s, s]``, filters divided by the distance of table entries.
    :param middle: position of a response of 0 in the table.
    :param table: its values multiplied by the distance of entries.
    :returns: ``[1, C, L, W]``; of a row at least ``s - 1`` below the top of its padded image, and
        as far above its bottom, the diffusion term.
    """
    graph = padded.graph
    count, channels, side, _ = kernel.shape
    reach = side - 1
    # Positions in a table need all digits of float32: in float16 the filters are stored, at most.
    offset, filters = np.full(count, middle, np.float32), graph.stored(kernel)
    rows, width = size
    # Strips of a number of rows of responses each; the last ones may be of zeros below the image.
    share = ((rows + (strips - 1)) / strips).clip(low=FEWEST_ROWS)
    extended = graph.pad(padded, [0, 0, 0, 0], [0, 0, share * strips + reach - rows, 0])
    parts = []
    for strip in range(strips):
        start = share * strip
        near = extended.slice(2, start, start + share + reach)
        # A Clip of its own, not Min and Max: runtimes fuse it with the convolution.
        position = graph.op("Clip", convolve(near, filters, offset), 0.0, table.entries - 1.0)
        force = lines(position.reshape([count, -1]), table)
        force = force.reshape([1, count, share, width + reach])
        parts.append(convolve_transposed(force, filters, pads=(0, reach, 0, reach)))
    # A strip's result is `reach` rows longer than it: even ones do not touch each other, nor odd.
    zeros = graph.op("ConstantOfShape", graph.sizes([1, channels, share, width]), dtype=np.float32)
    gap = zeros.slice(2, 0, share - reach)
    sides: list[list[Value]] = [[], [zeros]]
    for strip, part in enumerate(parts):
        sides[strip % 2].extend([part, gap])
    even, odd = (graph.concat(side, axis=2).slice(2, 0, rows) for side in sides)
    return even + odd
