r"""CBDNet: blind denoising of photographs by an estimate of their noise.

.. math:: \hat\sigma = E(x), \qquad D(x, \sigma) = x + U(x, \sigma)

with an estimator :math:`E` of the noise level of each value and a U-Net :math:`U`, which gets
:math:`\hat\sigma` or a :math:`\sigma` that is given.

Guo, Yan, Zhang, Zuo, Zhang: Toward convolutional blind denoising of real photographs, CVPR 2019,
sections 3.2 and 3.3.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.priors._convolutions import chain
from pnp_priors.priors.base import Prior, Task

#: 3×3 convolutions of the estimator, and of the U-Net's blocks at full, half and quarter size
ESTIMATOR_DEPTH = 5
ENTRY, DOWN, BOTTOM, UP, EXIT = 2, 3, 6, 3, 2
#: weights of the estimate's asymmetric loss and of its total variation (eq. 8 and section 4.2)
ASYMMETRIC, SMOOTHNESS = 0.5, 0.05
#: what an untrained estimator says: a middling level of photographs
_START = 0.05


class CBDNet(Prior):
    """A network that estimates the noise level of each value, and a U-Net that is told it.

    For colour photographs as they come out of a camera. Without sigma, the levels of
    :meth:`estimate` are used; with it, those given: a number, or a map with one level per pixel or
    per value, such as the estimate times a factor that the user turns.

    The estimator has five 3×3 convolutions of ``estimator_width`` channels. The U-Net's sixteen
    have ``width`` channels at full size, twice and four times as many at half and quarter size,
    between which means are taken and transposed convolutions go back; it adds a correction to the
    image.

    :param width: channels of the U-Net at full size (paper: 64, which are 4.4 million parameters).
    :param estimator_width: channels of the estimator (paper: 32).
    :param sigma_range: trained noise levels in [0, 1] units.
    """

    size_multiple = 4
    tasks: tuple[Task, ...] = ("camera",)
    channels_last = True
    estimates_sigma = True

    def __init__(
        self,
        width: int = 64,
        estimator_width: int = 32,
        sigma_range: tuple[float, float] = (2 / 255, 64 / 255),
    ) -> None:
        super().__init__(3, sigma_range)
        self.width, self.estimator_width = width, estimator_width
        half, quarter = 2 * width, 4 * width
        hidden = [estimator_width] * (ESTIMATOR_DEPTH - 1)
        self.estimator = _block(self.channels, *hidden, self.channels)
        self.entry = _block(2 * self.channels, *[width] * ENTRY)
        self.down = _block(width, *[half] * DOWN)
        self.bottom = _block(half, *[quarter] * BOTTOM)
        self.rise_to_half = nn.ConvTranspose2d(quarter, half, 2, stride=2)
        self.up = _block(half, *[half] * UP)
        self.rise = nn.ConvTranspose2d(half, width, 2, stride=2)
        self.exit = _block(width, *[width] * EXIT)
        self.correction = nn.Conv2d(width, self.channels, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        # Untrained: one level everywhere, behind a rectifier that lets gradients through; and the
        # image itself.
        nn.init.zeros_(self.correction.weight)
        last = self.estimator[-2]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, _START)  # type: ignore[arg-type]

    @property
    def followed(self) -> list[tuple[nn.Sequential, nn.Module]]:
        """Blocks, and the convolutions that alone get their output (for training)."""
        return [
            (self.bottom, self.rise_to_half),
            (self.up, self.rise),
            (self.exit, self.correction),
        ]

    @property
    def receptive_field(self) -> int:
        # Of the first pixel of a 4×4 cell downwards; of the last one upwards it is as far.
        half = EXIT // 2 + UP
        quarter = half // 2 + BOTTOM
        half = 2 * quarter + 1 + DOWN
        return 2 * (2 * half + 1 + ENTRY + ESTIMATOR_DEPTH) + 1

    def arguments(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "estimator_width": self.estimator_width,
            "sigma_range": list(self.sigma_range),
        }

    def training_pass(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The restored batch, and the losses of the estimate (eq. 6 and 7) with their weights.

        Every other image is restored with the true levels instead of the estimate: the paper's
        U-Net never sees other than estimates, but this one shall also know what to do with a map
        that is given.
        """
        from pnp_priors.training.losses import asymmetric_error, total_variation

        truth = self._sigma_tensor(sigma, x, x.dtype).expand_as(x).clamp(max=self.sigma_range[1])
        estimate = chain(self.estimator, x).to(x.dtype)
        told = estimate.clamp(max=self.sigma_range[1])
        given = torch.arange(len(x), device=x.device)[:, None, None, None] % 2 == 1
        restored = self._in_range(x, torch.where(given, truth, told))
        penalty = ASYMMETRIC * asymmetric_error(estimate, truth)
        return restored, penalty + SMOOTHNESS * total_variation(estimate)

    def _estimate(self, x: Tensor) -> Tensor:
        return chain(self.estimator, x).to(x.dtype).clamp(max=self.sigma_range[1])

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        image = torch.cat([x, sigma.expand_as(x)], dim=1)
        margin = (0, -width % self.size_multiple, 0, -height % self.size_multiple)
        fine = chain(self.entry, F.pad(image, margin, mode="replicate"))
        middle = chain(self.down, F.avg_pool2d(fine, 2))
        coarse = chain(self.bottom, F.avg_pool2d(middle, 2))
        middle = chain(self.up, middle + self.rise_to_half(coarse))
        fine = chain(self.exit, fine + self.rise(middle))
        return x + self.correction(fine)[..., :height, :width]


def _block(*widths: int) -> nn.Sequential:
    """3×3 convolutions between these numbers of channels, a ReLU after each."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)
