r"""Influence functions as sums of radial basis functions, and their fast evaluation.

.. math:: \phi_i(z) = \sum_{j=1}^{M} w_{ij}\, \varphi\!\left(\frac{|z-\mu_j|}{\gamma}\right)

Chen, Yu, Pock: On learning optimized reaction diffusion processes for effective image restoration,
CVPR 2015, eq. 6. Summing 63 Gaussians for each filter response is some sixty times too slow, so a
function is tabulated finely and read with linear interpolation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pnp_priors.errors import InputError


def gaussian(distance: Tensor) -> Tensor:
    r""":math:`\varphi(r) = \exp(-r^2/2)`."""
    return torch.exp(-0.5 * distance**2)


def triangular(distance: Tensor) -> Tensor:
    r""":math:`\varphi(r) = \max(0, 1-|r|)`."""
    return (1 - distance.abs()).clamp(min=0)


BASES = {"gaussian": gaussian, "triangular": triangular}


class InfluenceBasis(nn.Module):
    """The radial basis that all influence functions of a model share; it has no parameters.

    :param kind: ``gaussian`` or ``triangular``.
    :param centres: how many, equidistant.
    :param reach: outermost centre, in 0..255 units of filter response.
    :param steps: table entries between two centres. 36 keeps linear interpolation within
        1e-4 of the response range, see ``tests/priors/test_influence.py``.
    """

    def __init__(
        self, kind: str = "gaussian", centres: int = 63, reach: float = 310.0, steps: int = 36
    ) -> None:
        super().__init__()
        if kind not in BASES:
            raise InputError(f"unknown radial basis {kind!r}; known: {', '.join(BASES)}")
        self.kind, self.count, self.reach = kind, centres, float(reach)
        self.spacing = 2 * self.reach / (centres - 1)
        # Five spacings past the last centre a Gaussian has faded to 4e-6.
        margin = 5
        self.table_start = -self.reach - margin * self.spacing
        self.table_step = self.spacing / steps
        size = (centres - 1 + 2 * margin) * steps + 1
        mu = torch.linspace(-self.reach, self.reach, centres, dtype=torch.float64)
        grid = torch.linspace(self.table_start, -self.table_start, size, dtype=torch.float64)
        self.register_buffer("centres", mu.float(), persistent=False)
        self.register_buffer("sampled", self.values(grid, mu).float(), persistent=False)
        self.centres: Tensor
        self.sampled: Tensor

    @property
    def arguments(self) -> tuple[str, int, float]:
        """Kind, number of centres and reach: what weights of this basis mean."""
        return self.kind, self.count, self.reach

    def values(self, z: Tensor, centres: Tensor | None = None) -> Tensor:
        """All basis functions at ``z``: shape ``[*z.shape, centres]``."""
        mu = self.centres if centres is None else centres
        out = BASES[self.kind]((z[..., None] - mu) / self.spacing)
        # Far tails are denormal numbers, on which matrix products ran ten times slower.
        return torch.where(out < 1e-12, 0.0, out)

    def direct(self, z: Tensor, weights: Tensor) -> Tensor:
        """The sum itself (eq. 6), slow: ``z`` ``[B, N, H, W]``, ``weights`` ``[N, centres]``."""
        out = torch.zeros_like(z)
        shape = (1, -1, 1, 1)
        for centre, weight in zip(self.centres, weights.unbind(1), strict=True):
            out = out + weight.reshape(shape) * BASES[self.kind]((z - centre) / self.spacing)
        return out

    def table(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values and forward differences on the grid: two ``[..., N, entries]`` tensors."""
        values = weights @ self.sampled.to(weights.dtype).T
        steps = torch.diff(values, dim=-1, append=values[..., -1:])
        return values, steps

    def lookup(self, z: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        """Read a table at ``z`` ``[B, N, H, W]``; differentiable in ``z`` and in the table."""
        values, steps = table
        batch, count = z.shape[:2]
        entries = values.shape[-1]
        flat = z.transpose(0, 1).reshape(count, -1) if batch > 1 else z.reshape(count, -1)
        position = ((flat - self.table_start) / self.table_step).clamp(0.0, float(entries - 1))
        index = position.detach().floor().long()
        base, slope = values.gather(1, index), steps.gather(1, index)
        out = base + (position - index.to(position.dtype)) * slope
        if batch > 1:
            return out.reshape(count, batch, *z.shape[2:]).transpose(0, 1)
        return out.reshape(z.shape)

    def fit(self, z: Tensor, target: Tensor) -> Tensor:
        """Least-squares weights ``[centres]`` for a function given at points ``z`` ``[P]``."""
        basis = self.values(z.double(), self.centres.double())
        ridge = 1e-6 * torch.eye(self.count, dtype=torch.float64)
        return torch.linalg.solve(basis.T @ basis + ridge, basis.T @ target.double()).float()

    def penalty(self, weights: Tensor) -> Tensor:
        r"""The penalty :math:`\rho` with :math:`\rho'=\phi`, on the table's grid, minimum 0."""
        values, _ = self.table(weights)
        middle = 0.5 * (values[..., 1:] + values[..., :-1]) * self.table_step
        total = torch.cat([torch.zeros_like(values[..., :1]), middle.cumsum(-1)], dim=-1)
        return total - total.amin(dim=-1, keepdim=True)
