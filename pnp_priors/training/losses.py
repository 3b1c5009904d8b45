"""Losses of a restored against a clean batch, one value per image of the batch.

Images are ``[B, C, H, W]`` on the 0..1 scale, not clipped. The training loop weighs the images (see
the recipe's ``level_weight``) and averages.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pnp_priors.benchmark.metrics import structural_similarity

#: of Zhao et al.: standard deviations in pixels of MS-SSIM's Gaussians; share of MS-SSIM in the mix
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
MIX_ALPHA = 0.84
#: of SSIM for the data range 1 (Wang et al., IEEE TIP 13(4), 2004)
C1, C2 = 0.01**2, 0.03**2


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


def structural_error(restored: Tensor, clean: Tensor) -> Tensor:
    """1 - SSIM of each image, as the bench measures it. ``[B]``.

    Gaussian window of 11 pixels and sigma 1.5, mean over the positions where it lies inside the
    patch and over the channels. The Gaussians of Zhao et al. are wider, sigma 5 and 9;
    :func:`multiscale_error` has such widths, too.

    :raises InputError: patches smaller than the window.
    """
    # Variances are small differences, and a GPU may round float32 convolutions to TF32's ten bits.
    kept = torch.float64 if restored.is_cuda else restored.dtype
    return 1 - structural_similarity(restored.to(kept), clean.to(kept)).to(restored.dtype)


def _windows(side: int, scale: float, like: Tensor) -> Tensor:
    """Row p: the Gaussian around position p, cut off at the ends, with sum 1. ``[side, side]``."""
    position = torch.arange(side, dtype=like.dtype, device=like.device)
    weights = (-(position[:, None] - position).square() / (2 * scale**2)).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def _blurred(images: Tensor, scale: float) -> Tensor:
    """Means over the Gaussian window around each pixel; only pixels of the patch count."""
    rows, columns = (_windows(side, scale, images) for side in images.shape[-2:])
    # Each from the left: a CPU multiplies many small matrices by one from the right more slowly.
    return (columns @ (rows @ images).mT).mT


def multiscale_error(restored: Tensor, clean: Tensor) -> Tensor:
    r"""1 - MS-SSIM of each image, at full resolution by Gaussians of five widths. ``[B]``.

    :math:`1 - l_M(p) \prod_{j=1}^{M} cs_j(p)` with the luminance term l of the widest Gaussian and
    the contrast-structure terms cs of :data:`SCALES`, all with exponent 1, for each channel. Zhao,
    Gallo, Frosio, Kautz: Loss functions for image restoration with neural networks, IEEE
    Transactions on Computational Imaging 3(1), 2017.

    Averaged over all pixels p, the paper's general form of a patch's loss. The paper evaluates it
    at the centre pixel alone, since windows around others reach further beyond the patch. But then
    what the network restores 20 pixels off the centre, which costs as much, has 0.04 of the
    centre's weight with the widest Gaussian and next to none with the others. Here a window is cut
    off at the patch's border, and its weights sum to 1 again: no pixel is made up, and around the
    centre it is the window of the authors' program, whose Gaussians are as wide as the patch.
    """
    return 1 - _multiscale_similarity(restored, clean).flatten(1).mean(dim=1)


def _multiscale_similarity(restored: Tensor, clean: Tensor) -> Tensor:
    """MS-SSIM at each pixel and in each channel."""
    moments = torch.stack([restored, clean, restored.square(), clean.square(), restored * clean])
    similarity: Tensor | float = 1.0
    for scale in SCALES:
        mean_x, mean_y, xx, yy, xy = _blurred(moments, scale)
        both, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
        similarity = similarity * (2 * (xy - both) + C2) / (xx + yy - squares + C2)
    return similarity * (2 * both + C1) / (squares + C1)


def mixed_error(restored: Tensor, clean: Tensor) -> Tensor:
    r"""The mix of MS-SSIM and L1 of each image. ``[B]``.

    :math:`\alpha L^{MS-SSIM} + (1 - \alpha)\, G_{\sigma_M} \cdot L^{\ell_1}` with
    :math:`\alpha` = 0.84: at each pixel, the absolute errors around it weighed by the widest
    Gaussian. Averaged as in :func:`multiscale_error`. The share is the one that Zhao et al. state;
    the default of their program is another, 0.025.
    """
    around = _blurred((restored - clean).abs(), SCALES[-1]).flatten(1).mean(dim=1)
    return MIX_ALPHA * multiscale_error(restored, clean) + (1 - MIX_ALPHA) * around


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": squared_error,
    "l1": absolute_error,
    "rmse": root_squared_error,
    "ssim": structural_error,
    "ms-ssim": multiscale_error,
    "mix": mixed_error,
    "asymmetric": asymmetric_error,
}
