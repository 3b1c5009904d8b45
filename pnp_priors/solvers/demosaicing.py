"""Demosaicing of Bayer mosaics with a Gaussian prior for colour images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.monitoring import iterates
from pnp_priors.physics.bayer import bayer, interpolate
from pnp_priors.solvers.build import solver
from pnp_priors.solvers.schedules import Schedule, descending

if TYPE_CHECKING:
    from deepinv.models import Denoiser


def demosaicing_schedule(noise: float, iterations: int = 32) -> Schedule:
    """From about the error of linear interpolation, 15/255, down to 1/255 or to the noise.

    Measured with HQS and ffdnet-color on the four training crops of
    :func:`pnp_priors.solvers.schedules.super_resolution`, ``rggb`` without noise, mean PSNR: linear
    interpolation 33.05 dB; 8 iterations 37.33, 16 iterations 38.88, 32 iterations 39.39. With 16,
    from 49/255 on 38.43; down to 0.5/255 38.76, to 2/255 38.49. (These images come from cameras
    that demosaiced themselves, which flatters every method.)

    :param noise: standard deviation in the mosaic, [0, 1] units; 0 is allowed.
    :raises InputError: a noise level outside [0, 1], or no iterations.
    """
    return descending(noise, 1 / 255, iterations, start=15 / 255)


@torch.no_grad()
def demosaic(
    raw: Tensor,
    prior: Denoiser,
    pattern: str = "rggb",
    noise: float = 0.0,
    schedule: Schedule | None = None,
    name: str = "hqs",
    mirror: bool = True,
) -> Tensor:
    """Colours from a mosaic.

    :param raw: ``[B, 1, H, W]`` in [0, 1], with the gamma of the prior's training images: linear
        raw values are to be converted before and after.
    :param prior: a Gaussian denoiser for three channels.
    :param pattern: ``rggb``, ``bggr``, ``grbg`` or ``gbrg``.
    :param noise: standard deviation in the mosaic, [0, 1] units. Without noise, what the sensor saw
        is kept as it is.
    :param schedule: :func:`demosaicing_schedule` by default.
    :param name: a solver with a proximal data step: ``hqs``, ``admm`` or ``drs``.
    :param mirror: as :func:`pnp_priors.solvers.solver` takes it.
    :returns: ``[B, 3, H, W]``, not clipped.
    :raises UnknownNameError: no such pattern or solver.
    :raises InputError: not a mosaic, or a prior for gray images.
    """
    if getattr(prior, "channels", 3) != 3:
        # Channel by channel, nothing would carry the green's edges over to red and blue.
        raise InputError(
            f"demosaicing needs a prior for 3 channels, this one is for {prior.channels}"
        )
    start = interpolate(raw, pattern)
    physics = bayer(pattern, raw.shape[-2], raw.shape[-1], raw.device)
    y = physics.mask * raw
    model = solver(name, prior, schedule or demosaicing_schedule(noise), mirror=mirror)
    found = iterates.solve(model, y, physics, init=start)
    return found if noise > 0 else torch.where(physics.mask > 0, y, found)
