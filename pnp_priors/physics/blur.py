r"""A circular blur as ``deepinv.physics.BlurFFT``, whose data step keeps its digits.

deepinv transforms :math:`A^\top y + z/\gamma` and divides by :math:`|H|^2 + 1/\gamma`. Where the
kernel passes little, both are small and float32's rounding of the whole spectrum is divided by
about :math:`1/\gamma`, which begins near 0.001: errors reach 0.0005 of [0, 1]. Here the correction
alone is computed,

.. math:: x = z + F^{-1} \frac{\overline{H} (Fy - H Fz)}{|H|^2 + 1/\gamma},

around the mean of y. It is the same minimiser, with half of the transforms.
"""

from __future__ import annotations

from typing import Any

import torch
from deepinv.physics import BlurFFT
from torch import Tensor


class Blur(BlurFFT):
    """Takes the arguments of ``BlurFFT``: ``img_size`` ``(C, H, W)`` and ``filter``."""

    def prox_l2(self, z: Tensor | float | None, y: Tensor, gamma: Any, **_: Any) -> Tensor:
        r"""Minimise :math:`\frac{\gamma}{2}\|Ax-y\|^2 + \frac12\|x-z\|^2` over x.

        :param z: ``[B, C, H, W]``; a number, or ``None`` for 0, means it everywhere.
        :param y: ``[B, C, H, W]``.
        :param gamma: a number, or ``[B]``.
        """
        transfer = self.mask[..., 0] * self.angle
        if not isinstance(z, Tensor):
            z = torch.full_like(y, 0.0 if z is None else float(z))
        if isinstance(gamma, Tensor) and gamma.ndim:
            gamma = gamma.reshape(-1, 1, 1, 1)
        # A constant is only scaled, by the kernel's sum.
        mean, total = y.mean(dim=(-2, -1), keepdim=True), transfer[..., :1, :1].real
        missing = torch.fft.rfft2(y - total * mean) - transfer * torch.fft.rfft2(z - mean)
        step = transfer.conj() * missing / (self.mask[..., 0] ** 2 + 1 / gamma)
        return z + torch.fft.irfft2(step, s=y.shape[-2:])
