r"""The noise of photographs: what a camera makes of the light, part by part.

.. math:: y = \mathrm{JPEG}(f(\mathrm{DM}(\mathrm M f^{-1}(x) + n))),\quad
          \operatorname{var} n = \sigma_s^2 L + \sigma_c^2

Guo, Yan, Zhang, Zuo, Zhang: Toward convolutional blind denoising of real photographs, CVPR 2019,
section 3.1: the image x is taken back to the light L through the camera's response f, seen through
a Bayer mosaic M, gets shot and read noise, and is demosaiced (DM) and compressed.

Images are ``[B, 3, H, W]`` in [0, 1], raw images ``[B, 1, H, W]``, both of 3 pixels a side or more;
light is linear, 1 where the sensor is full. Settings have one value per image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pnp_priors.physics.jpeg import chrominance_table, luminance_table, simulate_colour

#: how far the power of a response lies below 0 at no light: sRGB's (IEC 61966-2-1)
_TOE = 0.055
#: of red, green and blue, the one that each pixel of a 2×2 cell sees
_RED, _GREEN, _BLUE = range(3)
PATTERNS = {
    "RGGB": ((_RED, _GREEN), (_GREEN, _BLUE)),
    "GRBG": ((_GREEN, _RED), (_BLUE, _GREEN)),
    "GBRG": ((_GREEN, _BLUE), (_RED, _GREEN)),
    "BGGR": ((_BLUE, _GREEN), (_GREEN, _RED)),
}
#: shot noise below this is drawn as this: a million photons at full light
_LEAST_SHOT = 1e-3
#: of the quadrature over the noise
_NODES = 5
#: pixels on each side that demosaicing looks at
REACH = 2


@dataclass(frozen=True)
class Ranges:
    r"""From which the settings of each photograph are drawn, uniformly.

    :param shot: :math:`\sigma_s`, of the shot noise's variance :math:`\sigma_s^2 L`.
    :param read: :math:`\sigma_c`, of the read noise.
    :param gamma: of the response, above 1.
    :param quality: of JPEG.
    """

    shot: tuple[float, float]
    read: tuple[float, float]
    gamma: tuple[float, float]
    quality: tuple[int, int]


@dataclass(frozen=True)
class Settings:
    """Of each photograph of a batch, ``[B]``; the pattern as an index of :data:`PATTERNS`."""

    shot: Tensor
    read: Tensor
    gamma: Tensor
    pattern: Tensor
    quality: Tensor

    @classmethod
    def draw(cls, batch: int, ranges: Ranges, generator: torch.Generator) -> Settings:
        """Settings on the generator's device."""
        uniform = torch.rand(5, batch, generator=generator, device=generator.device)

        def between(row: int, low: float, high: float) -> Tensor:
            return low + (high - low) * uniform[row]

        first, last = ranges.quality
        return cls(
            shot=between(0, *ranges.shot),
            read=between(1, *ranges.read),
            gamma=between(2, *ranges.gamma),
            pattern=between(3, 0, len(PATTERNS)).long().clamp(max=len(PATTERNS) - 1),
            quality=between(4, first, last + 1).long().clamp(max=last),
        )


def _each(setting: Tensor, image: Tensor) -> Tensor:
    """A setting ``[B]`` or ``[]`` in the form that goes with a batch."""
    return setting.to(image).reshape(-1, 1, 1, 1)


