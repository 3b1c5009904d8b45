r"""FFDNet: denoising at a quarter of the resolution, steered by a noise-level map.

.. math:: D(x, \sigma) = x - S^{-1} F(S x, \sigma)

with :math:`S`, which makes four channels of half the size of each channel (every second pixel of
every second row), a chain of 3×3 convolutions :math:`F` that also gets the map :math:`\sigma`. The
paper's network gives the image itself, :math:`D(x, \sigma) = S^{-1} F(S x, \sigma)`.

Zhang, Zuo, Zhang: FFDNet: Toward a fast and flexible solution for CNN-based image denoising,
IEEE Transactions on Image Processing 27(9), 2018, section III.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.priors._batch_norm import merged
from pnp_priors.priors._convolutions import chain
from pnp_priors.priors.base import Prior


class FFDNet(Prior):
    r"""FFDNet for gray or colour images.

    The image is pixel-unshuffled by 2, a map of noise levels joins its channels, ``depth``
    3×3 convolutions follow, and the result is shuffled back.

    :param channels: 1 or 3.
    :param depth: number of convolutions (paper: 15 gray, 12 colour).
    :param width: channels of the hidden layers (paper: 64 gray, 96 colour).
    :param residual: whether the network predicts the noise, which is subtracted (as DnCNN does),
        instead of the image itself. The paper predicts the image; with the
        noise, an untrained network starts as the identity. A prior's card says which one it is.
    :param batch_norm: batch normalisation between convolution and ReLU, for training;
        :meth:`for_release` merges it into the convolutions.
    :param sigma_range: trained noise levels in [0, 1] units (paper: 0 to 75/255).
    """

    size_multiple = 2
    channels_last = True

    def __init__(
        self,
        channels: int = 1,
        depth: int = 15,
        width: int = 64,
        residual: bool = False,
        batch_norm: bool = False,
        sigma_range: tuple[float, float] = (0.0, 75 / 255),
    ) -> None:
        super().__init__(channels, sigma_range)
        self.depth, self.width = depth, width
        self.residual, self.batch_norm = residual, batch_norm
        layers: list[nn.Module] = [nn.Conv2d(4 * channels + 1, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers.append(nn.Conv2d(width, width, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width, momentum=0.05))
            layers.append(nn.ReLU())
        layers.append(nn.Conv2d(width, 4 * channels, 3, padding=1))
        self.body = nn.Sequential(*layers)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if residual:
            last = self.body[-1]
            assert isinstance(last, nn.Conv2d)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        return 2 * (2 * self.depth + 1)

    @property
    def halo(self) -> int:
        return 2 * self.depth

    def arguments(self) -> dict[str, Any]:
        return {
            "channels": self.channels,
            "depth": self.depth,
            "width": self.width,
            "residual": self.residual,
            "batch_norm": self.batch_norm,
            "sigma_range": list(self.sigma_range),
        }

    def for_release(self) -> FFDNet:
        """This network with batch normalisation merged into the convolutions, in eval mode."""
        if not self.batch_norm:
            return copy.deepcopy(self).eval()
        released = FFDNet(**{**self.arguments(), "batch_norm": False})
        released.body = merged(self.body)
        return released.eval()

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        # One row or column at the most is missing: repeat the last one, whatever the size.
        padded = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        small = F.pixel_unshuffle(padded, 2)
        if sigma.shape[-1] == 1 and sigma.shape[-2] == 1:
            level = sigma.expand(x.shape[0], 1, *small.shape[-2:])
        else:
            level = F.pad(
                sigma.expand(x.shape[0], -1, -1, -1),
                (0, width % 2, 0, height % 2),
                mode="replicate",
            )
            level = F.avg_pool2d(level, 2)
        features = torch.cat([small, level], dim=1)
        out = F.pixel_shuffle(chain(self.body, features), 2)[..., :height, :width]
        return x - out if self.residual else out
