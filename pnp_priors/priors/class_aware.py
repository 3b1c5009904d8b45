"""Class-aware denoising: layers whose noise estimates add up, and one network for each class.

Remez, Litany, Giryes, Bronstein: Class-aware fully convolutional Gaussian and Poisson denoising,
IEEE Transactions on Image Processing 27(11), 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import ConfigError, InputError, UnknownNameError, WeightsError
from pnp_priors.priors._convolutions import convolve_and_estimate
from pnp_priors.priors.base import Prior
from pnp_priors.priors.dncnn import DnCNN

#: layers at the end that stay linear (paper, section III)
LINEAR_LAYERS = 2
#: of an estimate as a share of its channel: all of them change the image directly, and with 1 the
#: first steps of an optimizer whose steps do not depend on the gradient's size overshoot
ESTIMATE_GAIN = 0.05
#: channels of the classifier's convolutions, each of which halves height and width
CLASSIFIER_WIDTHS = (16, 32, 32, 48)


class NoiseEstimates(nn.Module):
    """The network of one class: each layer gives an estimate of a part of the noise.

    :param depth: number of 3×3 convolutions.
    :param width: channels of each: one is its estimate, the others go on, through a ReLU except in
        the last two layers. The last layer has the estimate alone.
    """

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(width - 1 if index else 1, width if index < depth - 1 else 1, 3, padding=1)
            for index in range(depth)
        )
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.weight[-1:])  # an untrained network is the identity
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """The estimates of all layers, ``[B, 1, H, W]`` each, of an image of that shape."""
        estimates, features = [], x
        convolutions = self.convolutions
        for left, layer in zip(range(len(convolutions) - 1, -1, -1), convolutions, strict=True):
            # A slice of all channels but the estimate would be copied; a zero in the next layer's
            # weights leaves it out for less.
            unused = features.shape[1] - layer.in_channels
            weight = F.pad(layer.weight, (0, 0, 0, 0, 0, unused))
            assert layer.bias is not None
            features, estimate = convolve_and_estimate(
                features, weight, layer.bias, rectified=left >= LINEAR_LAYERS
            )
            estimates.append(ESTIMATE_GAIN * estimate.to(x.dtype))
        return estimates


class Classifier(nn.Module):
    """Strided convolutions, the mean over the image, a linear layer: a logit for each class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in CLASSIFIER_WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.ReLU()]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, classes]`` of noisy images ``[B, 1, H, W]`` in [0, 1], of any size."""
        return self.head(self.body(x - 0.5).mean(dim=(2, 3)))


class ClassAware(Prior):
    r"""A denoiser for each class of images, and a classifier that picks one for each image.

    .. math:: D(x) = x - \sum_l e_l(x)

    with the estimate :math:`e_l` of each of the layers of the class's network. Gray and blind; the
    classifier looks at the noisy image as a whole, at each channel of a colour image by itself.
    With one class there is no classifier: that is what is trained, and what :meth:`with_class`
    gives.

    :param classes: their names, in the order of the networks.
    :param depth: layers of each network (paper: 20).
    :param width: channels of each layer, one of which is its noise estimate (paper: 64).
    :param sigma_range: trained noise levels in [0, 1] units.
    :raises InputError: no class or the same twice, or networks too small to have such layers.
    """

    channels_last = True

    def __init__(
        self,
        classes: Sequence[str] = ("photographs", "documents"),
        depth: int = 20,
        width: int = 64,
        sigma_range: tuple[float, float] = (0.0, 55 / 255),
    ) -> None:
        super().__init__(1, sigma_range, blind=True)
        if isinstance(classes, str) or not classes or len(set(classes)) < len(classes):
            raise InputError(f"classes must be different names, at least one, got {classes!r}")
        if depth <= LINEAR_LAYERS or width < 2:
            raise InputError(
                f"depth must be above {LINEAR_LAYERS} and width above 1, got {depth} and {width}"
            )
        self.classes = tuple(classes)
        self.depth, self.width = depth, width
        self.networks = nn.ModuleList(NoiseEstimates(depth, width) for _ in self.classes)
        self.classifier = Classifier(len(self.classes)) if len(self.classes) > 1 else None

    @property
    def receptive_field(self) -> int | None:
        return 2 * self.depth + 1 if self.classifier is None else None

    @property
    def halo(self) -> int:
        if self.classifier is not None:
            raise InputError(
                "ClassAware cannot be tiled: the class is decided by the whole image; name it, "
                f"with_class({self.classes[0]!r}) can be"
            )
        return super().halo

    def arguments(self) -> dict[str, Any]:
        return {
            "classes": list(self.classes),
            "depth": self.depth,
            "width": self.width,
            "sigma_range": list(self.sigma_range),
        }

    def with_class(self, name: str) -> ClassAware:
        """The denoiser of one class, without a decision; it shares its weights with this one.

        :raises UnknownNameError: lists the classes.
        """
        if name not in self.classes:
            raise UnknownNameError("class", name, list(self.classes))
        with torch.device("meta"):
            single = ClassAware(**{**self.arguments(), "classes": [name]})
        single.networks[0] = self.networks[self.classes.index(name)]
        return single.train(self.training)

    @torch.no_grad()
    def classify(self, x: Tensor) -> list[str]:
        """The class that is picked for each image, and for each channel of it, in this order.

        :param x: noisy images ``[B, C, H, W]`` as :meth:`forward` takes them.
        :returns: ``B * C`` names.
        :raises InputError: as :meth:`forward`.
        """
        self._check_image(x)
        image = x.to(next(self.parameters()).dtype).flatten(0, 1).unsqueeze(1)
        return [self.classes[index] for index in self._decide(image).tolist()]

    @torch.no_grad()
    def estimates(self, x: Tensor) -> list[Tensor]:
        """The image as it is denoised, after each layer; the last one is ``self(x)``.

        A layer's noise estimate is what it takes away: the difference to the one before, of the
        first to ``x``.

        :param x: noisy images ``[B, C, H, W]`` as :meth:`forward` takes them.
        :returns: ``depth`` tensors of the shape, dtype and device of ``x``.
        :raises InputError: as :meth:`forward`.
        """
        self._check_image(x)
        image = x.to(next(self.parameters()).dtype).flatten(0, 1).unsqueeze(1)
        noise = self._by_class(image, lambda network, part: torch.stack(network(part), dim=1))
        left = image - noise.cumsum(dim=1)[:, :, 0]
        return list(left.reshape(*x.shape[:2], *left.shape[1:]).to(x.dtype).unbind(2))

    def adopt(self, other: Prior) -> None:
        """Start from a network of this size and any class, or from a shallower DnCNN.

        DnCNN's hidden layers have a channel more than go on here: the weakest is left out, by the
        norms of the weights that make and use it. Its estimate comes from the last layer alone.
        Layers that it has not become identities. Features, whose scale is arbitrary in a chain of
        ReLUs, are brought to about 1, so that the other layers' estimates can start gently.

        :raises WeightsError: other sizes, another system, or normalisation in between.
        """
        if not isinstance(other, DnCNN):
            return super().adopt(other)
        fits = other.channels == 1 and other.width == self.width and not other.batch_norm
        if not fits or other.depth > self.depth - LINEAR_LAYERS + 1:
            raise WeightsError(
                f"a class-aware network of {self.depth} layers, {self.width} wide, starts from a "
                f"gray DnCNN of at most {self.depth - LINEAR_LAYERS + 1} layers, as wide and "
                f"without normalisation, not from one of {other.depth} layers, {other.width} wide"
            )
        for network in self.networks:
            assert isinstance(network, NoiseEstimates)
            _fill_from_dncnn(network, other)

    def prepare_training(self, bfloat16: bool) -> None:
        """:raises ConfigError: several classes, whose networks are trained one by one."""
        if self.classifier is not None:
            raise ConfigError(
                f"architecture: {len(self.classes)} classes are trained one by one, then put "
                "together by 'python -m pnp_priors.training.class_aware'"
            )

    def _decide(self, x: Tensor) -> Tensor:
        """The index of the class of each image, ``[B]``."""
        if self.classifier is None:
            return torch.zeros(len(x), dtype=torch.long, device=x.device)
        return self.classifier(x).argmax(dim=1)

    def _by_class(self, x: Tensor, run: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """``run(network, x)`` with each image's own network, ``[B, …]``."""
        if self.classifier is None:
            return run(self.networks[0], x)
        chosen = self._decide(x)
        if torch.compiler.is_compiling():  # one graph, whatever the images are
            everything = torch.stack([run(network, x) for network in self.networks])
            return everything[chosen, torch.arange(len(x), device=x.device)]
        present = chosen.unique().tolist()
        if len(present) == 1:
            return run(self.networks[present[0]], x)
        rows = [(chosen == index).nonzero()[:, 0] for index in present]
        parts = [run(self.networks[i], x[r]) for i, r in zip(present, rows, strict=True)]
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x - self._by_class(x, lambda network, part: torch.stack(network(part)).sum(dim=0))


