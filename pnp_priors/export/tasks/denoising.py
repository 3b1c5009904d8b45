"""Denoising: a noisy photo and its noise level in."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from pnp_priors.errors import InputError
from pnp_priors.export.graphs.restorations.denoising import denoising
from pnp_priors.export.inputs import scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

TOLERANCE = 4e-6
NOISE = 20 / 255


def restoration(pipeline: Denoising, prior: Prior) -> Restoration:
    """Inputs ``x`` and, unless the prior is told none, ``noise`` ``[1]``.

    :raises InputError: signal-dependent noise; a prior's own graph takes maps.
    """
    if pipeline.noise.gain is not None or pipeline.noise.map is not None:
        raise InputError(
            "noise: a graph takes one noise level; of noise.map export the prior itself, with "
            "--sigma map, and noise.gain needs Python"
        )
    image = ("batch", "channels" if prior.channels == 1 else prior.channels, "height", "width")
    told = not (prior.blind or prior.estimates_sigma)
    return Restoration(
        inputs={"x": image, "noise": (1,)} if told else {"x": image},
        output=image,
        tolerance=TOLERANCE,
        iterations=None,
        restore=partial(denoising, pipeline),
        cases=partial(cases, told=told),
    )


def cases(restorer: Restorer, told: bool = True) -> list[Case]:
    """Scenes with noise, restored in float64; the prior is float64 afterwards."""
    restorer = restorer.double()
    colours = getattr(restorer.prior, "channels", 1)
    found = []
    for seed, size in enumerate(((1, 3, 40, 36), (2, colours, 17, 23))):
        noise = np.random.default_rng(seed).standard_normal(size)
        x = (scene(size) + NOISE * noise).astype(np.float32)
        with torch.no_grad():
            photo = torch.from_numpy(x).double()
            restored = restorer(photo, noise=NOISE if told else None).float().numpy()
        inputs = {"x": x, "noise": np.array([NOISE], np.float32)} if told else {"x": x}
        found.append(Case(inputs, restored))
    return found
