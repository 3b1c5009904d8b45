"""Denoising: a noisy photo and its noise level in."""

from __future__ import annotations

from functools import partial

import numpy as np

from pnp_priors.errors import InputError
from pnp_priors.export.example import Example, cases_of, told
from pnp_priors.export.graphs.restorations.denoising import denoising
from pnp_priors.export.inputs import Size, scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

TOLERANCE = 4e-6
LEVEL = 20 / 255
#: odd, prime and a batch, a single pixel, narrow; up to beyond most trained ranges
VERIFIED: tuple[tuple[Size, float], ...] = (
    ((1, 3, 48, 40), 25 / 255),
    ((2, 1, 17, 23), 10 / 255),
    ((1, 1, 1, 1), 25 / 255),
    ((1, 3, 5, 41), 50 / 255),
)


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
    return Restoration(
        inputs={"x": image, "noise": (1,)} if _is_told(prior) else {"x": image},
        output=image,
        tolerance=TOLERANCE,
        iterations=None,
        restore=partial(denoising, pipeline),
        cases=cases,
    )


def example(restorer: Restorer, size: Size, level: float = LEVEL, seed: int = 0) -> Example:
    """A photo with noise of this standard deviation."""
    drawn = np.random.default_rng(seed).standard_normal(size)
    clean, noise = scene(size), told(level)
    inputs = {"x": (clean + level * drawn).astype(np.float32)}
    label = f"noise {255 * level:.3g}/255"
    if not _is_told(restorer.prior):
        return Example(inputs, restorer, None, clean, label)
    return Example({**inputs, "noise": noise}, restorer, float(noise[0]), clean, label)


def cases(restorer: Restorer) -> list[Case]:
    """Scenes with noise, restored in float64; the prior is float64 afterwards."""
    colours = getattr(restorer.prior, "channels", 1)
    sizes: tuple[Size, ...] = ((1, 3, 40, 36), (2, colours, 17, 23))
    return cases_of(example(restorer, size, seed=seed) for seed, size in enumerate(sizes))


def _is_told(prior: object) -> bool:
    """Whether it is told a noise level."""
    return not (getattr(prior, "blind", False) or getattr(prior, "estimates_sigma", False))
