"""Methods of the bench that use what was tuned for a prior."""

from __future__ import annotations

from deepinv.models import Denoiser

from pnp_priors.errors import InputError
from pnp_priors.solvers.presets import TUNED_SOLVERS, Tuned, at, find

#: what the bench calls them: to solvers
METHODS = {f"{name}-preset": name for name in TUNED_SOLVERS}


def tuned(task: str, prior: Denoiser, method: str, noise: float) -> Tuned:
    """The preset of a prior at a noise level; never the default under a preset's name.

    :param method: of :data:`METHODS`.
    :raises InputError: there is no preset.
    """
    called = getattr(prior, "name", None) or type(prior).__name__
    found = find(task, called, METHODS[method])
    if found is None:
        raise InputError(
            f"method {method!r}: nobody tuned {METHODS[method]} for {called} and {task}; "
            "`pnp-priors tune` does"
        )
    return at(found, noise)
