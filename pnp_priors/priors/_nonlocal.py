"""The non-local filter of NN3D: similar blocks are grouped, each group is shrunk across its blocks.

Everything is done on whole tensors, in pieces of bounded size, so that it runs on a GPU as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.errors import InputError

#: numbers in the largest intermediate tensor (32 MiB in float32), whatever the size of the image
PIECE = 2**23
#: keeps the shrinkage defined where threshold and coefficient are both 0
TINY = 1e-12


def haar(size: int, like: Tensor) -> Tensor:
    """The orthonormal Haar transform ``[size, size]``; its rows are the basis, the mean's first.

    :param size: a power of two.
    :param like: gives dtype and device.
    """
    transform = like.new_ones(1, 1)
    while len(transform) < size:
        sums = torch.kron(transform, like.new_ones(1, 2))
        differences = torch.kron(
            torch.eye(len(transform), dtype=like.dtype, device=like.device),
            like.new_tensor([[1.0, -1.0]]),
        )
        transform = torch.cat([sums, differences]) / math.sqrt(2)
    return transform


@dataclass(frozen=True)
class NonLocalFilter:
    r"""Groups similar blocks of an image and shrinks each group's Haar spectrum.

    Around every ``stride``-th pixel lies a reference block. The ``group`` blocks nearest to it
    in mean squared difference, of all blocks that start at most ``radius`` pixels away in either
    direction, are stacked in the order of their distance, itself first. Across the stack, for
    each of the block's pixels by itself, the orthonormal Haar transform :math:`q` is attenuated
    by :math:`a = q^2 / (q^2 + \tau^2)`, and transformed back. Each pixel becomes the mean of all
    filtered blocks that cover it, those of a group with the weight :math:`1 / \sum a^2`.

    The means of a stack are kept as they are, so that constants pass unchanged. Near the image's
    border fewer blocks are to be had: if some reference block has fewer than ``group`` in reach,
    every group is of the next lower power of two. An image smaller than a block passes unchanged.

    :param block: side of a block in pixels.
    :param stride: distance of reference blocks, at most ``block``.
    :param radius: how far blocks are looked for, in pixels.
    :param group: blocks in a group, a power of two.
    :raises InputError: other numbers than these.
    """

    block: int
    stride: int
    radius: int
    group: int

    def __post_init__(self) -> None:
        for name in ("block", "stride", "radius", "group"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} must be a whole number from 1 up, got {value!r}")
        if self.stride > self.block:
            raise InputError(f"stride {self.stride} leaves gaps between blocks of {self.block}")
        if self.group & (self.group - 1):
            raise InputError(f"group must be a power of two, got {self.group}")

    def fits(self, y: Tensor) -> bool:
        """Whether the image holds a block at all."""
        return min(y.shape[-2:]) >= self.block

    def extended(self, y: Tensor) -> Tensor:
        """The image, mirrored below and to the right until reference blocks reach its borders."""
        height, width = y.shape[-2:]
        missing = (-(width - self.block) % self.stride, -(height - self.block) % self.stride)
        return F.pad(y, (0, missing[0], 0, missing[1]), mode="reflect")

    def group_size(self, height: int, width: int) -> int:
        """Blocks in each group of an image of this size, a power of two."""
        reach = min(self.radius, height - self.block) + 1, min(self.radius, width - self.block) + 1
        # A corner's reference block has the fewest neighbours.
        return min(self.group, 2 ** int(math.log2(reach[0] * reach[1])))

    @torch.no_grad()
    def match(self, y: Tensor) -> Tensor:
        """Find the blocks of every group.

        :param y: ``[B, C, H, W]``, :meth:`extended`; blocks are compared over all channels.
        :returns: ``[B, R, G]``: for each reference block, row by row, the first pixels of its
            group's blocks, nearest first, as indices ``row * W + column``.
        """
        y = y.to(torch.promote_types(y.dtype, torch.float32))
        height, width = y.shape[-2:]
        down, across = ((size - self.block) // self.stride + 1 for size in (height, width))
        reach = min(self.radius, height - self.block), min(self.radius, width - self.block)
        shifts = (2 * reach[0] + 1) * (2 * reach[1] + 1)
        images = max(1, PIECE // (shifts * y[0].numel()))
        side = int(math.sqrt(PIECE / (shifts * y.shape[1])))
        tile = max(1, (side - self.block) // self.stride + 1)
        found = []
        for part in y.split(images):
            rows = []
            for top in _ranges(down, tile):
                row = [self._match_tile(part, top, left, reach) for left in _ranges(across, tile)]
                rows.append(torch.cat(row, dim=2))
            found.append(torch.cat(rows, dim=1).flatten(1, 2))
        return torch.cat(found)

    def _match_tile(self, y: Tensor, down: range, across: range, reach: tuple[int, int]) -> Tensor:
        """:meth:`match` for the reference blocks in some rows and columns: ``[B, h, w, G]``."""
        height, width = y.shape[-2:]
        (top, tall), (left, wide) = self._extent(down), self._extent(across)
        near = y[..., top : top + tall, left : left + wide]
        surroundings = F.pad(y, (reach[1], reach[1], reach[0], reach[0]))
        surroundings = surroundings[
            ..., top : top + tall + 2 * reach[0], left : left + wide + 2 * reach[1]
        ]
        shifted = surroundings.unfold(2, tall, 1).unfold(3, wide, 1)  # [B, C, dy, dx, tall, wide]
        differences = (shifted - near[:, :, None, None]).square_().sum(dim=1).flatten(1, 2)
        # Squares are summed over a block first down, then across: fewer additions than at once.
        distance = F.avg_pool2d(differences, (self.block, 1), (self.stride, 1))
        distance = F.avg_pool2d(distance, (1, self.block), (1, self.stride))
        # Not even equal blocks may come before it: reference blocks together cover the image.
        distance[:, distance.shape[1] // 2] = -1

        dy = torch.arange(-reach[0], reach[0] + 1, device=y.device)
        dx = torch.arange(-reach[1], reach[1] + 1, device=y.device)
        row = self.stride * torch.arange(down.start, down.stop, device=y.device)
        column = self.stride * torch.arange(across.start, across.stop, device=y.device)
        starts = (dy[:, None, None, None] + row[:, None]) * width
        starts = (starts + dx[:, None, None] + column).flatten(0, 1)  # [dy * dx, h, w]
        inside_y = _inside(dy[:, None] + row, height - self.block)
        inside_x = _inside(dx[:, None] + column, width - self.block)
        inside = inside_y[:, None, :, None] & inside_x[:, None, :]
        distance = distance.masked_fill(~inside.flatten(0, 1), torch.inf).permute(0, 2, 3, 1)
        nearest = distance.topk(self.group_size(height, width), dim=-1, largest=False).indices
        starts = starts.permute(1, 2, 0).expand(*distance.shape)
        return starts.gather(-1, nearest)

    def _extent(self, blocks: range) -> tuple[int, int]:
        """First pixel and number of pixels of some reference blocks along one side."""
        return self.stride * blocks.start, self.stride * (len(blocks) - 1) + self.block

    def shrink(self, y: Tensor, groups: Tensor, threshold: Tensor) -> Tensor:
        """Shrink every group and put the filtered blocks back together.

        :param y: ``[B, C, H, W]``, :meth:`extended`.
        :param groups: as :meth:`match` returns them, of this image or one like it.
        :param threshold: tau, ``[B, R]``, in the units of ``y``.
        :returns: ``[B, C, H, W]``, of the dtype of ``y``.
        """
        exact = y.to(torch.promote_types(y.dtype, torch.float32))
        batch, channels, height, width = y.shape
        pixels = exact.transpose(0, 1).flatten(1)  # [C, B * H * W]
        side = torch.arange(self.block, device=y.device)
        offsets = (side[:, None] * width + side).flatten()
        first = torch.arange(batch, device=y.device)[:, None, None] * (height * width)
        starts = (groups + first).flatten(0, 1)  # [B * R, G]
        tau = threshold.to(exact).flatten()
        transform = haar(groups.shape[-1], exact)

        total, weight = torch.zeros_like(pixels), torch.zeros_like(pixels)
        count = max(1, PIECE // (channels * starts.shape[1] * len(offsets)))
        for some, level in zip(starts.split(count), tau.split(count), strict=True):
            index = some[:, None, :] + offsets[:, None]  # [r, block * block, G]
            flat = index.flatten()
            stacks = pixels.index_select(1, flat).unflatten(1, index.shape)
            spectrum, attenuation = _attenuated(stacks @ transform.T, level)
            share = 1 / attenuation.square().sum(dim=(2, 3))  # [C, r]
            share = share[:, :, None, None]
            total = total + _scatter((spectrum @ transform) * share, flat, pixels)
            weight = weight + _scatter(share.expand_as(stacks), flat, pixels)
        filtered = (total / weight).unflatten(1, (batch, height, width))
        return filtered.transpose(0, 1).to(y.dtype)

    def thresholds(self, tau: Tensor, y: Tensor) -> Tensor:
        """The mean threshold inside each reference block: ``[B, R]``.

        :param tau: ``[1 or B, 1, 1 or H, 1 or W]``.
        :param y: the image, not :meth:`extended`.
        """
        everywhere = self.extended(tau.expand(y.shape[0], 1, *y.shape[-2:]))
        return F.avg_pool2d(everywhere, self.block, self.stride).flatten(1)


def _ranges(count: int, size: int) -> Iterator[range]:
    """``count`` things in runs of at most ``size``."""
    return (range(i, min(i + size, count)) for i in range(0, count, size))


def _inside(position: Tensor, last: int) -> Tensor:
    return (position >= 0) & (position <= last)


def _attenuated(spectrum: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Shrink ``[C, r, pixels, G]`` across its last dimension, but for the means; and by how much.

    :param tau: ``[r]``.
    """
    energy = spectrum.square()
    details = energy / (energy + (tau.square() + TINY)[:, None, None])
    attenuation = torch.cat([torch.ones_like(details[..., :1]), details[..., 1:]], dim=-1)
    return spectrum * attenuation, attenuation


def _scatter(values: Tensor, index: Tensor, like: Tensor) -> Tensor:
    """Add ``[C, …]`` into zeros ``[C, pixels]`` at ``index``, in one order on every device."""
    channels, count = like.shape
    places = (index + count * torch.arange(channels, device=index.device)[:, None]).flatten()
    zeros = like.new_zeros(channels * count)
    # On a GPU, index_add adds in changing order, index_put sorts first; on a CPU the reverse.
    if values.is_cuda:
        return zeros.index_put((places,), values.flatten(), accumulate=True).view_as(like)
    return zeros.index_add(0, places, values.flatten()).view_as(like)
