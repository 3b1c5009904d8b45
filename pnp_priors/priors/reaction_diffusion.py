r"""Trained reaction diffusion: TRD and genericDP.

One stage with filters :math:`k_i`, influence functions :math:`\phi_i` and reaction weight
:math:`\lambda`:

.. math:: u_t = u_{t-1} - \Big(\sum_i \bar k_i^t * \phi_i^t(k_i^t * u_{t-1})
          + \lambda^t_\sigma\,(u_{t-1} - f)\Big)

Chen, Yu, Pock, CVPR 2015, eq. 7 (TRD: one model per noise level), and genericDP, BMVC 2018, eq. 4
(one diffusion term for all noise levels, a reaction weight for each). Computation is on a 0..255
scale, as in the papers; callers see [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import InputError, WeightsError
from pnp_priors.priors._diffusion_cpu import PackedStage, pack, tiled_term
from pnp_priors.priors.base import Prior
from pnp_priors.priors.influence import InfluenceBasis


def dct_filters(size: int) -> Tensor:
    """The DCT-II basis of ``size``×``size`` patches without its constant: ``[size²-1, size²]``."""
    n = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * size))
    rows *= torch.where(n == 0, 1 / math.sqrt(size), math.sqrt(2 / size))[:, None]
    basis = torch.einsum("ay,bx->abyx", rows, rows).reshape(size * size, size * size)
    return basis[1:].float()


def colour_filters(size: int, channels: int) -> Tensor:
    """DCT-II over channels and space without the constant: ``[C·size²-1, C·size²]``.

    Components of the channels' sum come first, then those of each difference of channels.
    """
    constant = torch.full((1, size * size), 1 / size)
    space = torch.cat([constant, dct_filters(size)])
    n = torch.arange(channels, dtype=torch.float64)
    colour = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * channels))
    colour = F.normalize(colour, dim=1).float()
    return torch.einsum("cd,ax->cadx", colour, space).reshape(channels * size**2, -1)[1:]


def lowest_components(size: int, channels: int, count: int) -> Tensor:
    """Rows of :func:`colour_filters` to start from: all of the sum's, then low differences."""
    frequency = torch.arange(size)[:, None] + torch.arange(size)
    first = frequency.flatten()[1:] - 3 * size  # before every difference
    rest = frequency.flatten().repeat(channels - 1)
    return torch.argsort(torch.cat([first, rest]), stable=True)[:count].sort().values


def symmetric_index(length: int, pad: int, device: torch.device | None = None) -> Tensor:
    """Indices that extend ``length`` samples by ``pad`` mirrored ones (edge repeated) each side."""
    position = torch.arange(-pad, length + pad, device=device) % (2 * length)
    return torch.where(position < length, position, 2 * length - 1 - position)


def symmetric_pad(x: Tensor, pad: int) -> Tensor:
    """Mirror the image at its edges, for any size from 1×1 and any ``pad``."""
    rows = symmetric_index(x.shape[-2], pad, x.device)
    columns = symmetric_index(x.shape[-1], pad, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)


