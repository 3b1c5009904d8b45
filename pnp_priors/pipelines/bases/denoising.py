"""Denoising, apart from how it is computed: what the prior is told, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.pipelines.bases.restorer import RestorerBase
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Prediction, Used, Window
from pnp_priors.pipelines.schemas.denoising import Denoising

#: priors for it are trained for one of these
SKILLS = ("gaussian", "camera")


class DenoisingBase(RestorerBase):
    """A prior and what it is told: a noise level, a map of them, or nothing."""

    pipeline: Denoising
    sharp = True
    #: map of standard deviations ``[..., H, W]`` in [0, 1], in place of one noise level
    levels: Any

    @property
    def _untold(self) -> bool:
        """Whether the prior gets no noise level at all."""
        alone = self.pipeline.noise.sigma == "auto" and self.levels is None
        return is_blind(self.prior) or (getattr(self.prior, "estimates_sigma", False) and alone)

    @property
    def _estimates(self) -> bool:
        return super()._estimates and self.levels is None and not self._untold

    def noise_level(self, y: Any) -> float | None:
        if self.levels is not None:
            return None
        # The transform needs sigma also where the prior is blind.
        if self._untold and self.pipeline.noise.gain is None:
            return None
        return super().noise_level(y)

    def describe(self, level: float | None, image: images.Image) -> Used:
        noise, name = self.pipeline.noise, self.pipeline.prior.name
        notes = []
        if is_blind(self.prior) and noise.gain is None and noise.sigma != "auto":
            notes.append(f"noise.sigma is ignored: {name} is blind")
        if len(image.pixels) == 1 and getattr(self.prior, "channels", 1) == 3:
            notes.append(f"a gray photo: a gray prior suits it better than {name}")
        if noise.gain is not None:
            words = f"gain {255 * noise.gain:.2f}/255, sigma {255 * (level or 0):.2f}/255, as given"
        elif noise.map is not None:
            words = f"noise map {noise.map}"
        elif level is None:
            words = "blind prior" if is_blind(self.prior) else "noise levels estimated by the prior"
        else:
            words = super().describe(level, image).words
        return Used(level, words, tuple(notes))

    def predict(self, x: np.ndarray, window: Window) -> Prediction | None:
        # Signal-dependent noise has no one level.
        if self.pipeline.noise.gain is not None:
            return None
        return Prediction(x[:, window[0], window[1]])

    def _check_map(self, size: tuple[int, int]) -> None:
        """Refuse photos of another size than the map's, where there is one."""
        if self.levels is None:
            return
        (rows, columns), (height, width) = self.levels.shape[-2:], size
        if (rows, columns) != (height, width):
            raise InputError(
                f"noise.map {self.pipeline.noise.map}: {columns}x{rows} pixels, "
                f"the image has {width}x{height}"
            )

    def _check_photo(self, channels: int) -> None:
        """Refuse photos that this prior is not for: gray ones are for all that are told levels."""
        if channels != 1 or self._untold:
            self._check_channels(channels)


def stated_map(pipeline: Denoising, prior: Any) -> np.ndarray | None:
    """The map of noise levels that a pipeline names, if it names one.

    :raises InputError: a map for a blind prior, or one that cannot be used.
    """
    if pipeline.noise.map is None:
        return None
    if is_blind(prior):
        raise InputError(
            f"noise.map: {pipeline.prior.name} is blind and takes no map; choose a prior that is "
            "not, such as ffdnet-gray"
        )
    with naming("noise.map"):
        return read_map(Path(pipeline.noise.map))


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


def is_blind(prior: Any) -> bool:
    return bool(getattr(prior, "blind", False))
