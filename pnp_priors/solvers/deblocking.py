"""JPEG deblocking with any Gaussian prior: deepinv's solvers and the quantisation interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors.monitoring import iterates
from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.solvers.build import solver
from pnp_priors.solvers.schedules import RESTORING_WIDTH, Schedule, deblocking_schedule

if TYPE_CHECKING:
    from deepinv.models import Denoiser


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
