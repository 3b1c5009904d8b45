"""Schedules: which noise level and which step each iteration of a solver uses.

Plain functions of the noise level, in [0, 1] image units, so that nobody copies magic numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pnp_priors.errors import InputError

#: below this the data would be trusted without limit and the schedules degenerate
SMALLEST_NOISE = 0.255 / 255
#: of the quantisation intervals, in steps. Originals are more often near the middle of their
#: interval than at its ends: tuning found 0.42 and 0.62, worth 0.6 to 0.9 dB against 0.998
#: (docs/presets.md).
RESTORING_WIDTH = 0.5


@dataclass(frozen=True)
class Schedule:
    r"""Per iteration: the denoiser's sigma and the data step's :math:`\gamma`.

    The data step is :math:`\mathrm{prox}_{\gamma f}` with :math:`f = \frac12\|Ax-y\|^2`
    (``deepinv.optim.L2()``); both are handed to deepinv as ``g_param`` and ``stepsize``.
    """

    sigma: tuple[float, ...]
    stepsize: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.sigma)


def _checked(noise: float, iterations: int) -> float:
    if not 0 <= noise <= 1 or not math.isfinite(noise):
        raise InputError(f"the noise level must be in [0, 1] image units, got {noise:g}")
    if iterations < 1:
        raise InputError(f"iterations must be at least 1, got {iterations}")
    return max(float(noise), SMALLEST_NOISE)


def dpir(
    noise: float,
    iterations: int = 8,
    start: float = 49 / 255,
    weight: float = 0.23,
    end: float = 1.0,
) -> Schedule:
    r"""DPIR's schedule: sigma falls evenly in its logarithm to ``end`` times the noise level.

    :math:`\gamma_k = \sigma_k^2 / (w\,\sigma^2)`. Zhang et al.: Plug-and-play image restoration
    with deep denoiser prior, IEEE TPAMI 2022, section 4.2 (there :math:`\lambda = w = 0.23`).

    :param noise: standard deviation of the noise in the observation, [0, 1] units.
    :param end: 1 in the paper.
    :raises InputError: a noise level outside [0, 1], or no iterations.
    """
    level = _checked(noise, iterations)
    first = max(start, end * level)
    ratio = end * level / first
    steps = max(iterations - 1, 1)
    sigma = tuple(first * ratio ** (k / steps) for k in range(iterations))
    return Schedule(sigma, tuple((s / level) ** 2 / weight for s in sigma))


def genericdp(noise: float, iterations: int = 8) -> Schedule:
    r"""The penalty schedule of genericDP, :math:`\beta_t = \gamma^{t-1}`.

    The paper (BMVC 2018, section 3.5) gives :math:`\lambda = 100/(\sigma/2.55)^2` and
    :math:`\gamma = 1.8, 1.7, 1.6, 1.5` at :math:`\sigma = 2.55, 5.10, 7.65, 10.20`; in between and
    beyond, gamma follows that line, not below 1.2. The data step is
    :math:`\lambda/\beta_t`; a denoiser's sigma that fits it is :math:`0.1/\sqrt{\beta_t}`.
    """
    level = _checked(noise, iterations)
    growth = max(1.2, 1.9 - 10 * level)
    weight = 100 * (0.01 / level) ** 2
    beta = [growth**t for t in range(iterations)]
    return Schedule(tuple(0.1 / math.sqrt(b) for b in beta), tuple(weight / b for b in beta))


def descending(
    noise: float,
    last: float,
    iterations: int = 24,
    start: float = 49 / 255,
    weight: float = 0.23,
) -> Schedule:
    r"""DPIR's schedule where sigma must fall to ``last`` even with less noise than that.

    Pixels that were never observed have an error of their own, below which no sigma is of use,
    while those observed are to be trusted as far as their noise allows:
    :math:`\gamma_k = \sigma_k^2 / (w\,\sigma^2)`, with :math:`\sigma_k` down to the larger of
    ``last`` and the noise level.

    :param noise: standard deviation of the noise in the observation, [0, 1] units; below 0.255/255
        it is taken as that, about the error of rounding to 8 bits.
    :param last: [0, 1] units.
    :raises InputError: a noise level outside [0, 1], or no iterations.
    """
    level = _checked(noise, iterations)
    final = max(level, last)
    return dpir(final, iterations, start, weight=weight * (level / final) ** 2)


def super_resolution(
    noise: float,
    scale: float,
    iterations: int = 16,
    start: float = 49 / 255,
    end: float = 0.5,
    weight: float = 0.23,
) -> Schedule:
    """:func:`descending` to half the scale, on 0..255: the larger, the more is left open.

    Measured with HQS, ffdnet-gray and bicubic reduction on the luma of four training images that
    ffdnet-gray's training held out (the 8th, 6th, 4th and 2nd from the end of bsd432_color, their
    middle 120×144 pixels), mean PSNR at scale 2 / 4: bicubic enlargement 28.93 / 25.69 dB, dncnn-3
    30.33 / 26.45; 8 iterations 30.52 / 26.57, 16 iterations 30.63 / 26.63, 24 iterations 30.65 /
    26.59, 40 iterations 30.63 / 26.45. With 24, ending at a quarter of the scale 30.64 / 26.62, at
    the scale itself 30.63 / 26.55; starting at 20/255 30.62 / 26.66, at 100/255 30.65 / 26.57.

    :param noise: of the small image.
    :param scale: 1 or more.
    :param end: last sigma, in scales on 0..255.
    :raises InputError: likewise, or a scale below 1.
    """
    if not (scale >= 1 and math.isfinite(scale)):
        raise InputError(f"the scale must be 1 or more, got {scale:g}")
    return descending(noise, end * scale / 255, iterations, start, weight)


def deblocking_schedule(
    noise: float, iterations: int = 8, first: float = 2.0, last: float = 0.5
) -> Schedule:
    """Sigma falls from ``first`` to ``last`` times the quantisation noise, evenly in its logarithm.

    The data step is a projection, for which the step size does not matter: it is 1.

    :raises InputError: no iterations, or a noise level outside [0, 1].
    """
    if iterations < 1:
        raise InputError(f"iterations must be at least 1, got {iterations}")
    if not 0 <= noise <= 1:
        raise InputError(f"the noise level must be in [0, 1] image units, got {noise:g}")
    noise = max(noise, SMALLEST_NOISE)
    falls = (last / first) ** (1 / max(iterations - 1, 1))
    sigma = tuple(noise * first * falls**k for k in range(iterations))
    return Schedule(sigma, (1.0,) * iterations)


SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {"dpir": dpir, "genericdp": genericdp}
