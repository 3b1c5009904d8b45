"""The U-Net diffusivity of :mod:`pnp_priors.priors.perona_malik`, computed on 2×2 cells.

Valdivia Ortega, Haas, Effland: Learning diffusion functions for image restoration, HAL
hal-04573661, 2024, section 3.3.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import InputError
from pnp_priors.priors._diffusivities import Diffusivity, standardise


def to_cells(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` as 2×2 cells ``[B, 4C, H/2, W/2]``, ordered by place in the cell first."""
    batch, count, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, count)
    cells = rows.transpose(2, 3).reshape(batch, height // 2, width // 2, 4 * count)
    return cells.permute(0, 3, 1, 2)


def from_cells(x: Tensor) -> Tensor:
    """The inverse of :func:`to_cells`."""
    batch, count, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, count // 4)
    image = rows.transpose(2, 3).reshape(batch, 2 * height, 2 * width, count // 4)
    return image.permute(0, 3, 1, 2)


def pooled_cells(x: Tensor) -> Tensor:
    """The largest value of each cell: max pooling by 2, ``[B, C, H/2, W/2]``."""
    a, b, c, d = x.chunk(4, dim=1)
    return torch.maximum(torch.maximum(a, b), torch.maximum(c, d))


def cell_index() -> Tensor:
    """``[2, 2, 2, 2, 3, 3]``: for output place, input place and tap, the place in a 5×5 kernel.

    25 where the pixel lies outside of the kernel.
    """
    place, tap = torch.arange(2), torch.arange(3)
    offset = 2 * (tap[None, None, :] - 1) + place[None, :, None] - place[:, None, None] + 2
    y, x = offset[:, None, :, None, :, None], offset[None, :, None, :, None, :]
    inside = (y >= 0) & (y < 5) & (x >= 0) & (x < 5)
    return torch.where(inside, 5 * y + x, 25)


def cell_kernel(weight: Tensor, index: Tensor) -> Tensor:
    """A 5×5 convolution's weight ``[O, I, 5, 5]`` as a 3×3 one's on cells, ``[4O, 4I, 3, 3]``."""
    flat = F.pad(weight.flatten(2), (0, 1))[..., index.reshape(-1)]
    out, width = weight.shape[:2]
    spread = flat.reshape(out, width, 4, 4, 3, 3).permute(2, 0, 3, 1, 4, 5)
    return spread.reshape(4 * out, 4 * width, 3, 3).contiguous(memory_format=torch.channels_last)


def convolutions(width: int, hidden: int, out: int) -> nn.ModuleList:
    """Three 5×5 convolutions."""
    chain = [width, hidden, hidden, out]
    return nn.ModuleList(nn.Conv2d(a, b, 5, padding=2) for a, b in itertools.pairwise(chain))


class UNet(Diffusivity):
    """A U-Net: ``levels`` blocks of three 5×5 convolutions down, max pooling between, and up again.

    Six channels everywhere meet the paper's table (27.6 K parameters); the widths in its text,
    :math:`2^{2+j}` in the j-th convolution of a block, would make twice as many at the least.
    Without its batch normalisations.
    So few channels starve a processor: everything is computed on 2×2 cells, where a 5×5 convolution
    of 6 channels is a 3×3 one of 24, and a transposed one a 1×1 convolution.

    :param levels: of the encoder.
    :param width: channels of the hidden layers.
    """

    def __init__(self, levels: int = 5, width: int = 6) -> None:
        super().__init__()
        if levels < 2 or width < 1:
            raise InputError("levels start at 2, width at 1")
        self.levels, self.width = levels, width
        self.down = nn.ModuleList(
            convolutions(width if level else 1, width, width) for level in range(levels)
        )
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(width, width, 2, stride=2) for _ in range(levels - 1)
        )
        self.up = nn.ModuleList(
            convolutions(2 * width, width, width if level else 1) for level in range(levels - 1)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        last = self._last()
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.fill_(0.5)  # type: ignore[union-attr]

    def _last(self) -> nn.Conv2d:
        return self.up[0][-1]  # type: ignore[index, return-value]

    def arguments(self) -> dict[str, Any]:
        return {"levels": self.levels, "width": self.width}

    def evaluator(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        return UNetOnCells(self, dtype)

    def forward(self, u: Tensor) -> Tensor:
        return self.evaluator(u.dtype)(u)


def working_copy(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """In ``dtype``, or in autocast's where that is on: it would cast again at each use."""
    device = weight.device.type
    low = torch.is_autocast_enabled(device)
    return weight.to(torch.get_autocast_dtype(device) if low else dtype)


class UNetOnCells:
    """A U-Net's layers rewritten for cells, once for all iterations."""

    def __init__(self, net: UNet, dtype: torch.dtype) -> None:
        self.levels = net.levels
        self.index = cell_index().to(next(net.parameters()).device)
        self.down = [self._block(block, net, dtype) for block in net.down]
        self.up = [self._block(block, net, dtype) for block in net.up]
        self.rise = [self._rise(layer, dtype) for layer in net.rise]

    def _block(
        self, block: nn.Module, net: UNet, dtype: torch.dtype
    ) -> list[tuple[Tensor, Tensor]]:
        layers = []
        for layer in block.children():
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            weight, bias = (working_copy(w, dtype) for w in (layer.weight, layer.bias))
            # A concatenation of cells is not the cells of a concatenation: parts by themselves.
            parts = [cell_kernel(w, self.index) for w in weight.split(net.width, dim=1)]
            layers.append((torch.cat(parts, dim=1), bias.repeat(4)))
        return layers

    @staticmethod
    def _rise(layer: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        assert isinstance(layer, nn.ConvTranspose2d)
        assert layer.bias is not None
        weight, bias = (working_copy(w, dtype) for w in (layer.weight, layer.bias))
        return weight.permute(2, 3, 1, 0).flatten(0, 2)[..., None, None], bias.repeat(4)

    def __call__(self, u: Tensor) -> Tensor:
        """Diffusivities of images ``[B, 1, H, W]``."""
        height, width = u.shape[-2:]
        multiple = 2**self.levels
        margin = (0, -width % multiple, 0, -height % multiple)
        x = to_cells(F.pad(standardise(u), margin, mode="replicate"))
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = to_cells(pooled_cells(x)) if level else x
            for kernel, bias in block:
                x = F.conv2d(x, kernel, bias, padding=1).relu_()
            kept.append(x)
        for level in reversed(range(self.levels - 1)):
            kernel, bias = self.rise[level]
            risen = F.conv2d(from_cells(x), kernel, bias)
            x = torch.cat([risen, kept[level]], dim=1)
            for depth, (kernel, bias) in enumerate(self.up[level]):
                x = F.conv2d(x, kernel, bias, padding=1)
                if level or depth < len(self.up[level]) - 1:
                    x = x.relu_()
        return torch.sigmoid(from_cells(x)[..., :height, :width].to(u.dtype))
