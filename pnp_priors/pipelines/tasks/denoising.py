"""Denoising: one call of a prior, told a noise level, a map of them, or none if it is blind."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from deepinv.models import Denoiser
from deepinv.physics import Denoising as DenoisingPhysics
from deepinv.physics import GaussianNoise, Physics
from torch import Tensor

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.pipelines.restorer import Prediction, Progress, Restorer, Used, Window
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.stabilising import stabilised
from pnp_priors.tiles import tiled

#: priors for it are trained for one of these
SKILLS = ("gaussian", "camera")


class DenoisingRestorer(Restorer):
    """A prior and what it is told; a gray one restores colours channel by channel.

    A colour prior gets a gray photo three times and the mean of what it makes of it counts. It is
    told the square root of 3 times the noise level, at which the mean of three channels of
    *independent* noise, which it knows, is as noisy as the gray photo. Measured on 160×160 pixels
    of the bundled photo's mean at sigma 15/255 and 25/255, dB: ffdnet-gray 34.1 and 31.6;
    ffdnet-color 33.8 and 31.1 (without that factor 28.4 and 24.2); genericdp 33.8 and 31.4,
    genericdp-color 33.9 and 31.1. The blind dncnn-color-b, which cannot be told, left the photo as
    noisy as it was: blind colour priors refuse gray photos.

    :param levels: map of standard deviations ``[H, W]`` in [0, 1], in place of one noise level.
    """

    pipeline: Denoising
    sharp = True

    def __init__(
        self, pipeline: Denoising, prior: Denoiser, levels: np.ndarray | None = None
    ) -> None:
        super().__init__(pipeline, prior)
        values = None if levels is None else torch.from_numpy(levels)[None, None]
        self.register_buffer("levels", values, persistent=False)
        self.levels: Tensor | None

    @property
    def _untold(self) -> bool:
        """Whether the prior gets no noise level at all."""
        alone = self.pipeline.noise.sigma == "auto" and self.levels is None
        return _blind(self.prior) or (getattr(self.prior, "estimates_sigma", False) and alone)

    @property
    def _estimates(self) -> bool:
        return super()._estimates and self.levels is None and not self._untold

    def noise_level(self, y: Tensor | np.ndarray) -> float | None:
        if self.levels is not None:
            return None
        # The transform needs sigma also where the prior is blind.
        if self._untold and self.pipeline.noise.gain is None:
            return None
        return super().noise_level(y)

    def describe(self, level: float | None, image: images.Image) -> Used:
        noise, name = self.pipeline.noise, self.pipeline.prior.name
        notes = []
        if _blind(self.prior) and noise.gain is None and noise.sigma != "auto":
            notes.append(f"noise.sigma is ignored: {name} is blind")
        if len(image.pixels) == 1 and getattr(self.prior, "channels", 1) == 3:
            notes.append(f"a gray photo: a gray prior suits it better than {name}")
        if noise.gain is not None:
            words = f"gain {255 * noise.gain:.2f}/255, sigma {255 * (level or 0):.2f}/255, as given"
        elif noise.map is not None:
            words = f"noise map {noise.map}"
        elif level is None:
            words = "blind prior" if _blind(self.prior) else "noise levels estimated by the prior"
        else:
            words = super().describe(level, image).words
        return Used(level, words, tuple(notes))

    def predict(self, x: np.ndarray, window: Window) -> Prediction | None:
        # Signal-dependent noise has no one level.
        if self.pipeline.noise.gain is not None:
            return None
        return Prediction(x[:, window[0], window[1]])

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        gain = self.pipeline.noise.gain
        if physics is not None:
            gain, noise = None, _level_of(physics)
        level = self.noise_level(y) if noise is None else noise
        if gain is None:
            return self._denoise(y, self._map(y) if level is None else level, progress)
        assert level is not None
        return stabilised(lambda z, sigma: self._denoise(z, sigma, progress), y, gain, level)

    def _denoise(
        self, y: Tensor, level: float | Tensor | None, progress: Progress | None
    ) -> Tensor:
        gray = y.shape[1] == 1 and getattr(self.prior, "channels", 1) == 3
        if gray and level is not None:
            y = y.expand(-1, 3, -1, -1)
            root = math.sqrt(3)
            level = (
                (root * level).clamp(max=1) if isinstance(level, Tensor) else min(root * level, 1)
            )
        side = self._tile_side(y)
        if side is None or not isinstance(self.prior, Prior):
            restored = self.prior(y, level)
            if progress is not None:
                progress(1, 1)
        else:
            restored = tiled(self.prior, y, level, tile=side, progress=progress)
        return restored.mean(dim=1, keepdim=True) if gray else restored

    def _map(self, y: Tensor) -> Tensor | None:
        if self.levels is None:
            return None
        size, photo = list(self.levels.shape[-2:]), list(y.shape[-2:])
        if size != photo:
            raise InputError(
                f"noise.map {self.pipeline.noise.map}: is {size[0]}x{size[1]}, "
                f"the photo {photo[0]}x{photo[1]}"
            )
        return self.levels

    def _check(self, image: Tensor) -> None:
        if image.shape[1] != 1 or self._untold:
            super()._check(image)


def build(pipeline: Denoising, prior: Denoiser) -> DenoisingRestorer:
    """Reads the map of noise levels, if there is one.

    :raises InputError: a map for a blind prior, or one that cannot be used.
    """
    if pipeline.noise.map is None:
        return DenoisingRestorer(pipeline, prior)
    if _blind(prior):
        raise InputError(
            f"noise.map: {pipeline.prior.name} is blind and takes no map; choose a prior that is "
            "not, such as ffdnet-gray"
        )
    return DenoisingRestorer(pipeline, prior, read_map(Path(pipeline.noise.map)))


def read_map(path: Path) -> np.ndarray:
    """A map of standard deviations, float32 ``[H, W]`` in [0, 1], from an NPY or image file.

    :raises MissingFileError: no such file.
    :raises InputError: not numbers ``[H, W]``, colours, or values that are no noise levels.
    """
    if path.suffix.lower() == ".npy":
        if not path.is_file():
            raise MissingFileError(f"noise.map: no such file: {path}")
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"noise.map {path}: damaged or not a plain numpy array") from error
    else:
        values = images.read(path).pixels
        if len(values) == 3 and not (values == values[:1]).all():
            raise InputError(f"noise.map {path}: a map is gray, this picture has colours")
        values = values[0]
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":
        raise InputError(
            f"noise.map {path}: expected numbers [H, W], got {values.dtype} {list(values.shape)}"
        )
    if not np.isfinite(values).all() or values.min() < 0 or values.max() <= 0:
        raise InputError(f"noise.map {path}: expected finite values, none below 0, not all 0")
    if values.max() > 1:
        raise InputError(
            f"noise.map {path}: {values.max():g} looks like 0..255 units; images are in [0, 1], "
            "so divide the map by 255"
        )
    return values.astype(np.float32)


def _blind(prior: Denoiser) -> bool:
    return bool(getattr(prior, "blind", False))


def _level_of(physics: Physics) -> float:
    """The noise level that deepinv's ``Denoising(GaussianNoise(sigma))`` states."""
    model = getattr(physics, "noise_model", None)
    if not isinstance(physics, DenoisingPhysics) or not isinstance(model, GaussianNoise):
        raise InputError(
            "a denoising needs deepinv's Denoising with GaussianNoise; leave physics out to use "
            "what the pipeline states"
        )
    return float(model.sigma)
