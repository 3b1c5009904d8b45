"""Deconvolution: a photo, its kernel and its noise level in."""

from __future__ import annotations

from functools import partial

import numpy as np

from pnp_priors.export.example import Example, cases_of, told
from pnp_priors.export.graphs.restorations.deconvolution import deconvolution
from pnp_priors.export.inputs import Size, scene
from pnp_priors.export.restorations import Restoration
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.tasks.deconvolution import DeconvolutionRestorer
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.reference import Case

TOLERANCE = 3e-5
LEVEL = 0.02
#: odd, prime and a batch, narrow; a photo must be larger than its kernel
VERIFIED: tuple[tuple[Size, float], ...] = (
    ((1, 3, 48, 40), 0.02),
    ((2, 1, 23, 31), 0.005),
    ((1, 1, 8, 41), 0.1),
    ((1, 3, 9, 7), 0.02),
)


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


def blurred(size: Size, blur: np.ndarray, seed: int = 0, noise: float = LEVEL) -> np.ndarray:
    """A scene that was blurred as in a camera, with noise."""
    height, width = size[2:]
    rows, columns = blur.shape
    sharp = _surrounded(size, blur)
    found = np.zeros(size)
    for row, column in np.ndindex(rows, columns):
        part = sharp[..., row : row + height, column : column + width]
        found += blur[rows - 1 - row, columns - 1 - column] * part
    drawn = np.random.default_rng(seed).standard_normal(size)
    return (found + noise * drawn).astype(np.float32)


def _surrounded(size: Size, blur: np.ndarray) -> np.ndarray:
    """A scene with all that blurs into a photo of this size."""
    batch, channels, height, width = size
    return scene((batch, channels, height + blur.shape[0] - 1, width + blur.shape[1] - 1))


def example(restorer: Restorer, size: Size, level: float = LEVEL, seed: int = 0) -> Example:
    """A blurred photo, with noise of this standard deviation."""
    assert isinstance(restorer, DeconvolutionRestorer)
    blur, noise, (height, width) = kernel(), told(level), size[2:]
    own = DeconvolutionRestorer(restorer.pipeline, restorer.prior, blur)
    inputs = {"x": blurred(size, blur, seed, level), "kernel": blur, "noise": noise}
    top, left = blur.shape[0] // 2, blur.shape[1] // 2
    clean = _surrounded(size, blur)[..., top : top + height, left : left + width]
    return Example(inputs, own, float(noise[0]), clean, f"noise {255 * level:.3g}/255")


def cases(restorer: Restorer) -> list[Case]:
    """A colour and two gray photos, restored in float64; a colour prior gets colour alone.

    The prior is float64 afterwards.
    """
    colours = getattr(restorer.prior, "channels", 1)
    return cases_of(example(restorer, size) for size in ((1, 3, 40, 36), (2, colours, 23, 31)))
