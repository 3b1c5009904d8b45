r"""The effective receptive field: how much each input pixel really matters for an output pixel.

Luo, Li, Urtasun, Zemel: Understanding the effective receptive field in deep convolutional neural
networks, NeurIPS 2016: a gradient of 1 at an output pixel, 0 elsewhere, is propagated back to the
input. The paper averages over untrained networks; here the network is a trained one and the
average is over noisy images, of absolute values: a denoiser weighs the same neighbour up in one
image and down in another, and signed gradients would cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics import jpeg
from pnp_priors.priors.base import Prior

#: two standard deviations of a normal distribution
INSIDE = 0.9545
#: a pixel belongs to the effective field if it has more than this share of the largest value
#: (section 3.1 of the paper)
THRESHOLD = 1 - INSIDE
#: side of the crops for priors that look at the whole image
WHOLE_IMAGE_SIDE = 128
#: pixels around the theoretical field, where nothing may be found
MARGIN = 4
USUAL_SIGMA = 25 / 255
#: with these, other crops change the effective size of ffdnet-gray by some tenths of a pixel
CROPS = 32


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    r"""The receptive field of a prior, as its architecture allows it and as it is.

    :param map: ``[S, S]`` with S odd, float64: by the offset of an input pixel from the output
        pixel, which is at the centre, the mean of :math:`|\partial D(x)_p / \partial x_q|` over
        noisy images, positions of p and output channels, summed over input channels.
    :param theoretical: the prior's own statement in pixels; ``None``: the whole image.
    :param support: side in pixels of the smallest square that holds all that a single output
        pixel's gradient reached, the largest that was met.
    :param sigma: noise level in [0, 1] units; ``None`` for priors that are not for noise.
    :param crops: how many noisy images were averaged over.
    """

    map: Tensor
    theoretical: int | None
    support: int
    sigma: float | None
    crops: int

    @property
    def effective(self) -> float:
        """Size of the effective field in pixels, as the paper measures it.

        The square root of the number of pixels whose value is above 4.55 % of the largest.
        """
        return math.sqrt(int((self.map > THRESHOLD * self.map.max()).sum()))

    @property
    def share(self) -> float | None:
        """Effective over theoretical size; ``None`` where that is the whole image."""
        return None if self.theoretical is None else self.effective / self.theoretical

    @property
    def enclosing(self) -> int:
        """Side in pixels of the smallest centred square that holds 95.45 % of the map's sum."""
        within = torch.zeros(len(self.map) // 2 + 1, dtype=self.map.dtype)
        within.index_add_(0, self._distances().flatten(), self.map.flatten())
        reached = within.cumsum(0) >= INSIDE * self.map.sum()
        return 2 * int(reached.nonzero()[0]) + 1

    @property
    def spread(self) -> float:
        """Standard deviation in pixels, per axis, of the Gaussian with the map's second moments."""
        half = len(self.map) // 2
        offset = torch.arange(-half, half + 1, dtype=self.map.dtype)
        squared = (offset[:, None] ** 2 + offset**2) / 2
        return math.sqrt(float((self.map * squared).sum() / self.map.sum()))

    def _distances(self) -> Tensor:
        """Of each offset the larger of its two coordinates, without sign."""
        half = len(self.map) // 2
        offset = torch.arange(-half, half + 1).abs()
        return torch.maximum(offset[:, None], offset)


def receptive_field(
    prior: Prior,
    sigma: float | None = None,
    images: Sequence[Tensor] | None = None,
    crops: int = CROPS,
    side: int | None = None,
    seed: int = 0,
) -> ReceptiveField:
    """Measure the effective receptive field of any prior.

    Crops of clean images are degraded as the prior expects it: by white Gaussian noise, or by JPEG
    with a quality that it is trained for. A prior that is blind or estimates the noise level is not
    told it. Where a prior works on cells of pixels (FFDNet's of 2×2, CBDNet's of 4×4, JPEG's
    blocks), what a pixel sees depends on its place in the cell: every place is measured equally
    often, and the number of crops rounded up for that.

    :param sigma: noise level in [0, 1] units; by default 25/255, or the nearest that the prior is
        trained for.
    :param images: clean images ``[1, channels, H, W]`` in [0, 1]; by default the bundled photo.
        Each crop is drawn from the next one, at a random place.
    :param crops: to average over, at least.
    :param side: of the crops in pixels, at least; by default the theoretical field and a margin,
        or 128 for a prior that looks at the whole image, whose field is then measured up to there.
    :param seed: decides places and noise.
    :raises InputError: no such noise level, sizes or images that do not fit, a prior whose
        output has no gradient, or one that does not depend on its input at all.
    """
    if crops < 1:
        raise InputError(f"crops must be at least 1, got {crops}")
    level, degrade = _degradation(prior, sigma)
    # A prior around another one works on that one's cells, too.
    cell = max(part.size_multiple for part in prior.modules() if isinstance(part, Prior))
    reach = _reach(prior, cell, side)
    crops = cell**2 * math.ceil(crops / cell**2)
    told = None if prior.blind or prior.estimates_sigma else level
    generator = torch.Generator().manual_seed(seed)
    clean = [_bundled(prior.channels)] if images is None else list(images)
    _check(clean, prior.channels, 2 * reach + cell)

    radius = reach + cell - 1
    total = torch.zeros(2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
    support = 0
    for index in range(crops):
        crop = _crop(clean[index % len(clean)], 2 * reach + cell, generator)
        y, x = reach + index // cell % cell, reach + index % cell
        gradient = _gradient(prior, degrade(crop, generator), told, y, x)
        window = total[radius - y :, radius - x :]
        window[: len(gradient), : len(gradient)] += gradient
        support = max(support, _side(gradient))
    if not torch.isfinite(total).all():
        raise InputError(f"{type(prior).__name__}: the gradient is not finite")
    if not total.any():
        raise InputError(f"{type(prior).__name__}: the output does not depend on the image")
    return ReceptiveField(total / crops, prior.receptive_field, support, level, crops)


def over_sigma(
    prior: Prior,
    sigmas: Sequence[float],
    images: Sequence[Tensor] | None = None,
    crops: int = CROPS,
    side: int | None = None,
    seed: int = 0,
) -> dict[float, ReceptiveField]:
    """:func:`receptive_field` at several noise levels, with the same crops and the same noise."""
    return {sigma: receptive_field(prior, sigma, images, crops, side, seed) for sigma in sigmas}


Degrade = Callable[[Tensor, torch.Generator], Tensor]


def _degradation(prior: Prior, sigma: float | None) -> tuple[float | None, Degrade]:
    """The noise level, and what makes the prior's input of a clean image."""
    name = type(prior).__name__
    if {"gaussian", "camera"} & set(prior.tasks):
        low, high = prior.sigma_range
        level = min(max(USUAL_SIGMA, low), high) if sigma is None else float(sigma)
        if not 0 <= level <= 1:
            raise InputError(
                f"sigma = {level:g}: expected 0 to 1; images are in [0, 1], so 25 is 25/255"
            )
        return level, lambda x, generator: x + level * torch.randn(x.shape, generator=generator)
    if prior.quality_range is None:
        raise InputError(f"{name} is for {', '.join(prior.tasks)}: not for noise, nor for JPEG")
    if sigma is not None:
        raise InputError(f"{name} is for {', '.join(prior.tasks)}: it takes no sigma")
    table = jpeg.luminance_table(prior.quality_range[0])
    return None, lambda x, _: jpeg.simulate(x, table)


def _reach(prior: Prior, cell: int, side: int | None) -> int:
    """Pixels between the output pixel's cell and the border of a crop, whole cells."""
    least, usual = cell, WHOLE_IMAGE_SIDE
    if prior.receptive_field is not None:
        least = 2 * prior.halo + cell
        usual = least + 2 * MARGIN
    wanted = usual if side is None else side
    if wanted < least:
        raise InputError(f"side must be at least {least} for this prior, got {side}")
    return cell * math.ceil((wanted - cell) / (2 * cell))


def _bundled(channels: int) -> Tensor:
    """The photo of the pipelines' example, ``[1, channels, H, W]``."""
    from pnp_priors.benchmark.data import load_image
    from pnp_priors.pipelines.files import folder

    return load_image(folder() / "examples" / "deconvolution_sharp.png", channels)


def _check(images: Sequence[Tensor], channels: int, side: int) -> None:
    if not images:
        raise InputError("no images to measure on")
    for number, image in enumerate(images, start=1):
        if image.ndim != 4 or image.shape[:2] != (1, channels) or min(image.shape[2:]) < side:
            raise InputError(
                f"image {number} of {len(images)} is {list(image.shape)}; needed: "
                f"[1, {channels}, H, W] with sides of at least {side}"
            )


def _crop(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    top, left = (
        int(torch.randint(size - side + 1, (), generator=generator)) for size in image.shape[2:]
    )
    return image[..., top : top + side, left : left + side]


def _gradient(prior: Prior, noisy: Tensor, sigma: float | None, y: int, x: int) -> Tensor:
    """Absolute gradient of the output pixel (y, x), ``[H, W]``, float64."""
    weights = next(prior.parameters())
    precision = torch.promote_types(weights.dtype, torch.float32)
    with torch.enable_grad():
        image = noisy.to(weights.device, precision).detach().requires_grad_()
        output = prior(image, sigma)
        if not output.requires_grad:
            raise InputError(f"{type(prior).__name__} cannot be differentiated by its input")
        total = torch.zeros(image.shape[2:], dtype=torch.float64)
        for channel in output[0, :, y, x]:
            (gradient,) = torch.autograd.grad(channel, image, retain_graph=True)
            total += gradient[0].double().abs().sum(dim=0).cpu()
    return total / output.shape[1]


def _side(gradient: Tensor) -> int:
    """The longer side of the box around all that is not zero."""
    rows, columns = gradient.nonzero().T
    if not len(rows):
        return 0
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1
