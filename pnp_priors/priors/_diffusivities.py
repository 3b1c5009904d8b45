r"""Learned diffusivities :math:`a(u) \in [0, 1]` for :mod:`pnp_priors.priors.perona_malik`.

Valdivia Ortega, Haas, Effland: Learning diffusion functions for image restoration, HAL
hal-04573661, 2024, section 3. Every kind ends in a function whose values are in [0, 1], whatever
its weights: that is what the scheme's maximum principle rests on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from pnp_priors.errors import InputError
from pnp_priors.priors.reaction_diffusion import dct_filters, symmetric_pad


def standardise(u: Tensor) -> Tensor:
    """The paper's standardisation layer, with the mean and deviation of images in general.

    With those of each image, a pixel would depend on the whole image and tiles would show seams.
    The paper has it in fields of experts and the U-Net; here KA's network sees the same.
    """
    return (u - 0.5) / 0.25


class Diffusivity(nn.Module):
    """A diffusivity: ``forward`` maps images ``[B, 1, H, W]`` to values in [0, 1], same shape."""

    #: pixels to each side that one value depends on; ``None``: the whole image
    reach: int | None = None

    def arguments(self) -> dict[str, Any]:
        """The constructor arguments, plain values."""
        raise NotImplementedError

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a recipe gives their learning rate."""
        return {"weights": list(self.parameters())}

    def prepare_training(self, bfloat16: bool) -> None:
        """Told before training whether bfloat16 is wanted; most leave that to autocast."""

    def evaluator(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """What maps images of ``dtype`` to diffusivities; holds what iterations share."""
        return self


# --- K from a network (section 3.1) --------------------------------------------------------------


def squared_gradient(u: Tensor) -> Tensor:
    r""":math:`|\nabla u|^2`: per axis the mean of both one-sided differences' squares.

    Across the border the difference is 0, as the scheme has it.
    """
    rows = F.pad(torch.diff(u, dim=-2).square(), (0, 0, 1, 1))
    columns = F.pad(torch.diff(u, dim=-1).square(), (1, 1))
    total = rows[..., 1:, :] + rows[..., :-1, :] + columns[..., 1:] + columns[..., :-1]
    return 0.5 * total


class Separable(nn.Sequential):
    """A depthwise 3×3 convolution, then a 1×1 convolution."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.Conv2d(width, out, 1),
        )


class SeparableBlock(nn.Module):
    """Two separable convolutions after rectifiers, max pooling by 2, and a 1×1 shortcut."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.first, self.second = Separable(width, out), Separable(out, out)
        self.shortcut = nn.Conv2d(width, out, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x.relu()).relu())
        return F.max_pool2d(y, 3, stride=2, padding=1) + self.shortcut(x)


