"""JPEG deblocking: a decoded photo and its quantisation tables in."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from pnp_priors.export.graphs.restorations.jpeg import deblocking
from pnp_priors.export.inputs import scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.physics.jpeg import chrominance_table, luminance_table, simulate, simulate_colour
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.tasks.jpeg_deblocking import JpegDeblockingRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

#: of whole blocks 4e-6; those that the border cuts are projected by up to 500 steps with momentum,
#: which carry roundings along
TOLERANCE = 1e-5
QUALITY = 20
#: whole blocks, and blocks that the border cuts
_SIZES = ((48, 32), (35, 27))


def restoration(pipeline: JpegDeblocking, prior: Prior, channels: int = 3) -> Restoration:
    """Inputs ``x`` ``[1, channels, height, width]`` and, on the scale of 0..255 that files use,
    ``tables`` ``[3, 8, 8]`` of Y, Cb and Cr in the pipeline's subsampling; of gray photos, and of
    a prior that restores the luminance alone, ``table`` ``[8, 8]``."""
    one_pass = "jpeg" in prior.tasks
    image = (1, channels, "height", "width")
    steps = {"table": (8, 8)} if one_pass or channels == 1 else {"tables": (3, 8, 8)}
    return Restoration(
        inputs={"x": image, **steps},
        output=image,
        tolerance=TOLERANCE,
        iterations=None if one_pass else schedule.iterations(pipeline),
        restore=partial(deblocking, pipeline, channels),
        cases=partial(cases, channels=channels),
    )


def cases(restorer: Restorer, channels: int = 3) -> list[Case]:
    """Scenes as a decoder shows them at a low quality, restored in float64; the prior is float64
    afterwards."""
    assert isinstance(restorer, JpegDeblockingRestorer)
    stated = restorer.pipeline.model_copy(update={"quality": QUALITY})
    own = JpegDeblockingRestorer(stated, restorer.prior).double()
    luma, chroma = luminance_table(QUALITY), chrominance_table(QUALITY)
    found = []
    for height, width in _SIZES:
        clean = torch.from_numpy(scene((1, channels, height, width))).float().clamp(0, 1)
        x = simulate(clean, luma) if channels == 1 else simulate_colour(clean, luma, chroma)
        with torch.no_grad():
            restored = own(x.double()).float().numpy()
        inputs = {"x": x.numpy()}
        if own.one_pass or channels == 1:
            inputs["table"] = luma.numpy()
        else:
            inputs["tables"] = np.stack([luma.numpy(), chroma.numpy(), chroma.numpy()])
        found.append(Case(inputs, restored))
    return found
