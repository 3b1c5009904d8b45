"""JPEG deblocking: a decoded photo and its quantisation tables in."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from pnp_priors.export.example import Example, cases_of
from pnp_priors.export.graphs.restorations.jpeg import deblocking
from pnp_priors.export.inputs import Size, scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.physics.jpeg import chrominance_table, luminance_table, simulate, simulate_colour
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.tasks.jpeg_deblocking import JpegDeblockingRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

#: the goal; found were 0.7e-6 of scenes and 2.7e-6 of noise, of any size
TOLERANCE = 4e-6
#: quality of the file, 1 to 100
LEVEL = 20
#: whole blocks, blocks that the border cuts, and a single pixel, at several qualities
VERIFIED: tuple[tuple[Size, float], ...] = (
    ((1, 1, 48, 32), 50),
    ((1, 1, 35, 27), 20),
    ((1, 1, 1, 1), 20),
    ((1, 1, 8, 41), 5),
)


def restoration(pipeline: JpegDeblocking, prior: Prior, channels: int = 3) -> Restoration:
    """Inputs ``x`` ``[1, channels, height, width]`` and, on the scale of 0..255 that files use,
    ``tables`` ``[3, 8, 8]`` of Y, Cb and Cr in the pipeline's subsampling; of gray photos, and of
    a prior that restores the luminance alone, ``table`` ``[8, 8]``."""
    one_pass = "jpeg" in prior.tasks
    image = (1, channels, "height", "width")
    steps = {"table": (8, 8)} if one_pass or channels == 1 else {"tables": (3, 8, 8)}
    return Restoration(
        inputs={"x": image, **steps},
        # The optional input `size` makes the result smaller than what is given.
        output=image if one_pass else (1, channels, "visible_height", "visible_width"),
        tolerance=TOLERANCE,
        iterations=None if one_pass else schedule.iterations(pipeline),
        restore=partial(deblocking, pipeline, channels),
        cases=partial(cases, channels=channels),
    )


def example(restorer: Restorer, size: Size, level: float = LEVEL, seed: int = 0) -> Example:
    """A scene as a decoder shows it; there is nothing random in it.

    :param level: the quality.
    """
    clean = torch.from_numpy(scene(size)).float().clamp(0, 1)
    return compressed(restorer, clean, int(level))


def compressed(restorer: Restorer, clean: torch.Tensor, quality: int = LEVEL) -> Example:
    """A photo ``[1, 1 or 3, H, W]`` as a decoder shows it."""
    assert isinstance(restorer, JpegDeblockingRestorer)
    stated = restorer.pipeline.model_copy(update={"quality": quality})
    own = JpegDeblockingRestorer(stated, restorer.prior)
    luma, chroma = luminance_table(quality), chrominance_table(quality)
    gray = clean.shape[1] == 1
    x = simulate(clean, luma) if gray else simulate_colour(clean, luma, chroma)
    inputs = {"x": x.numpy()}
    if own.one_pass or gray:
        inputs["table"] = luma.numpy()
    else:
        inputs["tables"] = np.stack([luma.numpy(), chroma.numpy(), chroma.numpy()])
    return Example(inputs, own, None, clean.numpy(), f"quality {quality}")


def cases(restorer: Restorer, channels: int = 3) -> list[Case]:
    """Whole blocks, and blocks that the border cuts, restored in float64; the prior is float64
    afterwards."""
    sizes: tuple[Size, ...] = ((1, channels, 48, 32), (1, channels, 35, 27))
    return cases_of(example(restorer, size) for size in sizes)
