"""What a convolutional network has learned, as numbers that hold for any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.priors.cbdnet import CBDNet
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.ffdnet import FFDNet

#: frequencies per axis at which a convolution's gain is looked for; smooth in between
_FREQUENCIES = 16
#: side of the square in which the filter of a pixel is drawn, in pixels
WINDOW = 21


@dataclass(frozen=True, eq=False)
class Network:
    """One chain of convolutions of a prior.

    :param name: what it is for.
    :param first: filters of the first layer as they lie on the image, ``[N, C, s, s]``.
    :param layers: stride-1 convolutions from input to output.
    """

    name: str
    first: Tensor
    layers: tuple[nn.Conv2d, ...]


def _convolutions(part: nn.Module) -> tuple[nn.Conv2d, ...]:
    return tuple(layer for layer in part.modules() if isinstance(layer, nn.Conv2d))


def _dncnn(prior: DnCNN) -> list[Network]:
    layers = _convolutions(prior.body)
    return [Network("network", layers[0].weight, layers)]


def _ffdnet(prior: FFDNet) -> list[Network]:
    layers = _convolutions(prior.body)
    # Its input has the four pixels of a cell as channels: on the image, a 3×3 filter is a 6×6 one.
    image = layers[0].weight[:, : 4 * prior.channels]
    return [Network("network", F.pixel_shuffle(image, 2), layers)]


def _cbdnet(prior: CBDNet) -> list[Network]:
    estimator = _convolutions(prior.estimator)
    blocks = (prior.entry, prior.down, prior.bottom, prior.up, prior.exit, prior.correction)
    restoring = tuple(layer for block in blocks for layer in _convolutions(block))
    return [
        Network("noise estimator", estimator[0].weight, estimator),
        Network("U-Net", restoring[0].weight[:, : prior.channels], restoring),
    ]


def _class_aware(prior: ClassAware) -> list[Network]:
    chains = [_convolutions(network) for network in prior.networks]
    return [
        Network(name, chain[0].weight, chain)
        for name, chain in zip(prior.classes, chains, strict=True)
    ]


#: by class of prior, where its convolutions are
NETWORKS: dict[type[Prior], Callable[..., list[Network]]] = {
    DnCNN: _dncnn,
    FFDNet: _ffdnet,
    CBDNet: _cbdnet,
    ClassAware: _class_aware,
}


def networks(prior: Prior) -> list[Network]:
    """The chains of convolutions of a prior, their first filters in descending order of norm.

    :raises InputError: not one of :data:`NETWORKS`.
    """
    for kind, find in NETWORKS.items():
        if isinstance(prior, kind):
            return [_sorted(network) for network in find(prior)]
    raise InputError(f"{type(prior).__name__} has no chain of convolutions")


def _sorted(network: Network) -> Network:
    first = network.first.detach().float()
    order = first.flatten(1).norm(dim=1).argsort(descending=True, stable=True)
    return Network(network.name, first[order], network.layers)


@torch.no_grad()
def gain(weight: Tensor) -> float:
    """By how much a convolution can amplify an image at most, without its constant.

    The largest singular value of the convolution on a periodic image, which falls into one small
    matrix for each frequency: Sedghi, Gupta, Long, The singular values of convolutional layers,
    ICLR 2019. Looked for at 16×16 frequencies, 0 and the highest among them.

    :param weight: ``[out, in, h, w]``, at most 16×16.
    """
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
    spectrum = torch.fft.rfft2(exact, s=(_FREQUENCIES, _FREQUENCIES))
    matrices = spectrum.permute(2, 3, 0, 1).flatten(0, 1)
    if matrices.shape[1] > matrices.shape[2]:
        matrices = matrices.mT
    # Of a matrix times its adjoint: several times faster than singular values.
    largest = torch.linalg.eigvalsh(matrices @ matrices.mH)[:, -1].amax()
    return float(largest.clamp(min=0).sqrt())


@torch.no_grad()
def removed(
    prior: Prior,
    clean: Tensor,
    noise: Tensor,
    true: Sequence[float],
    told: Sequence[float | None],
) -> list[float]:
    """Root mean square of what is removed, x - D(x), on 0..255: ideally the noise level.

    :param clean: ``[1, C, H, W]``.
    :param noise: standard normal, of that shape.
    :param true: noise levels on 0..255.
    :param told: what the prior is told of each, on 0..255; ``None``: nothing.
    """
    found = []
    for level, said in zip(true, told, strict=True):
        x = clean + level / 255 * noise
        left = x - prior(x, None if said is None else said / 255)
        found.append(255 * float(left.double().square().mean().sqrt()))
    return found


def places(clean: Tensor, window: int = WINDOW) -> dict[str, tuple[int, int]]:
    """Row and column of a pixel in a plain, one on an edge and one in texture.

    By the structure tensor, averaged over 9×9 pixels: where both of its eigenvalues are smallest,
    where the larger one exceeds the smaller most, and where the smaller one is largest.

    :param clean: ``[1, C, H, W]``.
    :param window: places are half of it away from the border, where the image is large enough.
    """
    gray = clean.mean(dim=1, keepdim=True).double()
    down = F.pad(gray[..., 2:, 1:-1] - gray[..., :-2, 1:-1], (1, 1, 1, 1))
    across = F.pad(gray[..., 1:-1, 2:] - gray[..., 1:-1, :-2], (1, 1, 1, 1))
    parts = torch.cat([down.square(), across.square(), down * across], dim=1)
    yy, xx, xy = F.avg_pool2d(parts, 9, stride=1, padding=4)[0]
    half, root = (yy + xx) / 2, ((yy - xx).square() / 4 + xy.square()).sqrt()
    large, small = half + root, half - root
    edge = min(window // 2, (min(gray.shape[-2:]) - 1) // 2)
    inside = (slice(edge, gray.shape[-2] - edge), slice(edge, gray.shape[-1] - edge))
    scores = {"plain": -large, "edge": large - 4 * small, "texture": small}
    found = {}
    for name, score in scores.items():
        row, column = divmod(int(score[inside].argmax()), score[inside].shape[1])
        found[name] = (row + edge, column + edge)
    return found


def pixel_filter(
    prior: Prior, x: Tensor, sigma: float | None, place: tuple[int, int], window: int = WINDOW
) -> Tensor:
    """The linear filter that makes one pixel of one image: the gradient of this output pixel.

    As Mohan, Kadkhodaie, Simoncelli and Fernandez-Granda (ICLR 2020) draw them; for networks
    without constants the output is exactly this filter's sum over the input.

    :param x: ``[1, C, H, W]``.
    :param sigma: in [0, 1] units, or ``None``.
    :param place: row and column; of a colour image the mean of the channels is looked at.
    :returns: ``[window, window]`` around the pixel, summed over input channels; 0 beyond the image.
    """
    with torch.enable_grad():
        image = x.detach().clone().requires_grad_()
        output = prior(image, sigma)[0, :, place[0], place[1]].mean()
        (gradient,) = torch.autograd.grad(output, image)
    half = window // 2
    padded = F.pad(gradient[0].sum(dim=0), (half, half, half, half))
    return padded[place[0] : place[0] + window, place[1] : place[1] + window].detach()


def rising(clean: Tensor, noise: Tensor, top: float) -> tuple[Tensor, Tensor]:
    """Noise that rises linearly from 0 at the left to ``top`` at the right.

    :param clean: ``[1, C, H, W]``.
    :param noise: standard normal, of that shape.
    :param top: in [0, 1] units.
    :returns: the noisy image, and the map of noise levels ``[1, 1, H, W]``.
    """
    height, width = clean.shape[-2:]
    levels = torch.linspace(0, top, width).expand(1, 1, height, -1).contiguous()
    return clean + levels * noise, levels


@torch.no_grad()
def estimated(prior: Prior, clean: Tensor, noise: Tensor, levels: Sequence[float]) -> list[float]:
    """Mean of the noise level that a prior estimates, on 0..255, over the true one.

    :param levels: true ones, on 0..255.
    """
    inputs = [clean + level / 255 * noise for level in levels]
    return [255 * float(prior.estimate(x).double().mean()) for x in inputs]
