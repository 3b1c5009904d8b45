"""What ``pnp-priors verify`` has a file do, and what torch makes of the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import SigmaForm, graph_of
from pnp_priors.export.inputs import Size, in_torch, inputs_of, scene
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.session import Session
from pnp_priors.runtime.verify import Problem

#: odd, prime, a single pixel, a batch, wide; channels are those of a gray prior
SIZES: tuple[Size, ...] = (
    (1, 1, 64, 64),
    (1, 1, 1, 1),
    (2, 3, 17, 23),
    (1, 1, 31, 90),
    (1, 2, 3, 7),
)
#: noise levels of them, in 1/255: from none to beyond every trained range
LEVELS = (25, 50, 5, 100, 0)


def of_prior(session: Session) -> Iterator[Problem]:
    """Images of all kinds of sizes and levels.

    They are compared with torch in float64: torch's own float32 may be as far from that as the
    tolerance where noise is strong. What is timed is float32.

    :raises InputError: the prior is not installed, or has got other weights since.
    """
    check_weights(session.passport, session.path.name)
    name = session.passport.name
    prior, exact = registry.load(name), registry.load(name, dtype=torch.float64)
    graph = graph_of(prior, sigma_form(session))
    for number, (size, level) in enumerate(zip(SIZES, LEVELS, strict=True)):
        size = (size[0], size[1] if prior.channels == 1 else prior.channels, *size[2:])
        if session.passport.precision == "int8":
            # Levels fall across a batch, and more across a map (`inputs_of`).
            low, high = (round(255 * end) for end in prior.sigma_range)
            level = min(max(level, low, 25 if graph.form == "map" else 13), high)
        sigma = level / 255 if graph.form else sum(prior.sigma_range) / 2
        inputs = inputs_of(graph, size, number, sigma)
        yield Problem(
            label="×".join(map(str, size)) + (f", sigma {level}/255" if graph.form else ""),
            inputs=inputs,
            exact=partial(in_torch, exact, inputs),
            as_used=partial(in_torch, prior, inputs),
            clean=scene(size),
            level=None if "table" in inputs else 255 * sigma,
            # Above the range contrast is scaled down, and rounding scaled up again with it.
            stretch=max(1.0, sigma / prior.sigma_range[1]),
        )


def sigma_form(session: Session) -> SigmaForm | None:
    """How a prior's graph takes sigma."""
    if "sigma" not in session.inputs:
        return None
    return "level" if len(session.inputs["sigma"].shape) == 1 else "map"


def check_weights(passport: Passport, file: str) -> None:
    """Refuse a file that was exported from other weights than those installed.

    :raises InputError: says what each has.
    """
    if passport.name not in registry.available():
        raise InputError(
            f"{file}: its prior {passport.name!r} is not installed; --reference compares with the "
            "reference beside it"
        )
    installed = registry.fingerprint(registry.describe(passport.name))
    if installed != passport.weights_sha256:
        raise InputError(
            f"{file}: exported from weights {passport.weights_sha256[:12]}…, {passport.name} has "
            f"{installed[:12]}… now: export it again, or compare with --reference"
        )
