"""Losses of a restored against a clean batch, one value per image of the batch.

Values are on the 0..1 scale. The training loop weighs the images (see the recipe's
``level_weight``) and averages.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def squared_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error of each image (TRD eq. 5 up to its factor). ``[B]``."""
    return (restored - clean).square().flatten(1).mean(dim=1)


def absolute_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute error of each image. ``[B]``."""
    return (restored - clean).abs().flatten(1).mean(dim=1)


def root_squared_error(restored: Tensor, clean: Tensor) -> Tensor:
    r"""Root mean squared error of each image, :math:`\sqrt{e + (2/255)^2}`. ``[B]``.

    For images degraded in several ways, whose errors e differ tenfold. The plain square is about
    noise of sigma 50 (e = 0.0024 when restored), not about JPEG of quality 40 (0.0004). The
    logarithm, which counts decibels, would weigh the smooth patches of an image as its textures,
    and these make an image's PSNR. The root is between both, and nobody has to state what each
    level can reach.
    """
    return ((restored - clean).square().flatten(1).mean(dim=1) + (2 / 255) ** 2).sqrt()


def asymmetric_error(estimate: Tensor, truth: Tensor, alpha: float = 0.3) -> Tensor:
    r"""Mean squared error of each image, weighed by its sign. ``[B]``.

    :math:`|\alpha - \mathbb{1}(\hat\sigma < \sigma)|\,(\hat\sigma - \sigma)^2`: below the truth it
    costs :math:`1 - \alpha`, above :math:`\alpha`. Guo et al.: Toward convolutional blind denoising
    of real photographs, CVPR 2019, eq. 6. For noise levels: a denoiser that is told too low a level
    leaves noise in the image, too high a level does less harm.
    """
    error = estimate - truth
    too_low = error.clamp(max=0)
    weighed = alpha * error.square() + (1 - 2 * alpha) * too_low.square()
    return weighed.flatten(1).mean(dim=1)


def total_variation(image: Tensor) -> Tensor:
    """Squared differences to the next row and column, per value of each image. ``[B]``.

    The smoothness of noise level maps of CBDNet (Guo et al., eq. 7), which squares them.
    """
    down, right = image.diff(dim=-2).square(), image.diff(dim=-1).square()
    return (down.flatten(1).sum(dim=1) + right.flatten(1).sum(dim=1)) / image[0].numel()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": squared_error,
    "l1": absolute_error,
    "rmse": root_squared_error,
    "asymmetric": asymmetric_error,
}
