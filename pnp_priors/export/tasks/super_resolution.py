"""Super-resolution: a small photo in, with its noise level and a kernel where the pipeline asks."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from pnp_priors.export.graphs.restorations.super_resolution import super_resolution
from pnp_priors.export.inputs import scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.export.tasks.deconvolution import kernel
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.pipelines.tasks.super_resolution import SuperResolutionRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

TOLERANCE = 1e-4
NOISE = 0.01


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


def cases(restorer: Restorer) -> list[Case]:
    """Small scenes with noise."""
    assert isinstance(restorer, SuperResolutionRestorer)
    pipeline = restorer.pipeline
    blur = None if pipeline.kernel is None else kernel()
    own = SuperResolutionRestorer(pipeline, restorer.prior, blur)
    colours = getattr(restorer.prior, "channels", 1)
    found = []
    for seed, size in enumerate(((1, 3, 24, 21), (2, colours, 17, 19))):
        noise = np.random.default_rng(seed).standard_normal(size)
        x = (scene(size) + NOISE * noise).astype(np.float32)
        inputs = {"x": x}
        if not own.one_pass:
            inputs["noise"] = np.array([NOISE], np.float32)
            if blur is not None:
                inputs["kernel"] = blur
        with torch.no_grad():
            level = None if own.one_pass else NOISE
            restored = own(torch.from_numpy(x), noise=level).numpy()
        found.append(Case(inputs, restored))
    return found
