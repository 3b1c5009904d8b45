"""deepinv's solvers around a prior and a schedule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import deepinv
from deepinv.optim import L2, RED, BaseOptim, DataFidelity, PnP

from pnp_priors.errors import BlindPriorWarning, UnknownNameError
from pnp_priors.solvers._splitting import ADMM, DRS
from pnp_priors.solvers.mirroring import mirrored
from pnp_priors.solvers.schedules import Schedule

if TYPE_CHECKING:
    from deepinv.models import Denoiser


#: a denoiser for each iteration, or one for all; schedule; data term
_Make = Callable[["list[Denoiser]", Schedule, DataFidelity], BaseOptim]


def _splitting(kind: type[BaseOptim]) -> _Make:
    """Solvers whose data step is the proximal map: they take the schedule as it is."""

    def make(priors: list[Denoiser], schedule: Schedule, fidelity: DataFidelity) -> BaseOptim:
        return kind(
            prior=[PnP(denoiser=prior) for prior in priors],
            data_fidelity=fidelity,
            stepsize=list(schedule.stepsize),
            g_param=list(schedule.sigma),
            max_iter=len(schedule),
        )

    return make


def _proximal_gradient(
    priors: list[Denoiser], schedule: Schedule, fidelity: DataFidelity
) -> BaseOptim:
    # A gradient step on data of unit operator norm is stable up to 2; blurs do not amplify.
    return deepinv.optim.PGD(
        prior=[PnP(denoiser=prior) for prior in priors],
        data_fidelity=fidelity,
        stepsize=1.0,
        g_param=list(schedule.sigma),
        max_iter=len(schedule),
    )


def _red(priors: list[Denoiser], schedule: Schedule, fidelity: DataFidelity) -> BaseOptim:
    # x - t (A'(Ax-y) + lambda (x - D(x))) with lambda = 1/gamma, the weight of the schedule's
    # data step; t keeps the step below the inverse of the sum of both Lipschitz constants.
    weights = [1 / g for g in schedule.stepsize]
    return deepinv.optim.GD(
        prior=[RED(denoiser=prior) for prior in priors],
        data_fidelity=fidelity,
        lambda_reg=weights,
        stepsize=[1.9 / (1 + 2 * w) for w in weights],
        g_param=list(schedule.sigma),
        max_iter=len(schedule),
    )


SOLVERS: dict[str, _Make] = {
    "hqs": _splitting(deepinv.optim.HQS),
    "admm": _splitting(ADMM),
    "drs": _splitting(DRS),
    "pgd": _proximal_gradient,
    "red": _red,
}


def solver(
    name: str,
    prior: Denoiser,
    schedule: Schedule,
    fidelity: DataFidelity | None = None,
    mirror: bool = True,
) -> BaseOptim:
    """A deepinv solver, called as ``solver(y, physics)``.

    :param name: ``hqs``, ``admm``, ``drs``, ``pgd`` or ``red``.
    :param prior: any deepinv denoiser.
    :param schedule: sigma and step per iteration, see :mod:`pnp_priors.solvers.schedules`.
    :param fidelity: the data term, half the squared distance (deepinv's ``L2``) by default; for
        ``pgd`` and ``red`` it needs a gradient.
    :param mirror: each iteration shows the prior the image mirrored another way, see
        :mod:`pnp_priors.solvers.mirroring`; ``False``: what deepinv's solver does by itself.
    :raises UnknownNameError: lists the known solvers.

    Warns (:class:`pnp_priors.errors.BlindPriorWarning`) of a blind prior.
    """
    if name not in SOLVERS:
        raise UnknownNameError("solver", name, sorted(SOLVERS))
    if getattr(prior, "blind", False):
        called = getattr(prior, "name", None) or type(prior).__name__
        warnings.warn(
            f"solver {name!r} with {called}, a blind prior: it ignores the schedule's sigma and "
            "sees noise that it was not trained for; one that takes sigma suits iterative use "
            "better",
            BlindPriorWarning,
            stacklevel=2,
        )
    priors = mirrored(prior, len(schedule)) if mirror else [prior]
    return SOLVERS[name](priors, schedule, L2() if fidelity is None else fidelity)
