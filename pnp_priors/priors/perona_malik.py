r"""Perona–Malik diffusion with a learned diffusivity.

.. math:: u_{t+1} = u_t + \tau \operatorname{div}(a(u_t) \nabla u_t)

Valdivia Ortega, Haas, Effland: Learning diffusion functions for image restoration, HAL
hal-04573661, 2024. Ten iterations share one diffusivity, which is computed anew from each iterate;
:mod:`pnp_priors.priors._diffusivities` and :mod:`pnp_priors.priors._diffusivity_unet` hold the
kinds.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import InputError, UnknownNameError, WeightsError
from pnp_priors.priors._diffusivities import (
    AdaptiveK,
    DecreasingExperts,
    Diffusivity,
    MonomialExperts,
    RothBlackExperts,
    SplineExperts,
)
from pnp_priors.priors._diffusivity_unet import UNet
from pnp_priors.priors.base import Prior

#: kinds of diffusivity, by the name in a card's architecture
KINDS: dict[str, type[Diffusivity]] = {
    "ka": AdaptiveK,
    "splines": SplineExperts,
    "decreasing": DecreasingExperts,
    "monomials": MonomialExperts,
    "roth-black": RothBlackExperts,
    "unet": UNet,
}

#: the explicit scheme is stable, and obeys the maximum principle, up to this step
LARGEST_STEP = 0.25


def divergence(u: Tensor, a: Tensor) -> Tensor:
    r""":math:`\operatorname{div}(a \nabla u)` in conservative form.

    Fluxes are differences of neighbours times the mean of both pixels' diffusivities; none cross
    the border. For 0 <= a <= 1 the matrix of this map is symmetric with zero row sums, entries >= 0
    off the diagonal and >= -4 on it.

    :param u: images ``[B, C, H, W]``.
    :param a: diffusivities of the same shape.
    """
    down = 0.5 * (a[..., 1:, :] + a[..., :-1, :]) * torch.diff(u, dim=-2)
    across = 0.5 * (a[..., 1:] + a[..., :-1]) * torch.diff(u, dim=-1)
    down, across = F.pad(down, (0, 0, 1, 1)), F.pad(across, (1, 1))
    return torch.diff(down, dim=-2) + torch.diff(across, dim=-1)


class PeronaMalik(Prior):
    r"""Explicit diffusion for one noise level, mean-preserving, inside its input's range.

    :param diffusivity: ``ka``, ``splines``, ``decreasing``, ``monomials``, ``roth-black`` or
        ``unet``.
    :param settings: its sizes, see :mod:`pnp_priors.priors._diffusivities`; what is left out is as
        in the paper.
    :param iterations: number of steps.
    :param step: :math:`\tau` before training, in (0, 0.25); it is learned inside of that.
    :param sigma_range: the trained noise level, twice, in [0, 1] units.
    """

    def __init__(
        self,
        diffusivity: str = "splines",
        settings: dict[str, Any] | None = None,
        iterations: int = 10,
        step: float = 0.2,
        sigma_range: tuple[float, float] = (25 / 255, 25 / 255),
    ) -> None:
        super().__init__(1, sigma_range)
        if diffusivity not in KINDS:
            raise UnknownNameError("diffusivity", diffusivity, sorted(KINDS))
        if iterations < 1 or not 0 < step < LARGEST_STEP:
            raise InputError(f"iterations start at 1, step is inside (0, {LARGEST_STEP})")
        self.kind, self.iterations, self.first_step = diffusivity, iterations, float(step)
        self.diffusivity = KINDS[diffusivity](**(settings or {}))
        self.step_logit = nn.Parameter(torch.tensor(step / LARGEST_STEP).logit())

    @property
    def step(self) -> Tensor:
        r""":math:`\tau`, a scalar in [0, 0.25]."""
        return LARGEST_STEP * torch.sigmoid(self.step_logit)

    @property
    def receptive_field(self) -> int | None:
        reach = self.diffusivity.reach
        # A flux needs the diffusivities of two pixels: one more to each side.
        return None if reach is None else 2 * self.iterations * (reach + 1) + 1

    def arguments(self) -> dict[str, Any]:
        return {
            "diffusivity": self.kind,
            "settings": self.diffusivity.arguments(),
            "iterations": self.iterations,
            "step": self.first_step,
            "sigma_range": list(self.sigma_range),
        }

    def adopt(self, other: Prior) -> None:
        """Start from a diffusion with the same diffusivity, whatever its level."""
        same = isinstance(other, PeronaMalik) and other.kind == self.kind
        if not same or other.arguments()["settings"] != self.arguments()["settings"]:
            raise WeightsError(f"another diffusivity than {self.kind!r} of this size does not fit")
        super().adopt(other)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {**self.diffusivity.parameter_groups(), "step": [self.step_logit]}

    def prepare_training(self, bfloat16: bool) -> None:
        self.diffusivity.prepare_training(bfloat16)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        # Half precision is too coarse for ten small steps: only weights are kept in it.
        u = x.to(torch.promote_types(x.dtype, torch.float32))
        step, diffusivity = self.step.to(u), self.diffusivity.evaluator(u.dtype)
        for _ in range(self.iterations):
            u = u + step * divergence(u, diffusivity(u))
        return u
