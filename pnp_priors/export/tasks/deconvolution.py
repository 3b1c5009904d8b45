"""Deconvolution: a photo, its kernel and its noise level in."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from pnp_priors.export.graphs.restorations.deconvolution import deconvolution
from pnp_priors.export.inputs import scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.tasks.deconvolution import DeconvolutionRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

TOLERANCE = 3e-5
NOISE = 0.02


def restoration(pipeline: Deconvolution, prior: Prior) -> Restoration:
    """Inputs ``x``, ``kernel`` ``[kernel_height, kernel_width]``, of any scale, and ``noise``
    ``[1]``."""
    channels = "channels" if prior.channels == 1 else prior.channels
    image = ("batch", channels, "height", "width")
    return Restoration(
        inputs={"x": image, "kernel": ("kernel_height", "kernel_width"), "noise": (1,)},
        output=image,
        tolerance=TOLERANCE,
        iterations=schedule.iterations(pipeline),
        restore=partial(deconvolution, pipeline),
        cases=cases,
    )


def kernel() -> np.ndarray:
    """A bent stroke, 7×5."""
    y, x = np.mgrid[-3:4, -2:3]
    stroke = np.exp(-((x - 0.4 * y + 0.2 * y**2 - 0.5) ** 2) / 0.5)
    return (stroke / stroke.sum()).astype(np.float32)


def blurred(size: tuple[int, int, int, int], blur: np.ndarray, seed: int = 0) -> np.ndarray:
    """A scene that was blurred as in a camera, with noise."""
    batch, channels, height, width = size
    rows, columns = blur.shape
    sharp = scene((batch, channels, height + rows - 1, width + columns - 1))
    found = np.zeros(size)
    for row, column in np.ndindex(rows, columns):
        part = sharp[..., row : row + height, column : column + width]
        found += blur[rows - 1 - row, columns - 1 - column] * part
    noise = np.random.default_rng(seed).standard_normal(size)
    return (found + NOISE * noise).astype(np.float32)


def cases(restorer: Restorer) -> list[Case]:
    """A colour and two gray photos, restored in float64; a colour prior gets colour alone.

    The prior is float64 afterwards.
    """
    assert isinstance(restorer, DeconvolutionRestorer)
    blur = kernel()
    own = DeconvolutionRestorer(restorer.pipeline, restorer.prior, blur).double()
    colours = getattr(restorer.prior, "channels", 1)
    found = []
    for size in ((1, 3, 40, 36), (2, colours, 23, 31)):
        x = blurred(size, blur)
        with torch.no_grad():
            restored = own(torch.from_numpy(x).double(), noise=NOISE).float().numpy()
        given = {"x": x, "kernel": blur, "noise": np.array([NOISE], np.float32)}
        found.append(Case(given, restored))
    return found
