r"""R_denoise: the stages of a diffusion process as the prior steps of half-quadratic splitting.

genericDP, BMVC 2018, section 3.5: iteration t applies the diffusion term of stage t to the current
image (eq. 13), without its reaction term, and then solves for the data in closed form (eq. 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import deepinv
from deepinv.optim import Prior as OptimPrior
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.solvers.schedules import genericdp

if TYPE_CHECKING:
    from pnp_priors.priors.reaction_diffusion import ReactionDiffusion


class RDenoise(OptimPrior):
    """A diffusion process as a ``deepinv.optim.Prior`` whose parameter is the stage index.

    :param process: genericDP or TRD, gray or colour.
    :raises InputError: a process for JPEG images, whose stages are none without their projection.
    """

    def __init__(self, process: ReactionDiffusion) -> None:
        super().__init__()
        if "gaussian" not in process.tasks:
            raise InputError(f"{type(process).__name__} is for {', '.join(process.tasks)}")
        self.process = process
        self.explicit_prior = False

    def prox(self, x: Tensor, sigma_denoiser: int | float | Tensor, gamma: float = 1.0) -> Tensor:
        """One explicit diffusion step with the filters of a stage.

        :param x: ``[B, C, H, W]`` in [0, 1]; a gray process treats channels one by one.
        :param sigma_denoiser: the stage, from 0; deepinv's name for a prior's parameter.
        :param gamma: unused; the step length is part of the trained stage.
        :raises InputError: a stage that the process does not have, or channels that it is not for.
        """
        stage = int(sigma_denoiser)
        if not 0 <= stage < self.process.active_stages:
            raise InputError(f"stage {stage} of a process of {self.process.active_stages} stages")
        channels = self.process.channels
        if channels not in (1, x.shape[1]):
            raise InputError(f"the process is for {channels} channels, the image has {x.shape[1]}")
        u = x.flatten(0, 1).unsqueeze(1) if channels == 1 else x
        return x - (self.process.diffusion(255 * u, stage) / 255).reshape(x.shape)


def r_denoise(process: ReactionDiffusion, noise: float) -> deepinv.optim.HQS:
    """The paper's deconvolution: one HQS iteration per stage, with its schedule.

    :param noise: noise level of the observation, [0, 1] units.
    :returns: a deepinv solver, called as ``solver(y, physics)``.
    """
    stages = process.active_stages
    schedule = genericdp(noise, stages)
    return deepinv.optim.HQS(
        prior=RDenoise(process),
        data_fidelity=deepinv.optim.L2(),
        stepsize=list(schedule.stepsize),
        g_param=[float(stage) for stage in range(stages)],
        max_iter=stages,
        g_first=True,
    )
