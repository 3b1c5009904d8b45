"""Super-resolution: a small photo in, with its noise level and a kernel where the pipeline asks."""

from __future__ import annotations

from functools import partial

import numpy as np

from pnp_priors.export.example import Example, cases_of, told
from pnp_priors.export.graphs.restorations.super_resolution import super_resolution
from pnp_priors.export.inputs import Size, scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.export.tasks.deconvolution import kernel
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.pipelines.tasks.super_resolution import SuperResolutionRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case
from pnp_priors.solvers.super_resolution import enlarged_size

TOLERANCE = 1e-4
LEVEL = 0.01
#: odd, prime and a batch, a single pixel, narrow
VERIFIED: tuple[tuple[Size, float], ...] = (
    ((1, 3, 24, 21), 0.01),
    ((2, 1, 17, 19), 0.03),
    ((1, 1, 1, 1), 0.01),
    ((1, 3, 3, 29), 0.003),
)


def restoration(pipeline: SuperResolution, prior: Prior) -> Restoration:
    """Inputs ``x`` and, unless the prior enlarges in one pass, ``noise`` ``[1]``; with a kernel in
    the pipeline ``kernel`` ``[kernel_height, kernel_width]`` on the grid of the large photo."""
    channels = "channels" if prior.channels == 1 else prior.channels
    one_pass = "super-resolution" in prior.tasks
    inputs: dict[str, tuple[str | int, ...]] = {"x": ("batch", channels, "height", "width")}
    if not one_pass:
        inputs["noise"] = (1,)
        if pipeline.kernel is not None:
            inputs["kernel"] = ("kernel_height", "kernel_width")
    return Restoration(
        inputs=inputs,
        output=("batch", channels, "large_height", "large_width"),
        tolerance=TOLERANCE,
        iterations=None if one_pass else schedule.iterations(pipeline),
        restore=partial(super_resolution, pipeline),
        cases=cases,
    )


def example(restorer: Restorer, size: Size, level: float = LEVEL, seed: int = 0) -> Example:
    """A small photo with noise of this standard deviation."""
    assert isinstance(restorer, SuperResolutionRestorer)
    pipeline, (batch, channels, height, width) = restorer.pipeline, size
    blur = None if pipeline.kernel is None else kernel()
    own = SuperResolutionRestorer(pipeline, restorer.prior, blur)
    drawn = np.random.default_rng(seed).standard_normal(size)
    inputs = {"x": (scene(size) + level * drawn).astype(np.float32)}
    noise = told(level)
    if not own.one_pass:
        inputs["noise"] = noise
        if blur is not None:
            inputs["kernel"] = blur
    large = enlarged_size(height, width, pipeline.factor)
    given = None if own.one_pass else float(noise[0])
    # About what was reduced: scenes are drawn by formulas of a pixel's place in the photo.
    clean = scene((batch, channels, *large))
    return Example(inputs, own, given, clean, f"noise {255 * level:.3g}/255")


def cases(restorer: Restorer) -> list[Case]:
    """Small scenes with noise, restored in float64; the prior is float64 afterwards."""
    colours = getattr(restorer.prior, "channels", 1)
    sizes: tuple[Size, ...] = ((1, 3, 24, 21), (2, colours, 17, 19))
    return cases_of(example(restorer, size, seed=seed) for seed, size in enumerate(sizes))