class ReactionDiffusion(Prior):
    r"""TRD (``levels=1``) or genericDP (``levels=50``), for gray or for colour.

    :param stages: number of stages T; at most all of them run, see :attr:`active_stages`.
    :param filter_size: side of the filters (5, 7 or 9), combinations of the DCT basis without its
        constant, of unit norm.
    :param filters: their number; by default a whole basis, ``channels · filter_size² - 1``.
    :param levels: M; reaction weights for :math:`\sigma = 1, …, M` (on 0..255), interpolated in
        between. 1: a single reaction weight, for one trained noise level.
    :param basis: ``gaussian`` or ``triangular`` radial basis functions.
    :param centres: their number.
    :param reaction: ``False`` leaves the diffusion term alone (genericDP-wo, section 3.3); without
        the reaction nothing depends on sigma, so that such a network is blind.
    :param sigma_range: trained noise levels in [0, 1] units.
    :param channels: 1, or 3 for filters that see all colours at once.
    """

    def __init__(
        self,
        stages: int = 8,
        filter_size: int = 7,
        levels: int = 50,
        basis: str = "gaussian",
        centres: int = 63,
        reaction: bool = True,
        sigma_range: tuple[float, float] = (1 / 255, 50 / 255),
        channels: int = 1,
        filters: int | None = None,
    ) -> None:
        super().__init__(channels, sigma_range, blind=not reaction)
        if stages < 1 or filter_size < 3 or filter_size % 2 == 0 or levels < 1:
            raise InputError("stages and levels start at 1, filter_size is odd and at least 3")
        components = channels * filter_size**2 - 1
        count = components if filters is None else filters
        if not 1 <= count <= components:
            raise InputError(f"filters must be 1 to {components}, got {count}")
        self.stages, self.filter_size, self.levels = stages, filter_size, levels
        self.reaction = reaction
        self.active_stages = stages
        self.greedy = False
        self.bfloat16_training = False
        self.basis = InfluenceBasis(basis, centres)
        self.register_buffer("dct", colour_filters(filter_size, channels), persistent=False)
        self.dct: Tensor
        start = torch.eye(components)[lowest_components(filter_size, channels, count)]
        self.coefficients = nn.Parameter(start.repeat(stages, 1, 1))
        self.weights = nn.Parameter(self._initial_weights().repeat(stages, count, 1))
        level = torch.arange(1, levels + 1).float()
        weight = 0.4 / (1 + (level / 8) ** 1.5) if levels > 1 else torch.full((1,), 0.1)
        self.reaction_weights = nn.Parameter(weight.repeat(stages, 1), requires_grad=reaction)
        self._tables: tuple[Tensor, Tensor] | None = None
        self._packed: list[PackedStage] = []

    def _initial_weights(self) -> Tensor:
        # A small step of a robust diffusion: linear near zero, fading for strong edges. The
        # filters of size s² form a tight frame with bound s², hence the division.
        z = self.basis.centres
        return self.basis.fit(z, 0.25 * z / (1 + (z / 40) ** 2) / self.filter_size**2)

    @property
    def receptive_field(self) -> int:
        return 2 * self.active_stages * (self.filter_size - 1) + 1

    def arguments(self) -> dict[str, Any]:
        return {
            "stages": self.stages,
            "filter_size": self.filter_size,
            "levels": self.levels,
            "basis": self.basis.kind,
            "centres": self.basis.count,
            "reaction": self.reaction,
            "sigma_range": list(self.sigma_range),
            "channels": self.channels,
            "filters": self.coefficients.shape[1],
        }

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        groups = {"filters": [self.coefficients], "influence": [self.weights]}
        return groups | {"reaction": [self.reaction_weights]} if self.reaction else groups

    def prepare_training(self, bfloat16: bool) -> None:
        """Train through the bfloat16 look-up of :mod:`pnp_priors.training.diffusion_bf16`."""
        self.bfloat16_training = bfloat16

    @torch.no_grad()
    def grow(self, stages: int, greedy: int = 0) -> None:
        """Run ``stages`` stages from now on; new ones start as copies of the last one trained.

        :param greedy: 1 trains the last stage alone, the earlier ones stay (TRD, eq. 4).
        """
        if not 1 <= stages <= self.stages:
            raise InputError(f"stages must be 1 to {self.stages}, got {stages}")
        last = self.active_stages - 1
        for parameter in (self.coefficients, self.weights, self.reaction_weights):
            parameter[last + 1 : stages] = parameter[last]
        self.active_stages, self.greedy = stages, bool(greedy)

    @torch.no_grad()
    def adopt(self, other: Prior) -> None:
        """Start from the first stages of another diffusion process with filters of this size.

        Where this one has a single noise level and the other many, the reaction weights are the
        other's at this level. A colour network takes the filters of a gray one for the sum of
        the channels; its other filters stay as they are.
        """
        fits = (
            isinstance(other, ReactionDiffusion)
            and other.filter_size == self.filter_size
            and other.channels in (1, self.channels)
            and other.coefficients.shape[1] <= self.coefficients.shape[1]
            and other.basis.arguments == self.basis.arguments
            and other.stages >= self.stages
            and (self.levels in (1, other.levels) or not self.reaction)
        )
        if not fits:
            raise WeightsError(f"{type(other).__name__} does not fit: filters, levels or stages")
        assert isinstance(other, ReactionDiffusion)
        kept = slice(self.stages)
        _, count, components = other.coefficients.shape
        self.coefficients[:, :count] = 0
        self.coefficients[:, :count, :components] = other.coefficients[kept]
        self.weights[:, :count] = other.weights[kept]
        if self.levels == other.levels:
            self.reaction_weights.copy_(other.reaction_weights[kept])
        elif self.reaction:
            level = torch.full((1, 1, 1, 1), self.sigma_range[1])
            self.reaction_weights.copy_(other.reaction_at(level)[kept].reshape(-1, 1))

    def mask_gradients(self) -> None:
        """In a greedy phase, only the last active stage learns."""
        if self.greedy:
            for parameter in (self.coefficients, self.weights, self.reaction_weights):
                if parameter.grad is not None:
                    parameter.grad[: self.active_stages - 1] = 0

    def for_release(self) -> Prior:
        """This network, cut to its active stages, in eval mode."""
        if self.active_stages == self.stages:
            return self.eval()
        released = type(self)(**{**self.arguments(), "stages": self.active_stages})
        tensors = {k: v[: self.active_stages] for k, v in self.state_dict().items()}
        released.to(self.weights).load_state_dict(tensors)
        return released.eval()

    def filters(self) -> Tensor:
        """Filters ``[T, N, C, s, s]`` of unit norm (TRD, section 3)."""
        unit = F.normalize(self.coefficients, dim=-1)
        return (unit @ self.dct).unflatten(-1, (self.channels, self.filter_size, self.filter_size))

    def tables(self) -> tuple[Tensor, Tensor]:
        """Influence tables of all stages: values and forward differences, ``[T, N, entries]``."""
        if self._frozen:
            if self._tables is None:
                self._tables = self.basis.table(self.weights.detach())
            return self._tables
        self._forget()  # weights that have a gradient are about to change
        return self.basis.table(self.weights)

    @property
    def _frozen(self) -> bool:
        """Whether tables may be kept between calls: eval mode and no gradient for the stages."""
        learns = self.weights.requires_grad or self.coefficients.requires_grad
        return not (self.training or (torch.is_grad_enabled() and learns))

    def _forget(self) -> None:
        self._tables, self._packed = None, []

    def train(self, mode: bool = True) -> ReactionDiffusion:
        self._forget()
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()  # here, and so also when a module that holds this one is loaded
        super()._load_from_state_dict(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._forget()
        return super()._apply(*args, **kwargs)

    def reaction_at(self, sigma: Tensor) -> Tensor:
        """Reaction weights ``[T, *sigma.shape]`` at ``sigma`` in [0, 1] units, interpolated."""
        if self.levels == 1:
            return self.reaction_weights[:, :, None, None, None].expand(-1, *sigma.shape)
        position = (255 * sigma).clamp(1, self.levels) - 1
        index = position.detach().floor().clamp(max=self.levels - 2).long()
        share = position - index
        low, high = self.reaction_weights[:, index], self.reaction_weights[:, index + 1]
        return low + share * (high - low)

    def diffusion(self, u: Tensor, stage: int) -> Tensor:
        r"""The diffusion term :math:`\sum_i \bar k_i * \phi_i(k_i * u)` of one stage.

        :param u: ``[B, C, H, W]`` on the 0..255 scale.
        :param stage: from 0.
        """
        return self._terms(u)(u, stage)

    def _terms(self, u: Tensor) -> Callable[[Tensor, int], Tensor]:
        """How diffusion terms are computed here and now: see each function for its case."""
        if self.training and self.bfloat16_training:
            from pnp_priors.training.diffusion_bf16 import DiffusionTerms

            return DiffusionTerms(self)
        filters, (values, steps) = self.filters().to(u), [t.to(u) for t in self.tables()]
        if (
            self._frozen
            and u.device.type == "cpu"
            and not (torch.is_grad_enabled() and u.requires_grad)
            and not torch.compiler.is_compiling()
        ):
            if not self._packed:
                for stage in range(self.stages):
                    table = (values[stage], steps[stage])
                    self._packed.append(pack(filters[stage].detach(), table, self.basis))
            pad = self.filter_size - 1
            return lambda u, stage: tiled_term(symmetric_pad(u, pad), self._packed[stage])
        return lambda u, stage: self._term(u, filters[stage], (values[stage], steps[stage]))

    def _term(self, u: Tensor, kernel: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        response = F.conv2d(symmetric_pad(u, self.filter_size - 1), kernel)
        force = self.basis.lookup(response, table)
        return F.conv_transpose2d(force, kernel, padding=self.filter_size - 1)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        # Half precision is too coarse for positions in the tables: only weights are kept in it.
        noisy = 255 * x.to(torch.promote_types(x.dtype, torch.float32))
        strength = self.reaction_at(sigma)
        u = noisy
        term = self._terms(noisy)
        for stage in range(self.active_stages):
            step = term(u, stage)
            if self.reaction:
                step = step + strength[stage] * (u - noisy)
            u = u - step
        return u / 255
