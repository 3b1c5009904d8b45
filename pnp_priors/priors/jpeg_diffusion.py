r"""Trained diffusion for JPEG deblocking: TRD with the proximal step of its eq. 8 and 9.

.. math:: u_t = D^\top \mathrm{proj}_Q\Big(D\big(u_{t-1}
          - \sum_i \bar k_i^t * \phi_i^t(k_i^t * u_{t-1})\big)\Big)

with the block DCT :math:`D` and the box :math:`Q` of the coefficients that give the decoded image.
Chen, Yu, Pock, CVPR 2015.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pnp_priors.physics.jpeg import (
    BLOCK,
    Box,
    Table,
    checked_table,
    luminance_table,
    project,
    quantisation_box,
)
from pnp_priors.priors.base import Sigma, Task
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion


class JpegReactionDiffusion(ReactionDiffusion):
    """TRD for the luminance of JPEG images compressed with one quality.

    Its input is the decoded image from the block grid's corner on; noise levels are ignored.

    :param stages: number of stages T.
    :param filter_size: side of the filters, see :class:`ReactionDiffusion`.
    :param basis: ``gaussian`` or ``triangular`` radial basis functions.
    :param centres: their number.
    :param quality: it is trained for this; the table of images that come without one.
    """

    size_multiple = BLOCK
    tasks: tuple[Task, ...] = ("jpeg",)
    takes_table = True

    def __init__(
        self,
        stages: int = 4,
        filter_size: int = 7,
        basis: str = "gaussian",
        centres: int = 63,
        quality: int = 10,
    ) -> None:
        table = luminance_table(quality)
        super().__init__(
            stages,
            filter_size,
            levels=1,
            basis=basis,
            centres=centres,
            reaction=False,
            sigma_range=(0.0, 1.0),
        )
        self.quality = int(quality)
        self.quality_range = (self.quality, self.quality)
        self.register_buffer("table", table, persistent=False)
        self.table: Tensor

    @property
    def receptive_field(self) -> int:
        # Seen from a block, each stage but the last looks at whole blocks as far as its filters
        # reach, the one before them all at pixels; the output may be in any corner of its block.
        reach = self.filter_size - 1
        blocks = BLOCK * -(-reach // BLOCK) * (self.active_stages - 1)
        return 2 * (blocks + reach + BLOCK - 1) + 1

    def arguments(self) -> dict[str, Any]:
        return {
            "stages": self.stages,
            "filter_size": self.filter_size,
            "basis": self.basis.kind,
            "centres": self.basis.count,
            "quality": self.quality,
        }

    def forward(self, x: Tensor, sigma: Sigma | None = None, table: Table | None = None) -> Tensor:
        """Deblock a batch of decoded JPEG images.

        :param x: ``[B, C, H, W]`` floating point in [0, 1]; any H, W >= 1; the corner of the
            first block at the upper left. Channels are treated one by one.
        :param sigma: checked and ignored; for solvers that state one.
        :param table: quantisation steps, ``[8, 8]`` or ``[B, 8, 8]``, on 0..255; by default the
            standard luminance table of the quality it is trained for.
        :returns: the deblocked batch, of the shape, dtype and device of ``x``; its coefficients
            are such as an encoder with this table rounds to those of ``x``.
        :raises InputError: an impossible image, sigma or table.
        """
        self._check_image(x)
        self._sigma_tensor(sigma, x, self.weights.dtype)
        # Half precision would move coefficients into other intervals: only weights are kept in it.
        precision = torch.promote_types(self.weights.dtype, torch.float32)
        image = x.to(precision)
        steps = checked_table(self.table if table is None else table, image)
        gray = image.flatten(0, 1).unsqueeze(1)
        if steps.shape[0] == x.shape[0]:
            steps = steps.repeat_interleave(x.shape[1], dim=0)
        restored = self._deblock(gray, quantisation_box(gray, steps))
        return restored.reshape(x.shape).to(x.dtype)

    def _deblock(self, image: Tensor, box: Box) -> Tensor:
        """All stages on ``[B, 1, H, W]`` in [0, 1]."""
        u = image
        term = self._terms(255 * image)
        for stage in range(self.active_stages):
            u = project(u - term(255 * u, stage) / 255, box)
        return u
