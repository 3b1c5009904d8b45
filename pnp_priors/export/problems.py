"""What ``pnp-priors verify`` has a file do, and what torch makes of the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from pnp_priors import registry
from pnp_priors.export.comparisons import (
    check_weights,
    example,
    restorer_of,
    sigma_form,
    task_of,
)
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.inputs import Size, in_torch, inputs_of, scene
from pnp_priors.export.tasks.deconvolution import kernel
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


def of_restoration(session: Session) -> Iterator[Problem]:
    """Small photos of the sizes and levels that the task names.

    They are compared with torch in float64; what is timed is float32.

    :raises InputError: the prior is not installed, or has got other weights since.
    :raises ConfigError: settings that this version does not know.
    """
    # Two of them: a module becomes float64 in place.
    restorer, exact = restorer_of(session), restorer_of(session)
    for number, (size, level) in enumerate(task_of(session).VERIFIED):
        if "kernel" in session.inputs:
            size = _larger_than(kernel(), size)
        ours = example(session, restorer, size, level, number)
        theirs = example(session, exact, size, level, number)
        yield Problem(
            label="×".join(map(str, ours.inputs["x"].shape)) + f", {ours.label}",
            inputs=ours.inputs,
            exact=theirs.in_float64,
            as_used=ours.in_float32,
            clean=ours.clean,
        )


def _larger_than(blur: np.ndarray, size: Size) -> Size:
    """At least one pixel more than a kernel in both directions, as the torch engine asks for."""
    rows, columns = blur.shape
    return (*size[:2], max(size[2], rows + 1), max(size[3], columns + 1))
