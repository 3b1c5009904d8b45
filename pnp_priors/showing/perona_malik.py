r"""What a Perona-Malik diffusion has learned, as numbers: diffusivity, flux, experts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.priors._diffusivities import AdaptiveK, Experts, standardise
from pnp_priors.priors.perona_malik import PeronaMalik
from pnp_priors.priors.reaction_diffusion import symmetric_pad

#: side of the images with a step edge, in pixels; fields of experts see 9, the U-Net 64 at most
_EDGE_SIDE = 64
#: responses of experts that are drawn: the logistic function has settled beyond
_RESPONSES = torch.linspace(-6, 6, 241)


@dataclass(frozen=True, eq=False)
class Curves:
    r"""Diffusivity g(s) and flux s·g(s).

    :param s: ``[P]``, in units of 0..255: the gradient's magnitude, or the height of an edge.
    :param diffusivity: ``[K, P]``, in [0, 1]; a row for each iteration where they differ.
    :param of_edges: whether s is the height of a straight edge between two plains.
    """

    s: Tensor
    diffusivity: Tensor
    of_edges: bool

    @property
    def flux(self) -> Tensor:
        """``[K, P]``, in units of 0..255."""
        return self.s * self.diffusivity


@dataclass(frozen=True, eq=False)
class FieldOfExperts:
    """The experts, in descending order of how much their values vary on an image.

    :param filters: ``[N, 1, s, s]``, for images standardised by (u - 0.5) / 0.25.
    :param response: ``[P]``.
    :param functions: each expert's function of its response, ``[N, P]``.
    """

    filters: Tensor
    response: Tensor
    functions: Tensor


@torch.no_grad()
def contrasts(prior: PeronaMalik, iterates: list[Tensor]) -> Tensor | None:
    """The edge parameter K of each iteration, ``[T]`` on 0..255; ``None`` if it has none.

    :param iterates: the image before each iteration, ``[1, 1, H, W]``.
    """
    if not isinstance(prior.diffusivity, AdaptiveK):
        return None
    return torch.stack([prior.diffusivity.contrast(u).reshape(()) for u in iterates])


@torch.no_grad()
def curves(prior: PeronaMalik, iterates: list[Tensor], points: int = 103) -> Curves:
    r"""How much it diffuses, over how steep the image is.

    Where the diffusivity is a function of the gradient, :math:`1/(1 + s^2/K^2)`, this is that
    function for the K of each iteration. Others look at the surroundings as well: they are
    measured at a straight vertical edge of height s, without noise, between plains of the gray
    values (255 ± s) / 2, as the mean of the two pixels at the edge, by which the scheme multiplies
    their difference.

    :param iterates: the image before each iteration, ``[1, 1, H, W]``.
    """
    s = torch.linspace(0, 255, points)
    found = contrasts(prior, iterates)
    if found is not None:
        return Curves(s, 1 / (1 + (s / found[:, None]).square()), of_edges=False)
    side = torch.where(torch.arange(_EDGE_SIDE) < _EDGE_SIDE // 2, -0.5, 0.5)
    images = 0.5 + s.reshape(-1, 1, 1, 1) / 255 * side.expand(1, 1, _EDGE_SIDE, -1)
    values = diffusivity(prior, images)
    row, column = _EDGE_SIDE // 2, _EDGE_SIDE // 2
    beside = values[:, 0, row, column - 1 : column + 1].mean(dim=1)
    return Curves(s, beside[None], of_edges=True)


@torch.no_grad()
def diffusivity(prior: PeronaMalik, u: Tensor) -> Tensor:
    """The diffusivity of images ``[B, 1, H, W]``, same shape."""
    return prior.diffusivity.evaluator(u.dtype)(u)


@torch.no_grad()
def experts(prior: PeronaMalik, u: Tensor) -> FieldOfExperts | None:
    """The field of experts; ``None`` for other diffusivities.

    :param u: an image ``[1, 1, H, W]`` in [0, 1].
    """
    field = prior.diffusivity
    if not isinstance(field, Experts):
        return None
    padded = symmetric_pad(standardise(u), field.kernel // 2)
    responses = F.conv2d(padded, field.filters.to(u.dtype))[0].flatten(1)
    order = field.functions(responses.sigmoid()).std(dim=1).argsort(descending=True)
    functions = field.functions(_RESPONSES.sigmoid().expand(field.experts, -1))
    return FieldOfExperts(field.filters.detach()[order], _RESPONSES, functions[order])
