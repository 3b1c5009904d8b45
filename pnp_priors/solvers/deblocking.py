"""JPEG deblocking with any Gaussian prior: deepinv's solvers and the quantisation interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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
    kept = physics.indices(physics.completed(y))[0] != 0
    variance = physics.steps(0, y[0]).double() ** 2 / 12
    return 2 * math.sqrt(float((kept * variance).mean()))


class _Repeating(QuantisationInterval):
    """For whole blocks of which the border cuts some: encoders repeat the last pixel beyond it.

    :param size: height and width of what is visible.
    """

    def __init__(self, width: float, size: tuple[int, int]) -> None:
        super().__init__(width)
        self.size = size

    def prox(self, x: Tensor, *arguments: Any, **settings: Any) -> Tensor:
        """The projection of the image that its visible part and this make."""
        for axis, length in zip((-2, -1), self.size, strict=True):
            places = torch.arange(x.shape[axis], device=x.device).clamp(max=length - 1)
            x = x.index_select(axis, places)
        return super().prox(x, *arguments, **settings)


@torch.no_grad()
def deblock(
    y: TensorList,
    physics: JPEG,
    prior: Denoiser,
    schedule: Schedule | None = None,
    name: str = "hqs",
    width: float = RESTORING_WIDTH,
    mirror: bool = True,
) -> Tensor:
    """Restore a JPEG image.

    Where the border cuts blocks, whole blocks are restored and cut afterwards: the file says as
    much of their hidden part, the prior sees the image go on there, and the projection has a closed
    form.

    :param y: measurements, :meth:`pnp_priors.physics.jpeg_file.JPEGFile.measurements`.
    :param prior: any Gaussian denoiser; a gray one denoises the channels of colour one by one.
    :param schedule: :func:`deblocking_schedule` of :func:`quantisation_noise` by default.
    :param name: a solver with a proximal data step: ``hqs``, ``admm`` or ``drs``.
    :param width: of the quantisation intervals, see
        :class:`pnp_priors.physics.jpeg_fidelity.QuantisationInterval`. Narrower than 1 says that
        the original is more often near the middle of its interval than at its ends;
        :data:`pnp_priors.physics.jpeg_fidelity.WIDTH` leaves all of them to the prior.
    :param mirror: as :func:`pnp_priors.solvers.solver` takes it.
    :returns: ``[B, C, H, W]``, projected: ``physics`` maps it to ``y`` again, but for blocks that
        the border cuts. Not clipped to [0, 1], which would move coefficients.
    :raises InputError: an impossible width.
    :raises UnknownNameError: no such solver.
    """
    if schedule is None:
        schedule = deblocking_schedule(quantisation_noise(y, physics))
    rows, columns = physics.img_size[1:]
    physics, y = physics.whole(), physics.completed(y)
    fidelity = _Repeating(width, (rows, columns))
    start = physics.A_dagger(y)
    # deepinv would begin with A'y, which for colour is not the decoded image.
    model = solver(name, prior, schedule, fidelity, mirror)
    found = iterates.solve(model, y, physics, init=start)
    # Some solvers end with the prior's step.
    return fidelity.prox(found, y, physics)[..., :rows, :columns]