def _toe(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Up to which light a response is straight, so that it has no corner there, and how steep."""
    root = _TOE * gamma / ((1 + _TOE) * (gamma - 1))
    return root**gamma, (1 + _TOE) / gamma * root ** (1 - gamma)


def response(light: Tensor, gamma: Tensor) -> Tensor:
    r"""The image that light makes: :math:`1.055\,L^{1/\gamma} - 0.055`, straight near 0.

    The form of sRGB, which it is at 2.4; without the straight part, noise around 0 would have no
    bounded slope. CBDNet draws one of 201 measured responses instead.

    :param light: ``[B, C, H, W]``, from 0 up.
    :param gamma: ``[B]``, above 1.
    """
    power = _each(gamma, light)
    end, slope = _toe(power)
    curve = (1 + _TOE) * light.clamp(min=end) ** (1 / power) - _TOE
    # The straight part is the tangent of the curve, which bends down from it.
    return torch.minimum(slope * light, curve)


def light_of(image: Tensor, gamma: Tensor) -> Tensor:
    """The inverse of :func:`response`."""
    power = _each(gamma, image)
    end, slope = _toe(power)
    curve = ((image.clamp(min=slope * end) + _TOE) / (1 + _TOE)) ** power
    return torch.where(image < slope * end, image / slope, curve)


def _colours(pattern: Tensor, size: tuple[int, int]) -> Tensor:
    """The colour that each pixel of a sensor sees, ``[B, 1, H, W]``."""
    cells = torch.tensor(list(PATTERNS.values()), device=pattern.device)[pattern]
    rows, columns = (torch.arange(side, device=pattern.device) % 2 for side in size)
    return cells[:, rows][:, :, columns][:, None]


def mosaic(light: Tensor, pattern: Tensor) -> Tensor:
    """Of each pixel the one colour that the sensor sees there.

    :param light: ``[B, 3, H, W]``.
    :param pattern: ``[B]``, index of :data:`PATTERNS`.
    :returns: ``[B, 1, H, W]``.
    """
    return light.gather(1, _colours(pattern, (light.shape[-2], light.shape[-1])))


def sensor_noise(
    raw: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Raw values as counted: Poisson noise of the photons, Gaussian noise of the electronics.

    :param raw: light without noise, from 0 up.
    :param shot, read: ``[B]``, see :class:`Ranges`.
    :returns: mean ``raw``, variance ``shot² raw + read²``, neither clipped nor rounded.
    """
    photon = _each(shot, raw).clamp(min=_LEAST_SHOT) ** 2
    counted = photon * torch.poisson(raw / photon, generator=generator)
    noise = torch.randn(raw.shape, generator=generator, dtype=raw.dtype, device=raw.device)
    return counted + _each(read, raw) * noise


def _kernels() -> Tensor:
    """Malvar, He, Cutler: High-quality linear interpolation for demosaicing of Bayer-patterned
    color images, ICASSP 2004, figure 2. ``[4, 1, 5, 5]``: green at red or blue; at green, the
    colour of its row; that of its column; red at blue and blue at red.
    """
    green = torch.zeros(5, 5)
    green[2] = torch.tensor([-1.0, 2, 4, 2, -1])
    green[:, 2] = green[2]
    row = torch.zeros(5, 5)
    row[2] = torch.tensor([-1.0, 4, 5, 4, -1])
    row[0, 2] = row[4, 2] = 0.5
    across = torch.zeros(5, 5)
    across[2] = torch.tensor([-1.5, 0, 6, 0, -1.5])
    across[:, 2] = across[2]
    for y in (1, 3):
        for x in (1, 3):
            row[y, x], across[y, x] = -1, 2
    return torch.stack([green, row, row.T, across])[:, None] / 8


_MALVAR = _kernels()


def demosaic(raw: Tensor, pattern: Tensor) -> Tensor:
    """All three colours of each pixel, from its neighbours': Malvar et al. (2004).

    Linear, neither clipped nor rounded. Beyond its border the sensor is mirrored.

    :param raw: ``[B, 1, H, W]``.
    :param pattern: ``[B]``, index of :data:`PATTERNS`.
    :returns: ``[B, 3, H, W]``.
    """
    return _interpolated(raw, pattern, _MALVAR)


def demosaiced_variance(variance: Tensor, pattern: Tensor) -> Tensor:
    """Variances of a demosaiced image of a raw one with these, its pixels independent.

    In the outermost two rows and columns, where mirrored values count twice, it is too low.
    """
    return _interpolated(variance, pattern, _MALVAR**2)


def _interpolated(raw: Tensor, pattern: Tensor, kernels: Tensor) -> Tensor:
    seen = _colours(pattern, (raw.shape[-2], raw.shape[-1]))
    padded = F.pad(raw, (REACH,) * 4, mode="reflect")
    green, row, column, across = F.conv2d(padded, kernels.to(raw)).split(1, dim=1)
    at_green = seen == _GREEN
    red_row = (seen == _RED).any(dim=-1, keepdim=True)
    beside_red, beside_blue = torch.where(red_row, row, column), torch.where(red_row, column, row)
    planes = [
        torch.where(at_green, beside_red, across),
        green,
        torch.where(at_green, beside_blue, across),
    ]
    return torch.cat(
        [torch.where(seen == colour, raw, plane) for colour, plane in enumerate(planes)], dim=1
    )


def noise_level(mean: Tensor, variance: Tensor, gamma: Tensor) -> Tensor:
    """Standard deviation of an image of noisy light, through clipping and response.

    By quadrature over Gaussian noise (Gauss–Hermite); the response's slope alone would put the
    level of dark pixels several times too high.

    :param mean, variance: of the light, ``[B, C, H, W]``.
    :param gamma: ``[B]``, above 1.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights /= weights.sum()
    spread = variance.sqrt()
    middle = response(mean.clamp(0, 1), gamma)
    first = second = torch.zeros_like(mean)
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        change = response((mean + node * spread).clamp(0, 1), gamma) - middle
        first, second = first + weight * change, second + weight * change.square()
    return (second - first.square()).clamp(min=0).sqrt()


@lru_cache(maxsize=1)
def _tables() -> tuple[Tensor, Tensor]:
    """JPEG's tables of luminance and chrominance at qualities 1 to 100, ``[100, 8, 8]``."""
    luminance, chrominance = (
        torch.stack([table(quality) for quality in range(1, 101)])
        for table in (luminance_table, chrominance_table)
    )
    return luminance, chrominance


def compress(image: Tensor, quality: Tensor) -> Tensor:
    """As a JPEG file of this quality, ``[B]``, gives it back."""
    luminance, chrominance = (table.to(image.device)[quality - 1] for table in _tables())
    return simulate_colour(image, luminance, chrominance)


def photograph(
    clean: Tensor, settings: Settings, generator: torch.Generator | None = None, margin: int = 0
) -> tuple[Tensor, Tensor]:
    """A photograph of a scene, and how noisy it is.

    :param clean: ``[B, 3, H, W]`` in [0, 1].
    :param margin: pixels on each side that demosaicing sees and that are cut off before JPEG.
    :returns: the photograph, and the standard deviation of its noise, both
        ``[B, 3, H - 2*margin, W - 2*margin]`` in [0, 1]. The level is that of
        :func:`noise_level`: what demosaicing makes of the clean image is no noise, and that JPEG
        removes a part of it is not counted.
    """
    shot, read, gamma = settings.shot, settings.read, settings.gamma
    raw = mosaic(light_of(clean.clamp(0, 1), gamma), settings.pattern)
    noisy = sensor_noise(raw, shot, read, generator)
    variance = _each(shot, raw) ** 2 * raw + _each(read, raw) ** 2
    demosaiced = [
        demosaic(raw, settings.pattern),
        demosaiced_variance(variance, settings.pattern),
        demosaic(noisy, settings.pattern),
    ]
    mean, variance, noisy = (F.pad(plane, (-margin,) * 4) for plane in demosaiced)
    level = noise_level(mean, variance, gamma)
    return compress(response(noisy.clamp(0, 1), gamma), settings.quality), level
