r"""Fields of experts for training: bfloat16 convolutions on 4×4 cells, functions read by bits.

The means are those of :mod:`pnp_priors.training.diffusion_bf16`: a bfloat16 response has so few
values that :math:`\phi_i \circ s` of any form is tabulated at each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.priors.reaction_diffusion import symmetric_pad
from pnp_priors.training.diffusion_bf16 import CELL, TabulatedFunction, key_values, scatter_index

if TYPE_CHECKING:
    from pnp_priors.priors._diffusivities import Experts

#: responses are stretched by this, so that the keys' range of 2**-4 to 352 is theirs: 0.002 to 11
STRETCH = 32.0


class ExpertSums:
    """The sum of all experts' functions; tables and kernels are made once for a training step."""

    def __init__(self, field: Experts) -> None:
        self.kernel, self.experts = field.kernel, field.experts
        device = field.filters.device
        points = key_values().to(device) / STRETCH
        with torch.autocast(device.type, enabled=False):
            rows = points.expand(self.experts, -1)
            self.values = field.functions(torch.sigmoid(rows))
            with torch.enable_grad():
                z = rows.detach().clone().requires_grad_()
                total = field.functions(torch.sigmoid(z)).sum()
            (slopes,) = torch.autograd.grad(total, z)
            self.slopes = slopes.contiguous() / STRETCH
            index = scatter_index(self.kernel).to(device)
            flat = F.pad(STRETCH * field.filters.flatten(1), (0, 1))
            cells = flat[:, index.reshape(-1)].reshape(self.experts, *index.shape)
            # [N*16, 16, reach, reach]
            self.cells = (
                cells.flatten(0, 1).bfloat16().contiguous(memory_format=torch.channels_last)
            )

    def __call__(self, u: Tensor) -> Tensor:
        """The sums at standardised images ``u`` ``[B, 1, H, W]``, in float32."""
        batch, _, height, width = u.shape
        reach = self.cells.shape[-1]
        with torch.autocast(u.device.type, enabled=False):
            down = -height % CELL + CELL * reach - 2 * (self.kernel // 2) - CELL
            right = -width % CELL + CELL * reach - 2 * (self.kernel // 2) - CELL
            padded = F.pad(symmetric_pad(u, self.kernel // 2), (0, right, 0, down))
            grid = F.pixel_unshuffle(padded, CELL).bfloat16()
            response = F.conv2d(grid.contiguous(memory_format=torch.channels_last), self.cells)
            found = TabulatedFunction.apply(response, self.values, self.slopes)
            rows, columns = found.shape[-2:]
            experts = found.permute(0, 2, 3, 1).reshape(batch, rows, columns, self.experts, -1)
            total = experts.sum(dim=3, dtype=torch.float32).permute(0, 3, 1, 2)
            return F.pixel_shuffle(total, CELL)[..., :height, :width]
