"""DnCNN: a chain of convolutions that predicts the noise; with and without additive constants.

Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian denoiser: residual learning of deep CNN for image
denoising, IEEE Transactions on Image Processing 26(7), 2017. The bias-free form: Mohan,
Kadkhodaie, Simoncelli, Fernandez-Granda, ICLR 2020.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from pnp_priors.priors._batch_norm import ScaleNorm2d, merged
from pnp_priors.priors.base import Prior


class DnCNN(Prior):
    r"""DnCNN for one noise level (-S), or blind for a range of them (-B).

    :param channels: 1 or 3.
    :param depth: number of 3×3 convolutions (paper: 17 for one level, 20 for a blind network).
    :param width: channels of the hidden layers.
    :param bias: ``False``: no additive constant anywhere, so that
        :math:`D(a x) = a\,D(x)` for every :math:`a \ge 0`.
    :param batch_norm: batch normalisation between convolution and ReLU, for training;
        :meth:`for_release` merges it into the convolutions.
    :param blind: whether one network serves the whole range and ignores sigma.
    :param sigma_range: trained noise levels in [0, 1] units; equal where it is a single one.
    """

    def __init__(
        self,
        channels: int = 1,
        depth: int = 17,
        width: int = 64,
        bias: bool = True,
        batch_norm: bool = False,
        blind: bool = False,
        sigma_range: tuple[float, float] = (25 / 255, 25 / 255),
    ) -> None:
        super().__init__(channels, sigma_range, blind)
        self.depth, self.width = depth, width
        self.bias, self.batch_norm = bias, batch_norm
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=bias), nn.ReLU()]
        for _ in range(depth - 2):
            shift = bias and not batch_norm  # a normalisation brings its own
            layers.append(nn.Conv2d(width, width, 3, padding=1, bias=shift))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width, momentum=0.05) if bias else ScaleNorm2d(width))
            layers.append(nn.ReLU())
        layers.append(nn.Conv2d(width, channels, 3, padding=1, bias=bias))
        self.body = nn.Sequential(*layers)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        last = self.body[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)  # an untrained network is the identity

    @property
    def receptive_field(self) -> int:
        return 2 * self.depth + 1

    def arguments(self) -> dict[str, Any]:
        return {
            "channels": self.channels,
            "depth": self.depth,
            "width": self.width,
            "bias": self.bias,
            "batch_norm": self.batch_norm,
            "blind": self.blind,
            "sigma_range": list(self.sigma_range),
        }

    def for_release(self) -> DnCNN:
        """This network with batch normalisation merged into the convolutions, in eval mode."""
        if not self.batch_norm:
            return copy.deepcopy(self).eval()
        released = DnCNN(**{**self.arguments(), "batch_norm": False})
        released.body = merged(self.body)
        return released.eval()

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x - self.body(x)
