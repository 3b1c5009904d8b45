r"""DnCNN: a chain of convolutions that predicts the noise; with and without additive constants.

.. math:: D(x) = x - W_d\,\mathrm{ReLU}\big(W_{d-1} \cdots \mathrm{ReLU}(W_1 x + b_1) \cdots
          + b_{d-1}\big) - b_d

with 3×3 convolutions :math:`W_j`; the bias-free form has all :math:`b_j = 0`, so that
:math:`D(a x) = a\,D(x)` for :math:`a \ge 0`.

Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian denoiser: residual learning of deep CNN for image
denoising, IEEE Transactions on Image Processing 26(7), 2017. The bias-free form: Mohan,
Kadkhodaie, Simoncelli, Fernandez-Granda, ICLR 2020.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor, nn

from pnp_priors.errors import InputError, WeightsError
from pnp_priors.priors._batch_norm import ScaleNorm2d, merged
from pnp_priors.priors._convolutions import chain
from pnp_priors.priors.base import Prior, Task


class DnCNN(Prior):
    r"""DnCNN for one noise level (-S), blind for a range of them (-B), or for other tasks too (-3).

    :param channels: 1 or 3.
    :param depth: number of 3×3 convolutions (paper: 17 for one level, 20 for a blind network).
    :param width: channels of the hidden layers.
    :param bias: ``False``: no additive constant anywhere, so that
        :math:`D(a x) = a\,D(x)` for every :math:`a \ge 0`.
    :param batch_norm: batch normalisation between convolution and ReLU, for training;
        :meth:`for_release` merges it into the convolutions.
    :param blind: whether one network serves the whole range and ignores sigma.
    :param sigma_range: trained noise levels in [0, 1] units; equal where it is a single one.
    :param tasks: what it is trained for: ``gaussian``; with ``blind`` also ``jpeg`` (of decoded
        images) and ``super-resolution`` (of their bicubic enlargement).
    :param quality_range: trained JPEG qualities ``(low, high)``, for ``jpeg``.
    :param scales: trained scales, for ``super-resolution``.
    :raises InputError: tasks, qualities and scales that do not belong together.
    """

    channels_last = True
    #: its constants are for values in [0, 1]: DnCNN-S restores less where contrast is doubled than
    #: with this and fading, and adds errors where it is tripled (measured on held-out images)
    largest_gain = 1.75

    def __init__(
        self,
        channels: int = 1,
        depth: int = 17,
        width: int = 64,
        bias: bool = True,
        batch_norm: bool = False,
        blind: bool = False,
        sigma_range: tuple[float, float] = (25 / 255, 25 / 255),
        tasks: Sequence[Task] = ("gaussian",),
        quality_range: tuple[int, int] | None = None,
        scales: Sequence[int] | None = None,
    ) -> None:
        super().__init__(channels, sigma_range, blind)
        self.tasks = tuple(tasks)
        self.quality_range = None if quality_range is None else (quality_range[0], quality_range[1])
        self.scales = None if scales is None else tuple(scales)
        self._check_tasks()
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

    def _check_tasks(self) -> None:
        known: tuple[Task, ...] = get_args(Task)
        if not self.tasks or not set(self.tasks) <= set(known):
            raise InputError(f"tasks are some of {', '.join(known)}, got {list(self.tasks)}")
        if self.tasks != ("gaussian",) and not self.blind:
            raise InputError(f"tasks {list(self.tasks)} need 'blind: true'")
        for task, key, given in (
            ("jpeg", "quality_range", self.quality_range),
            ("super-resolution", "scales", self.scales),
        ):
            if (task in self.tasks) != (given is not None):
                verb = "needs" if given is None else "is missing for"
                raise InputError(f"task {task!r} {verb} {key!r}")

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
            "tasks": list(self.tasks),
            "quality_range": None if self.quality_range is None else list(self.quality_range),
            "scales": None if self.scales is None else list(self.scales),
        }

    def for_release(self) -> DnCNN:
        """This network with batch normalisation merged into the convolutions, in eval mode."""
        if not self.batch_norm:
            return copy.deepcopy(self).eval()
        released = DnCNN(**{**self.arguments(), "batch_norm": False})
        released.body = merged(self.body)
        return released.eval()

    @torch.no_grad()
    def adopt(self, other: Prior) -> None:
        """Start from another DnCNN of this width that is no deeper and has no normalisation.

        The function stays the same where this network has more layers (identities, which a ReLU
        does not change after another one) or additive constants (zeros); it changes where the
        other's constants are dropped. A colour network starts from the mean of its channels.
        """
        if not isinstance(other, DnCNN) or other.batch_norm or self.batch_norm:
            return super().adopt(other)
        fits = other.width == self.width and other.depth <= self.depth
        if not fits or other.channels not in (1, self.channels):
            raise WeightsError(
                f"a DnCNN of {self.depth} layers, {self.width} wide, for {self.channels} channels "
                f"cannot start from one of {other.depth}, {other.width} wide, for {other.channels}"
            )
        mine, theirs = (
            [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
            for network in (self, other)
        )
        for target, source in zip([*mine[: other.depth - 1], mine[-1]], theirs, strict=True):
            repeats = [
                a // b for a, b in zip(target.weight.shape, source.weight.shape, strict=True)
            ]
            target.weight.copy_(source.weight.repeat(repeats) / repeats[1])
            if target.bias is not None:
                given = torch.zeros(()) if source.bias is None else source.bias
                target.bias.copy_(given.expand(len(source.weight)).repeat(repeats[0]))
        for target in mine[other.depth - 1 : -1]:
            nn.init.dirac_(target.weight)
            if target.bias is not None:
                nn.init.zeros_(target.bias)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x - chain(self.body, x)
