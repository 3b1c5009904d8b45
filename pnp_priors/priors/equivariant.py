r"""A prior that commutes with flips and rotations: the mean over the eight of them.

.. math:: D_{\mathrm{eq}}(x, \sigma) = \frac18 \sum_g T_g^{-1} D(T_g x, T_g \sigma)

Terris, Moreau, Pustelnik, Tachella: Equivariant plug-and-play image reconstruction, CVPR 2024.

deepinv's ``EquivariantDenoiser`` does the averaging. Its own default transform is not used: in
deepinv 0.5 it picks two of four reflections at random (the option ``dims`` that it passes is called
``dim`` and is ignored), which gives all eight symmetries only some of the time, and it crops images
that are not square.
"""

from __future__ import annotations

from typing import Any

import torch
from deepinv.models import EquivariantDenoiser
from deepinv.transform import Transform
from deepinv.transform.base import TransformParam
from torch import Tensor, nn

from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior, Sigma
from pnp_priors.symmetries import INVERSES, NAMES, turn


def _inverse(index: Tensor) -> Tensor:
    return torch.tensor(INVERSES, device=index.device)[index.long()]


class SquareSymmetries(Transform):
    """All eight flips and rotations as one of deepinv's transforms, in a fixed order."""

    def __init__(self) -> None:
        # Not of constant shape: deepinv then takes one at a time, so that images need not be
        # square and sigma may have a value per image.
        super().__init__(n_trans=len(NAMES), constant_shape=False)

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        return {"symmetry": TransformParam(torch.arange(len(NAMES)), neg=_inverse)}

    def _transform(self, x: Tensor, symmetry: Tensor, **_: Any) -> Tensor:
        return torch.cat([turn(x, int(index)) for index in symmetry.flatten()])


class _SigmaAsChannels(nn.Module):
    """A prior that finds a map of noise levels in further channels, where it is turned along."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, planes: Tensor, channels: int, sigma: Tensor | None) -> Tensor:
        if planes.shape[1] > channels:
            sigma = planes[:, channels:]
        return self.prior(planes[:, :channels], sigma)


class Equivariant(Prior, EquivariantDenoiser):
    """A prior averaged over the eight flips and rotations; a call costs eight of its calls.

    Still a :class:`~pnp_priors.priors.base.Prior`: channels, trained range, tasks and what it says
    of itself are those of the prior inside, ``equivariant.prior``. It is deterministic.

    :param prior: any prior that takes an image and sigma.
    :raises InputError: a prior that takes a JPEG image's quantisation table: its grid of blocks and
        its table are others after a flip or rotation.
    """

    def __init__(self, prior: Prior) -> None:
        if prior.takes_table:
            raise InputError(
                f"{type(prior).__name__} cannot be made equivariant: JPEG's grid of blocks and its "
                "quantisation table are others after a flip or rotation"
            )
        # Prior.__init__ would call deepinv's without its arguments; what it sets is set below.
        EquivariantDenoiser.__init__(self, _SigmaAsChannels(prior), transform=SquareSymmetries())
        self._say_as(prior)

    @property
    def prior(self) -> Prior:
        """The prior that is averaged."""
        return self.denoiser.prior

    @property
    def receptive_field(self) -> int | None:
        inside = self.prior.receptive_field
        # In a turned image of another size, a pixel may lie elsewhere in its cell.
        return None if inside is None else inside + self.size_multiple - 1

    @property
    def halo(self) -> int:
        if self.size_multiple > 1 and self.prior.receptive_field is not None:
            raise InputError(
                f"Equivariant cannot be tiled: the prior works in cells of {self.size_multiple} "
                "pixels a side, and where they lie in a turned image depends on the whole image's "
                "size"
            )
        return super().halo

    def forward(self, x: Tensor, sigma: Sigma | None = None) -> Tensor:
        """Denoise a batch of images; see :meth:`pnp_priors.priors.base.Prior.forward`."""
        self._check_image(x)
        planes, level = x, None
        if sigma is not None or not (self.blind or self.estimates_sigma):
            level = self._sigma_tensor(sigma, x, next(self.parameters()).dtype)
            if level.shape[-2:] != (1, 1):
                rows = level.expand(len(x), -1, -1, -1).to(x.dtype)
                planes, level = torch.cat([x, rows], dim=1), None
        return EquivariantDenoiser.forward(self, planes, x.shape[1], level)

    def _estimate(self, x: Tensor) -> Tensor:
        return self.eval_transform.symmetrize(self.prior._estimate, average=True)(x)