class AdaptiveK(Diffusivity):
    r"""The classical :math:`a = 1/(1 + s/K^2)`, :math:`s = |\nabla u|^2`, K from a CNN (KA).

    K is one number per image, in 0..255 units, computed anew at every iteration. The paper states
    206 K parameters and 3.78 GFLOP at 256×256. A small Xception with its widths (a strided
    convolution, another one, blocks of two separable convolutions with a strided 1×1 shortcut, a
    separable one to 1024 features, their mean, a dense unit) has 206 065 trainable parameters with
    batch normalisation and takes 3.76 G multiplications for ten values of K; hence this reading.
    Here without the batch normalisations: 202 865.

    :param widths: of the two convolutions.
    :param blocks: widths of the separable blocks.
    :param features: width of the last separable convolution.
    """

    def __init__(
        self,
        widths: tuple[int, int] = (32, 64),
        blocks: tuple[int, ...] = (16, 32, 64, 128),
        features: int = 1024,
    ) -> None:
        super().__init__()
        if len(widths) != 2 or not blocks:
            raise InputError("widths are two numbers, blocks at least one")
        first, second = self.widths = tuple(widths)
        self.blocks, self.features = tuple(blocks), features
        chain = [second, *self.blocks]
        self.body = nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            *(SeparableBlock(a, b) for a, b in itertools.pairwise(chain)),
            Separable(chain[-1], features),
            nn.ReLU(),
        )
        self.dense = nn.Linear(features, 1)
        for layer in self.body.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.dense.weight, std=1e-3)
        nn.init.constant_(self.dense.bias, 5.0)

    def arguments(self) -> dict[str, Any]:
        return {
            "widths": list(self.widths),
            "blocks": list(self.blocks),
            "features": self.features,
        }

    def contrast(self, u: Tensor) -> Tensor:
        """K of each image, ``[B, 1, 1, 1]``, at least 1, in 0..255 units."""
        mean = self.body(standardise(u)).to(u.dtype).mean(dim=(2, 3))
        # No autocast: a number in 0..255 units, on which a and so the whole image depends.
        with torch.autocast(u.device.type, enabled=False):
            return (1 + self.dense(mean) ** 2)[:, :, None, None]

    def evaluator(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        if self.dense.weight.dtype == dtype:
            return self
        weights = {name: p.to(dtype) for name, p in self.named_parameters()}
        return lambda u: functional_call(self, weights, (u,))

    def forward(self, u: Tensor) -> Tensor:
        return 1 / (1 + squared_gradient(255 * u) / self.contrast(u).square())


# --- fields of experts (section 3.2) -------------------------------------------------------------


class Experts(Diffusivity):
    r"""A field of experts: :math:`a = s(\sum_i \phi_i(s(K_i * u)))`, s the logistic function.

    Inner s and the :math:`\phi_i` are the paper's; the outer one keeps a inside [0, 1] (its figure
    5 shows the exponential, which does not). Kinds differ in the functions alone.

    :param experts: how many.
    :param kernel: side of the kernels, odd.
    """

    #: signs of the two experts that start with each filter; (1,): every filter once
    signs: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, experts: int = 20, kernel: int = 9) -> None:
        super().__init__()
        if experts < 1 or kernel < 3 or kernel % 2 == 0:
            raise InputError("experts start at 1, kernel is odd and at least 3")
        self.experts, self.kernel = experts, kernel
        self.reach = kernel // 2
        self.bfloat16_training = False
        # The lowest frequencies, which see edges of a few pixels' width through the noise.
        frequency = torch.arange(1, kernel**2)
        order = (frequency // kernel + frequency % kernel).argsort(stable=True)
        count = -(-experts // len(self.signs))
        basis = dct_filters(kernel)[order[torch.arange(count) % (kernel**2 - 1)]]
        signed = torch.stack([sign * basis for sign in self.signs], dim=1).flatten(0, 1)
        filters = signed[:experts].reshape(experts, 1, kernel, kernel)
        self.filters = nn.Parameter(filters + 0.01 * torch.randn(filters.shape))

    def arguments(self) -> dict[str, Any]:
        return {"experts": self.experts, "kernel": self.kernel}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        functions = [p for name, p in self.named_parameters() if name != "filters"]
        return {"filters": [self.filters], "functions": functions}

    def prepare_training(self, bfloat16: bool) -> None:
        self.bfloat16_training = bfloat16

    def functions(self, x: Tensor) -> Tensor:
        r""":math:`\phi_i(x_i)` of ``[N, P]`` arguments in [0, 1], one row per expert."""
        raise NotImplementedError

    def offset(self) -> Tensor | float:
        """Added to the sum of the functions."""
        return 0.0

    def evaluator(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        if self.training and self.bfloat16_training:
            from pnp_priors.training.experts_bf16 import ExpertSums

            sums = ExpertSums(self)
            return lambda u: torch.sigmoid(sums(standardise(u)) + self.offset())
        return self

    def forward(self, u: Tensor) -> Tensor:
        padded = symmetric_pad(standardise(u), self.kernel // 2)
        batch, _, height, width = u.shape
        x = torch.sigmoid(F.conv2d(padded, self.filters.to(u.dtype)))
        rows = x.transpose(0, 1).reshape(self.experts, -1)
        total = self.functions(rows).sum(dim=0) + self.offset()
        return torch.sigmoid(total.reshape(batch, 1, height, width))


class SplineExperts(Experts):
    """Splines of order 1 on [0, 1]: a slope for each interval and a value at 0 (FoE-S).

    :param intervals: of equal length.
    """

    def __init__(self, experts: int = 20, kernel: int = 9, intervals: int = 20) -> None:
        super().__init__(experts, kernel)
        if intervals < 1:
            raise InputError("intervals start at 1")
        self.intervals = intervals
        slopes, start = self._initial(torch.linspace(0, 1, intervals + 1))
        self.slopes = nn.Parameter(slopes.repeat(experts, 1))
        self.start = nn.Parameter(start.repeat(experts, 1))

    def _initial(self, knots: Tensor) -> tuple[Tensor, Tensor]:
        # 2 less the weighed responses' magnitudes: diffuses where all are small.
        values = 2 / self.experts - (0.5 * 20 / self.experts) * (2 * knots - 1).abs()
        return torch.diff(values) * self.intervals, values[:1]

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "intervals": self.intervals}

    def steepness(self) -> Tensor:
        """Slopes ``[N, intervals]``."""
        return self.slopes

    def functions(self, x: Tensor) -> Tensor:
        slopes = self.steepness().to(x.dtype)
        rises = slopes.cumsum(dim=1) / self.intervals
        left = self.start.to(x.dtype) + F.pad(rises[:, :-1], (1, 0))
        position = self.intervals * x
        index = position.detach().floor().clamp(0, self.intervals - 1).long()
        inside = (position - index) / self.intervals
        return left.gather(1, index) + slopes.gather(1, index) * inside


class DecreasingExperts(SplineExperts):
    """Splines of order 1 whose slopes are negative (FoE-D)."""

    # One falling function sees bright-to-dark edges, its partner the others.
    signs = (1, -1)

    def _initial(self, knots: Tensor) -> tuple[Tensor, Tensor]:
        fall = 2.0 * 20 / self.experts
        slopes = torch.where(knots[:-1] < 0.5 - 1e-6, 0.05, fall)
        return slopes.expm1().log(), torch.full((1,), 2.5 / self.experts)

    def steepness(self) -> Tensor:
        return -F.softplus(self.slopes)


class MonomialExperts(Experts):
    r""":math:`\phi_i(x) = \beta_i x^i`, i from 0 (FoE-M)."""

    signs = (1, -1)

    def __init__(self, experts: int = 20, kernel: int = 9) -> None:
        super().__init__(experts, kernel)
        self.coefficients = nn.Parameter(-torch.ones(experts, 1))
        with torch.no_grad():
            self.coefficients[0] = 2.0

    def functions(self, x: Tensor) -> Tensor:
        powers = torch.arange(self.experts, device=x.device, dtype=x.dtype)[:, None]
        return self.coefficients.to(x.dtype) * x**powers


class RothBlackExperts(Experts):
    r""":math:`\phi_i(x) = (1 + x^2/2)^{-\alpha_i}`, :math:`\alpha_i > 0`, x in [-1, 1] (FoE-RB).

    The sigmoid's values are centred, :math:`x = 2s - 1`, so that the functions are even in the
    response, as Roth and Black's are. Sums of uncentred ones hardly fall where responses of both
    signs are strong; trained so, the diffusivity rose with contrast. All of them are positive,
    hence a learned offset for the sum.
    """

    def __init__(self, experts: int = 20, kernel: int = 9) -> None:
        super().__init__(experts, kernel)
        self.log_alpha = nn.Parameter(torch.full((experts, 1), 0.5).log())
        self.bias = nn.Parameter(torch.full((1,), 1.5 - experts))

    def offset(self) -> Tensor | float:
        return self.bias

    def functions(self, x: Tensor) -> Tensor:
        alpha = self.log_alpha.to(x.dtype).exp()
        return torch.exp(-alpha * torch.log1p(0.5 * (2 * x - 1).square()))
