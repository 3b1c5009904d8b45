"""JPEG deblocking with any Gaussian prior: deepinv's solvers and the quantisation interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.monitoring import iterates
from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.solvers.build import solver
from pnp_priors.solvers.schedules import SMALLEST_NOISE, Schedule

if TYPE_CHECKING:
    from deepinv.models import Denoiser

#: of the quantisation intervals, in steps. Originals are more often near the middle of their
#: interval than at its ends: tuning found 0.42 and 0.62, worth 0.6 to 0.9 dB against 0.998
#: (docs/presets.md).
RESTORING_WIDTH = 0.5


def quantisation_noise(y: TensorList, physics: JPEG) -> float:
    r"""Estimate of the standard deviation that quantisation gave the luminance, in [0, 1] units.

    A coefficient that is not zero has a uniform error, of variance :math:`q^2/12`; those that were
    rounded to zero lost what nobody knows. Measured on two photos and a crop at qualities 5 to 90,
    the whole error was 1.6 to 2.5 times that of the former, so that twice it is returned.

    :param y: measurements of :class:`pnp_priors.physics.jpeg_physics.JPEG`.
    """
    kept = physics.indices(y)[0] != 0
    variance = physics.steps(0, y[0]).double() ** 2 / 12
    return 2 * math.sqrt(float((kept * variance).mean()))


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


@torch.no_grad()
def deblock(
    y: TensorList,
    physics: JPEG,
    prior: Denoiser,
    schedule: Schedule | None = None,
    name: str = "hqs",
    width: float = RESTORING_WIDTH,
) -> Tensor:
    """Restore a JPEG image.

    :param y: measurements, :meth:`pnp_priors.physics.jpeg_file.JPEGFile.measurements`.
    :param prior: any Gaussian denoiser; a gray one denoises the channels of colour one by one.
    :param schedule: :func:`deblocking_schedule` of :func:`quantisation_noise` by default.
    :param name: a solver with a proximal data step: ``hqs``, ``admm`` or ``drs``.
    :param width: of the quantisation intervals, see
        :class:`pnp_priors.physics.jpeg_fidelity.QuantisationInterval`. Narrower than 1 says that
        the original is more often near the middle of its interval than at its ends;
        :data:`pnp_priors.physics.jpeg_fidelity.WIDTH` leaves all of them to the prior.
    :returns: ``[B, C, H, W]``, projected: ``physics`` maps it to ``y`` again, but for blocks that
        the border cuts, in which narrow intervals may have no image. Not clipped to [0, 1], which
        would move coefficients.
    :raises InputError: an impossible width.
    :raises UnknownNameError: no such solver.
    """
    if schedule is None:
        schedule = deblocking_schedule(quantisation_noise(y, physics))
    fidelity = QuantisationInterval(width)
    start = physics.A_dagger(y)
    # deepinv would begin with A'y, which for colour is not the decoded image.
    model = solver(name, prior, schedule, fidelity)
    found = iterates.solve(model, y, physics, init=start)
    # Some solvers end with the prior's step.
    return fidelity.prox(found, y, physics)
