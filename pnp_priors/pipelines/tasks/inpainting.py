"""Inpainting: pixels that a mask names are filled by a solver around a prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Inpainting as InpaintingPhysics
from deepinv.physics import Physics
from torch import Tensor

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Prediction, Progress, Window
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.schemas.inpainting import Inpainting
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.inpainting import check_known, inpaint, inpainting_schedule
from pnp_priors.tiles import Tiled

#: priors for it are trained for one of these
SKILLS = ("gaussian",)


class InpaintingRestorer(Restorer):
    """Fills the pixels of a mask; ``physics``, deepinv's ``Inpainting``, replaces the mask.

    :param known: ``[H, W]``, zeros where pixels are missing, ones elsewhere.
    """

    pipeline: Inpainting

    def __init__(self, pipeline: Inpainting, prior: Denoiser, known: np.ndarray) -> None:
        super().__init__(pipeline, prior)
        self.register_buffer("known", torch.from_numpy(known.astype(np.float32)))
        self.known: Tensor

    #: its holes would count as noise
    estimable = False

    def predict(self, x: np.ndarray, window: Window) -> Prediction:
        return Prediction(
            x[:, window[0], window[1]], mask=self.known.cpu().numpy()[window].astype(bool)
        )

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        level = self.noise_level(y) if noise is None else noise
        assert level is not None
        known = self.known
        if physics is not None:
            if not isinstance(physics, InpaintingPhysics) or physics.mask is None:
                raise InputError(
                    f"inpainting needs an Inpainting with a mask, got {type(physics).__name__}; "
                    "leave it out to use the pipeline's own mask"
                )
            known = physics.mask
        elif known.shape != y.shape[-2:]:
            raise InputError(
                f"mask.file {self.pipeline.mask.file}: {known.shape[1]}x{known.shape[0]} pixels, "
                f"the image has {y.shape[-1]}x{y.shape[-2]}"
            )
        check_known(known, y)
        prior, choice = self.prior, self.pipeline.solver
        side = self._tile_side(y)
        if side is not None and isinstance(prior, Prior):
            prior = Tiled(prior, side)
        schedule = inpainting_schedule(level, choice.iterations)
        with self._watched(progress, prior=prior):
            return inpaint(y, known, prior, level, schedule, choice.name, choice.mirror)


def read_mask(path: Path, missing: str) -> np.ndarray:
    """Which pixels are known, ``[H, W]`` of booleans, from a black and white image.

    Gray values, as an editor's soft brush or JPEG makes them, count as missing from a half on.

    :param missing: ``white`` or ``black``.
    :raises MissingFileError, InputError: no image, one in colours, or nothing known in it.
    """
    picture = images.read(path)
    if len(picture.pixels) == 3 and not np.allclose(picture.pixels, picture.pixels[:1]):
        raise InputError(f"{path}: a mask is black and white, this picture has colours")
    white = picture.pixels[0] >= 0.5
    known = ~white if missing == "white" else white
    if not known.any():
        raise InputError(f"{path}: the mask leaves no known pixel; is mask.missing {missing}?")
    return known


def build(pipeline: Inpainting, prior: Denoiser) -> InpaintingRestorer:
    """Reads the mask."""
    with naming("mask.file"):
        known = read_mask(Path(pipeline.mask.file), pipeline.mask.missing)
    return InpaintingRestorer(pipeline, prior, known)