@torch.no_grad()
def _fill_from_dncnn(network: NoiseEstimates, dncnn: DnCNN) -> None:
    """Nearly DnCNN's function, by its weights."""
    mine = network.convolutions
    theirs = [layer for layer in dncnn.body if isinstance(layer, nn.Conv2d)]
    kept = torch.zeros(1, dtype=torch.long)  # of the image: its one channel
    for target, source, after in zip(mine, theirs[:-1], theirs[1:], strict=False):
        strength = source.weight.flatten(1).norm(dim=1)
        strength = strength * after.weight.transpose(0, 1).flatten(1).norm(dim=1)
        following = strength.argsort(descending=True)[:-1].sort().values
        _set(target, source.weight[following][:, kept], source.bias, following)
        kept = following
    identity = nn.init.dirac_(torch.empty(len(kept), len(kept), 3, 3))
    for target in mine[len(theirs) - 1 : -1]:
        _set(target, identity, None, torch.arange(len(kept)))
    _set(mine[-1], theirs[-1].weight[:, kept], theirs[-1].bias, torch.zeros(1, dtype=torch.long))
    for parameter in mine[-1].parameters():
        parameter.div_(ESTIMATE_GAIN)
    _even_out(network)


def _set(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None, rows: Tensor) -> None:
    """Set the first channels of a layer; zero what is left of it."""
    assert layer.bias is not None
    layer.weight.zero_()
    layer.weight[: len(weight)] = weight
    layer.bias.zero_()
    if bias is not None:
        layer.bias[: len(rows)] = bias[rows]


def _even_out(network: NoiseEstimates) -> None:
    """Features of root mean square 1 in each layer, on random blotches; the same function.

    The estimates of all layers but the last must be zero.
    """
    generator = torch.Generator().manual_seed(0)
    blotches = F.interpolate(torch.rand(4, 1, 8, 8, generator=generator), (64, 64), mode="bilinear")
    x = blotches + 0.1 * torch.randn(blotches.shape, generator=generator)
    *hidden, last = network.convolutions
    before = 1.0
    for index, layer in enumerate(hidden):
        assert layer.bias is not None
        layer.weight *= before
        features = layer(x)[:, :-1]
        x = features.relu() if index < len(hidden) + 1 - LINEAR_LAYERS else features
        before = float(x.square().mean().sqrt().clamp(min=1e-6))
        x = x / before
        layer.weight /= before
        layer.bias /= before
    last.weight *= before
