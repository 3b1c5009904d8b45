r"""NN3D: a denoiser and a non-local filter in turn, so that far but similar blocks count as well.

Cruz, Foi, Katkovnik, Egiazarian: Nonlocality-reinforced convolutional neural networks for image
denoising, IEEE Signal Processing Letters 25(8), 2018. With the noisy image :math:`z` and
:math:`y_0 = z`, round :math:`k = 1, …, K` is

.. math::
    \bar z_k = \lambda_k z + (1 - \lambda_k)\, y_{k-1}, \quad
    \tilde y_k = D(\bar z_k, \lambda_k \sigma), \quad
    y_k = \mathrm{NLF}(\tilde y_k, \tau_k)

From the paper: these rounds with :math:`\lambda_k = 1/k` and :math:`K = 2`; groups of 32 blocks of
10×10 pixels, found once, in :math:`\tilde y_1`; shrinkage :math:`q^3 / (q^2 + \tau^2)` of the Haar
spectrum across each group; aggregation with weights that are the inverse squared norm of the
attenuation. Ours: :math:`\tau_k = 0.3\, \lambda_k \sigma` instead of a quarter, the stride and the
search window, that a group's means are not shrunk (or constants would darken), and what small
images and noise-level maps need. The 0.3 was tuned on six Berkeley training photos at sigma 25/255
and 50/255: from 0.2 to 0.4 all gain in the mean, most at 0.33 to 0.4 over our FFDNet; a quarter
spares fine texture. The paper's text was not at hand: its equations and numbers are as a public
reimplementation states them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.priors._nonlocal import NonLocalFilter
from pnp_priors.priors.base import Prior


class NN3D(Prior):
    r"""Any prior that is for noise, reinforced by a non-local filter.

    It has the channels and the noise levels of its base, and no parameters besides that one's. A
    gray base restores each channel of a colour image by itself; with a colour base, blocks are
    compared over all channels. A blind base stays blind, the filter is told sigma: ``None`` is
    never allowed. Each call runs the base ``rounds`` times and searches once.

    Every restored pixel depends on the blocks similar to its own, each of those on theirs, and so
    on through both rounds: no halo would do, and it cannot be tiled. Memory is bounded instead,
    whatever the size of the image (but for gradients).

    The search is not differentiated: gradients are those of the filter with its groups as found.

    :param base: name of a released prior, or the path of a card of one's own.
    :param rounds: K, how often both are applied.
    :param threshold: :math:`\tau_k / (\lambda_k \sigma)`.
    :param block: side of a block in pixels.
    :param stride: distance of the blocks for which similar ones are looked for, in pixels.
    :param radius: how far they are looked for, in pixels.
    :param group: blocks in a group, a power of two.
    :raises InputError: a base that is not for noise or that is itself around another prior, or
        impossible settings.
    :raises UnknownNameError, MissingFileError: no such base.
    """

    def __init__(
        self,
        base: str | Path = "ffdnet-gray",
        rounds: int = 2,
        threshold: float = 0.3,
        block: int = 10,
        stride: int = 4,
        radius: int = 19,
        group: int = 32,
    ) -> None:
        card = registry.describe(base)
        if "gaussian" not in card.tasks:
            raise InputError(
                f"base {card.name!r} is trained for {', '.join(card.tasks)}; allowed are priors "
                "trained for noise (gaussian)"
            )
        if card.weights is None:
            raise InputError(f"base {card.name!r} is itself around another prior: name that one")
        if not isinstance(rounds, int) or rounds < 1:
            raise InputError(f"rounds must be a whole number from 1 up, got {rounds!r}")
        if not threshold >= 0:
            raise InputError(f"threshold must not be negative, got {threshold!r}")
        super().__init__(card.channels, card.sigma_range)
        self.base_name, self.rounds, self.threshold = str(base), rounds, float(threshold)
        self.nonlocal_filter = NonLocalFilter(block, stride, radius, group)
        self.base = registry.build(card.system, card.architecture)
        self.channels_last = self.base.channels_last

    @property
    def receptive_field(self) -> None:
        return None

    def arguments(self) -> dict[str, Any]:
        return {
            "base": self.base_name,
            "rounds": self.rounds,
            "threshold": self.threshold,
            "block": self.nonlocal_filter.block,
            "stride": self.nonlocal_filter.stride,
            "radius": self.nonlocal_filter.radius,
            "group": self.nonlocal_filter.group,
        }

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        groups, restored = None, x
        for k in range(1, self.rounds + 1):
            level = sigma / k
            smooth = self.base(x / k + (1 - 1 / k) * restored, level)
            if not self.nonlocal_filter.fits(smooth):
                restored = smooth
                continue
            extended = self.nonlocal_filter.extended(smooth)
            if groups is None:
                groups = self.nonlocal_filter.match(extended)
            tau = self.nonlocal_filter.thresholds(self.threshold * level, smooth)
            restored = self.nonlocal_filter.shrink(extended, groups, tau)[..., :height, :width]
        return restored
