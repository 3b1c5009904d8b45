r"""Bicubic reduction as a ``deepinv.physics.LinearPhysics`` with a closed-form data step.

The reduction is separable, :math:`Y = R X C^\top` with one small matrix for the rows and one for
the columns (:mod:`pnp_priors.physics.bicubic`). With their singular value decompositions
:math:`R = U_r S_r V_r^\top` and :math:`C = U_c S_c V_c^\top`, the minimiser of
:math:`\frac{\gamma}{2}\|RXC^\top - Y\|^2 + \frac12\|X - Z\|^2` is

.. math:: X = Z + V_r \left[ \frac{S (U_r^\top Y U_c - S \, V_r^\top Z V_c)}
    {S^2 + 1/\gamma} \right] V_c^\top, \qquad S_{ij} = (S_r)_i (S_c)_j .

It holds at the borders as inside, for any ratio of the sizes, whole or not, and for odd sizes: no
image is continued periodically, and no decimation has a phase that could be wrong. Applying it is
four products of matrices. ``deepinv.physics.Downsampling`` with a bicubic kernel is the same inside
an image for whole scales, and wraps around at its borders.
"""

from __future__ import annotations

from typing import Any

import torch
from deepinv.physics import LinearPhysics
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.bicubic import weights


class BicubicReduction(LinearPhysics):
    """Reduces an image as Pillow's and MATLAB's antialiased bicubic interpolation do.

    :param img_size: ``(C, H, W)`` of the large image.
    :param size: ``(h, w)`` of the small one, at most H and W.
    :raises InputError: a side that grows, or is not there.
    """

    def __init__(
        self,
        img_size: tuple[int, int, int],
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        super().__init__(device=device, img_size=img_size, **options)
        for large, small in zip(img_size[-2:], size, strict=True):
            if not 1 <= small <= large:
                raise InputError(f"cannot reduce {list(img_size[-2:])} pixels to {list(size)}")
        self.size = size
        for name, large, small in zip(("rows", "columns"), img_size[-2:], size, strict=True):
            matrix = weights(large, small)
            left, values, right = torch.linalg.svd(matrix, full_matrices=False)
            for part, tensor in {"": matrix, "_u": left, "_s": values, "_v": right.mH}.items():
                self.register_buffer(name + part, tensor.float().contiguous())
        self.rows: Tensor
        self.rows_u: Tensor
        self.rows_s: Tensor
        self.rows_v: Tensor
        self.columns: Tensor
        self.columns_u: Tensor
        self.columns_s: Tensor
        self.columns_v: Tensor
        self.to(device)

    def A(self, x: Tensor, **_: Any) -> Tensor:  # noqa: N802
        """Reduce ``[B, C, H, W]`` to ``[B, C, h, w]``; neither rounded nor clipped."""
        return self.rows @ (x @ self.columns.T)

    def A_adjoint(self, y: Tensor, **_: Any) -> Tensor:  # noqa: N802
        """The transpose, ``[B, C, h, w]`` to ``[B, C, H, W]``; not the enlargement."""
        return self.rows.T @ (y @ self.columns)

    def A_dagger(self, y: Tensor, **_: Any) -> Tensor:  # noqa: N802
        """The image of least norm that is reduced to ``y``."""
        return self._towards(0.0, y, 0.0)

    def prox_l2(self, z: Tensor | float | None, y: Tensor, gamma: Any, **_: Any) -> Tensor:
        r"""Minimise :math:`\frac{\gamma}{2}\|Ax-y\|^2 + \frac12\|x-z\|^2` over x."""
        return self._towards(0.0 if z is None else z, y, 1 / gamma)

    def _towards(self, z: Tensor | float, y: Tensor, damping: Any) -> Tensor:
        observed = self.rows_u.T @ y @ self.columns_u
        singular = self.rows_s[:, None] * self.columns_s
        if isinstance(z, Tensor):
            observed = observed - singular * (self.rows_v.T @ z @ self.columns_v)
        elif z != 0:
            return self._towards(torch.full_like(self.A_adjoint(y), z), y, damping)
        step = singular * observed / (singular**2 + damping)
        return z + self.rows_v @ step @ self.columns_v.T
