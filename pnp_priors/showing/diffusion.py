r"""What a trained reaction diffusion has learned, as numbers.

Influence functions :math:`\phi_i` and penalty functions :math:`\rho_i`, :math:`\rho_i' = \phi_i`:
Chen, Yu, Pock, CVPR 2015, section 2 and figure 2; reaction weights over sigma: genericDP, BMVC
2018, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion, symmetric_pad


@dataclass(frozen=True, eq=False)
class Stage:
    r"""One stage; its N filters in descending order of strength.

    :param number: from 1.
    :param filters: ``[N, C, s, s]``, of unit norm.
    :param z: filter responses ``[P]``, equidistant, in units of 0..255.
    :param influence: :math:`\phi_i(z)`, ``[N, P]``.
    :param penalty: :math:`\rho_i(z)`, ``[N, P]``, minimum 0.
    :param strength: root mean square of :math:`\phi_i(k_i * u)` on an image, ``[N]``.
    :param central: between which responses 90 % of the image's lie, ``[N, 2]``.
    """

    number: int
    filters: Tensor
    z: Tensor
    influence: Tensor
    penalty: Tensor
    strength: Tensor
    central: Tensor


@torch.no_grad()
def stage(prior: ReactionDiffusion, number: int, u: Tensor) -> Stage:
    """The filters and functions of a stage.

    :param number: from 1.
    :param u: the image that this stage gets, ``[1, C, H, W]`` in [0, 1].
    :raises InputError: no such stage.
    """
    if not 1 <= number <= prior.active_stages:
        raise InputError(f"stage {number}: this prior has stages 1 to {prior.active_stages}")
    index = number - 1
    # The inside of an Equivariant or a half-precision prior alike: in float32.
    filters, weights = prior.filters()[index].float(), prior.weights[index].float()
    basis = prior.basis
    table = basis.table(weights)
    response = F.conv2d(symmetric_pad(255 * u.float(), prior.filter_size - 1), filters)
    force = basis.lookup(response, table)
    strength = force.square().mean(dim=(0, 2, 3)).sqrt()
    ends = torch.tensor([0.05, 0.95])
    central = torch.quantile(response[0].flatten(1), ends, dim=1).T
    order = strength.argsort(descending=True)
    z = basis.table_start + basis.table_step * torch.arange(table[0].shape[-1])
    return Stage(
        number,
        filters[order],
        z,
        table[0][order],
        basis.penalty(weights)[order],
        strength[order],
        central[order],
    )


@torch.no_grad()
def reaction(prior: ReactionDiffusion) -> tuple[Tensor, Tensor] | None:
    """Reaction weights of each stage over sigma.

    :returns: noise levels ``[L]`` in [0, 1] units, the trained ones, and weights ``[T, L]``; one
        level for a network of one. ``None`` for a process without a reaction.
    """
    if not prior.reaction:
        return None
    low, high = prior.sigma_range
    count = 1 if low == high else 2 * round(255 * (high - low)) + 1
    sigmas = torch.linspace(low, high, count)
    weights = prior.reaction_at(sigmas.reshape(-1, 1, 1, 1))[: prior.active_stages]
    return sigmas, weights.reshape(prior.active_stages, -1).float()
