"""The non-local filter of NN3D as a graph, a row of reference blocks at a time.

:class:`pnp_priors.priors._nonlocal.NonLocalFilter` is the definition. Memory is that of one row of
blocks, whatever the size of the image: rows are a loop. What is nearly equally similar may be
sorted otherwise than by torch, since both round; such a group's blocks are shrunk a little
differently.
"""

from __future__ import annotations

import numpy as np
import torch

from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.priors._nonlocal import TINY, NonLocalFilter, haar

#: farther than any block
_FAR = 1e30


class NonLocalGraph:
    """The filter for one image.

    :param settings: sizes of blocks, groups and of the search.
    :param y: ``[N, C, H, W]``; where it holds no block, :attr:`fits` is false and results are void.
    """

    def __init__(self, settings: NonLocalFilter, y: Value) -> None:
        self.graph, self.settings = y.graph, settings
        block, stride = settings.block, settings.stride
        self.batch, self.channels, height, width = (y.size(axis) for axis in range(4))
        self.own_size = [height, width]
        self.fits = (height >= block) & (width >= block)
        self.height, self.width = (
            ((size.clip(low=block) - block) + (stride - 1)) / stride * stride + block
            for size in (height, width)
        )
        self.y = self._extended(y)
        self.down, self.across = ((n - block) / stride + 1 for n in (self.height, self.width))
        self.rows = self.batch * self.down
        reach = [(n - block).clip(high=settings.radius) + 1 for n in (self.height, self.width)]
        # The group is a power of two that even a corner's reference block can fill.
        self.octave = sum(
            (
                (reach[0] * reach[1] >= 2**power).cast(np.int64)
                for power in range(1, int(np.log2(settings.group)) + 1)
            ),
            start=reach[0] * 0,
        )
        sizes = 2 ** np.arange(int(np.log2(settings.group)) + 1)
        self.group = self.graph.constant(sizes, np.int64).take(self.octave)

    def _extended(self, x: Value) -> Value:
        """Repeat the border up to a block, then mirror until reference blocks reach the border."""
        graph, block = self.graph, self.settings.block
        for mode, sizes in (
            ("edge", [x.size(2).clip(low=block), x.size(3).clip(low=block)]),
            ("reflect", [self.height, self.width]),
        ):
            missing = [size - x.size(axis) for size, axis in zip(sizes, (2, 3), strict=True)]
            x = graph.op("Pad", x, graph.sizes([0, 0, 0, 0, 0, 0, *missing]), mode=mode)
        return x

    # --- the search ------------------------------------------------------------------------------

    def match(self) -> Value:
        """First pixels of the blocks of every group, ``[rows of blocks, across, group]``.

        As indices into the batch's pixels, row by row; the nearest block first.
        """
        graph, radius = self.graph, self.settings.radius
        around = graph.pad(self.y, [0, 0, radius, radius], [0, 0, radius, radius])
        sizes = graph.sizes([self.rows, self.across, self.group])
        zeros = graph.op("ConstantOfShape", sizes, dtype=np.float32).cast(np.int64)
        numbers = graph.range(self.rows).reshape([-1, 1, 1])

        def body(row: Value, found: Value) -> list[Value]:
            here = self._match_row(row, around)
            return [graph.where(numbers.equals(row), here, found)]

        return graph.loop(self.rows, [zeros], body, ranks=[3])[0]

    def _match_row(self, row: Value, around: Value) -> Value:
        """Of one row of reference blocks: ``[across, group]``."""
        graph, (block, stride, radius) = self.graph, self._sizes()
        shifts = 2 * radius + 1
        image, top = row / self.down, row % self.down * stride
        near = self.y.take(image).slice(1, top, top + block)  # [C, block, W]
        near = near.reshape([self.channels, 1, block, self.width])
        rows = np.arange(shifts)[:, None] + np.arange(block)
        far = around.take(image).take(top + graph.constant(rows, np.int64), axis=1)
        columns = []
        for dx in range(shifts):  # far is [C, shifts, block, W + 2 radius]
            difference = far.slice(3, dx, self.width + dx) - near
            squares = (difference * difference).sum(0, keep=False)
            columns.append(squares.mean(1))
        distances = graph.concat(columns, axis=1).reshape([1, shifts**2, 1, self.width])
        distances = graph.op("AveragePool", distances, kernel_shape=[1, block], strides=[1, stride])
        distances = distances.reshape([shifts**2, -1])
        # Not even equal blocks may come before the reference block: together they cover the image.
        itself = (np.arange(shifts**2) == shifts**2 // 2)[:, None]
        distances = graph.where(graph.constant(itself, np.bool_), -1.0, distances)
        shift = np.divmod(np.arange(shifts**2)[:, None], shifts)
        down = top + graph.constant(shift[0] - radius, np.int64)
        right = graph.range(self.across) * stride + graph.constant(shift[1] - radius, np.int64)
        inside = (down >= 0) & (down <= self.height - block)
        inside = inside & (right >= 0) & (right <= self.width - block)
        distances = graph.where(inside, distances, _FAR).transpose(1, 0)
        nearest = graph.nearest(distances, self.group)
        starts = (down * self.width + right).transpose(1, 0)
        starts = graph.op("GatherElements", starts, nearest, axis=1)
        return starts + image * self.height * self.width

    # --- the filter ------------------------------------------------------------------------------

    def shrink(self, groups: Value, tau: Value) -> Value:
        """Shrink every group and put the filtered blocks back together, ``[N, C, H, W]``.

        :param groups: as :meth:`match` returns them.
        :param tau: the threshold, ``[N, 1, 1, 1]`` or a map.
        """
        graph, block = self.graph, self.settings.block
        pixels = self.y.transpose(1, 0, 2, 3).reshape([self.channels, -1])
        taus = self._thresholds(tau)
        side = graph.constant(np.arange(block), np.int64)
        offsets = (side.reshape([-1, 1]) * self.width + side).reshape([1, -1, 1])
        transform = self._haar()
        back = transform.transpose(1, 0)
        zeros = pixels * 0.0

        def body(row: Value, total: Value, weight: Value) -> list[Value]:
            index = groups.take(row).reshape([self.across, 1, -1]) + offsets  # [r, pixels, G]
            stacks = pixels.take(index, axis=1)  # [C, r, pixels, G]
            spectrum, attenuation = _attenuated(stacks @ back, taus.take(row))
            share = 1.0 / (attenuation * attenuation).sum(2, 3)
            values = (spectrum @ transform) * share
            shares = stacks * 0.0 + share
            places = index.reshape([1, -1]).expand([self.channels, 1])
            flat = [part.reshape([self.channels, -1]) for part in (values, shares)]
            return [
                graph.op("ScatterElements", sums, places, part, axis=1, reduction="add")
                for sums, part in zip((total, weight), flat, strict=True)
            ]

        total, weight = graph.loop(self.rows, [zeros, zeros], body, ranks=[2, 2])
        filtered = (total / weight).reshape([self.channels, self.batch, self.height, self.width])
        return filtered.transpose(1, 0, 2, 3)

    def _thresholds(self, tau: Value) -> Value:
        """The mean threshold in each reference block, ``[rows of blocks, across]``."""
        block, stride = self.settings.block, self.settings.stride
        everywhere = self._extended(tau.expand([self.batch, 1, *self.own_size]))
        means = self.graph.op(
            "AveragePool", everywhere, kernel_shape=[block, block], strides=[stride, stride]
        )
        return means.reshape([self.rows, self.across])

    def _haar(self) -> Value:
        """The transform of the group's size, of all sizes that a group may have."""
        largest = self.settings.group
        transforms = []
        for power in range(int(np.log2(largest)) + 1):
            size = 2**power
            transform = haar(size, torch.zeros(1)).numpy()
            transforms.append(np.pad(transform, ((0, largest - size), (0, largest - size))))
        stacked = self.graph.constant(np.stack(transforms), np.float32)
        chosen = stacked.take(self.octave)
        return chosen.slice(0, 0, self.group).slice(1, 0, self.group)

    def _sizes(self) -> tuple[int, int, int]:
        return self.settings.block, self.settings.stride, self.settings.radius


def _attenuated(spectrum: Value, tau: Value) -> tuple[Value, Value]:
    """Shrink ``[C, r, pixels, G]`` across its last axis, but for the means; and by how much.

    :param tau: ``[r]``.
    """
    graph, energy = spectrum.graph, spectrum * spectrum
    squared = (tau * tau + TINY).reshape([-1, 1, 1])
    details = energy / (energy + squared)
    first = graph.range(spectrum.size(3)).equals(0)
    attenuation = graph.where(first, 1.0, details)
    return spectrum * attenuation, attenuation
