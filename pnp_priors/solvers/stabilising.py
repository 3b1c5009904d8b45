r"""Signal-dependent noise through a variance-stabilising transform.

For :math:`y = g P(x/g) + \varepsilon` (Poisson and Gaussian noise), the generalised Anscombe
transform makes noise that is nearly Gaussian with one standard deviation; a denoiser removes that,
and the inverse is unbiased: Mäkitalo and Foi: Optimal inversion of the generalized Anscombe
transformation for Poisson-Gaussian noise, IEEE TIP 2013. Both formulas are deepinv's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from deepinv.models import (
    generalized_anscombe_transform,
    inverse_generalized_anscombe_transform,
)
from torch import Tensor

from pnp_priors.errors import InputError

#: in units of the gain, where the closed form of the unbiased inverse is 0; it has a pole at 0
_SMALLEST = 2 * math.sqrt(3 / 8)


def stabilised(
    denoise: Callable[[Tensor, float], Tensor], y: Tensor, gain: float, sigma: float
) -> Tensor:
    """Denoise an image of variance ``gain * x + sigma**2`` around its clean values x.

    The transformed image is brought to [0, 1], where intensities from 0 to 1 are, because trained
    denoisers expect an image's contrast there.

    :param denoise: removes Gaussian noise of the given standard deviation.
    :param y: ``[B, C, H, W]``, in [0, 1] plus noise.
    :param gain: what one photon adds, in the same units, above 0.
    :param sigma: standard deviation of the Gaussian part, at least 0.
    :returns: not below 0.
    :raises InputError: an impossible gain or sigma.
    """
    if not 0 < gain <= 1 or not 0 <= sigma <= 1:
        raise InputError(
            f"gain is in (0, 1] and sigma in [0, 1] image units, got {gain:g} and {sigma:g}"
        )
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    low, high = generalized_anscombe_transform(ends, gain, sigma).tolist()
    span = high - low
    z = (generalized_anscombe_transform(y, gain, sigma) - low) / span
    restored = low + span * denoise(z, min(gain / span, 1.0))
    return unbiased_inverse(restored, gain, sigma)


def unbiased_inverse(z: Tensor, gain: float, sigma: float) -> Tensor:
    """The intensity whose noisy transforms have the mean ``z``; 0 where there is none.

    deepinv's closed form, which is meant for z that some intensity reaches: it has a pole at 0.
    """
    reached = z.clamp(min=gain * _SMALLEST)
    return inverse_generalized_anscombe_transform(reached, gain, sigma).clamp(min=0)
