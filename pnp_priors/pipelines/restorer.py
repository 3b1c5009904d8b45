"""What the restorers of all tasks have in common; each task is a subclass below ``tasks/``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from deepinv.models import Denoiser, Reconstructor
from deepinv.physics import Physics
from torch import Tensor, nn

from pnp_priors import images
from pnp_priors.errors import BlindPriorWarning, InputError
from pnp_priors.monitoring import noise as noise_levels
from pnp_priors.monitoring.iterates import Trace, collected, of_image
from pnp_priors.pipelines import tiling
from pnp_priors.pipelines.photos import Photo, as_given, batch, estimated_noise
from pnp_priors.pipelines.settings import Pipeline

#: called with the number of finished iterations and of all of them
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Used:
    """How a photo was restored.

    :param noise: noise level in [0, 1] units; ``None`` where the prior was told none.
    :param words: that in one line, for people.
    :param notes: what else its owner should know, one line each.
    :param traces: of a solver's iterates; several where a photo is restored in parts.
    """

    noise: float | None
    words: str
    notes: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()


#: rows and columns of a photo
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Prediction:
    """What a restored photo would be measured as, to compare it with the photo given.

    :param values: ``[C, H, W]`` in [0, 1].
    :param border: width in pixels of a border of it that is not to be trusted.
    :param mask: ``[H, W]`` or that of ``values``, true where there was a measurement; ``None``:
        everywhere.
    :param weights: of the channels, where their weighted sum alone was restored.
    """

    values: np.ndarray
    border: int = 0
    mask: np.ndarray | None = None
    weights: tuple[float, ...] | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning of a blind prior, which is said among the notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlindPriorWarning)
        yield


class Restorer(Reconstructor):
    """A pipeline as a ``deepinv.models.Reconstructor``.

    A subclass implements :meth:`_restore`, and where its task asks for it :meth:`noise_level`,
    :meth:`describe`, :meth:`_baseline` and :attr:`iterations`.

    :param pipeline: checked settings.
    :param prior: any deepinv denoiser.
    """

    def __init__(self, pipeline: Pipeline, prior: Denoiser) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.prior = prior
        # Knows where this is and how precise, also beside a prior without parameters.
        self.register_buffer("_here", torch.zeros(()), persistent=False)
        self._here: Tensor

    @property
    def iterations(self) -> int:
        """Steps that ``progress`` counts for a photo restored whole."""
        solver = getattr(self.pipeline, "solver", None)
        return 1 if solver is None else solver.iterations

    def noise_level(self, y: Tensor | np.ndarray) -> float | None:
        """The noise level that the pipeline states, or an estimate from ``y``, in [0, 1] units.

        ``None`` where this task or this prior is told none.

        :raises InputError: no estimate is possible, the photo is too small or too plain.
        """
        noise = getattr(self.pipeline, "noise", None)
        if noise is None:
            return None
        return estimated_noise(batch(y), self.sharp) if self._estimates else noise.sigma

    def describe(self, level: float | None, image: images.Image) -> Used:
        """How a photo is restored with a noise level of :meth:`noise_level`."""
        if level is None:
            return Used(None, "no noise level needed", self._remarks())
        if not self._estimates:
            words = f"noise level {255 * level:.2f}/255, as given"
        else:
            pixels = torch.from_numpy(np.ascontiguousarray(image.pixels))[None]
            words = f"noise level {noise_levels.with_spread(level, pixels, self.sharp)}, estimated"
        return Used(level, words, self._remarks())

    @torch.no_grad()
    def forward(
        self,
        y: Photo,
        physics: Physics | None = None,
        noise: float | None = None,
        progress: Progress | None = None,
    ) -> Photo:
        """Restore photos.

        :param y: a tensor or array ``[H, W]``, ``[C, H, W]`` or ``[B, C, H, W]``, float, in [0, 1].
        :param physics: to use instead of the degradation that the pipeline states, where its task
            has one.
        :param noise: the noise level, where it is known better than the pipeline knows it.
        :param progress: called after each step.
        :returns: restored photos of the same kind.
        :raises InputError: not such a photo, NaN in it, or one that the task or prior is not for.
        """
        image = batch(y).to(self._here)
        self._check(image)
        if noise is None and self._estimates and len(image) > 1:
            # Each photo has its own noise, and so its own schedule.
            parts = [self._restore(one[None], physics, None, progress) for one in image]
            restored = torch.cat(parts)
        else:
            restored = self._restore(image, physics, noise, progress)
        return as_given(self._at_strength(image, restored), y)

    def restore_image(
        self, image: images.Image, path: Path | None = None, progress: Progress | None = None
    ) -> tuple[images.Image, Used]:
        """Restore what was read from a file.

        :param image: as :func:`pnp_priors.images.read` gives it, pixels in the order of the file.
        :param path: of that file, for tasks that need more of it than pixels.
        :param progress: called after each step with the finished and all; the latter are more than
            :attr:`iterations` where the photo is restored in tiles.
        :returns: an image of the same kind, and how it was made.
        :raises InputError: one line, which does not always name the file.
        """
        level = self.noise_level(image.pixels)
        used = self.describe(level, image)
        with quiet():
            pixels = self(image.pixels, noise=level, progress=progress)
        return image.with_pixels(pixels), used

    def restore_images(
        self,
        batch: Sequence[images.Image],
        paths: Sequence[Path | None],
        progress: Progress | None = None,
    ) -> list[tuple[images.Image, Used]]:
        """Restore images of one size, each as :meth:`restore_image` does.

        They are computed together where one noise level holds for all; a task that needs more of a
        file than its pixels restores one after the other.

        :param paths: of their files.
        """
        # A task that restores an image in its own way may need its file, or its pixels alone.
        plain = len(batch) > 1 and type(self).restore_image is Restorer.restore_image
        levels = {self.noise_level(image.pixels) for image in batch} if plain else set()
        if len(levels) == 1 and None not in levels:
            (level,) = levels
            with quiet(), collected() as runs:
                pixels = self(
                    np.stack([image.pixels for image in batch]), noise=level, progress=progress
                )
            return [
                (
                    image.with_pixels(one),
                    replace(
                        self.describe(level, image), traces=of_image(runs, position, len(batch))
                    ),
                )
                for position, (image, one) in enumerate(zip(batch, pixels, strict=True))
            ]
        results = []
        for position, (image, path) in enumerate(zip(batch, paths, strict=True)):

            def step(done: int, total: int, position: int = position) -> None:
                if progress is not None:
                    progress(position * total + done, len(batch) * total)

            with collected() as runs:
                restored, used = self.restore_image(image, path, step)
            results.append((restored, replace(used, traces=of_image(runs, 0, 1))))
        return results

    def restore_file(
        self, path: str | Path, progress: Progress | None = None
    ) -> tuple[images.Image, Used]:
        """Read a file and restore it, see :meth:`restore_image`.

        :raises MissingFileError, InputError: one line.
        """
        image = images.read(Path(path), self.pipeline.scale)
        return self.restore_image(image, Path(path), progress)

    #: whether photos are given unblurred
    sharp = False
    #: whether the noise level can be estimated from a photo as it is given
    estimable = True

    def predict(self, x: np.ndarray, window: Window) -> Prediction | None:
        """What a restored photo would be measured as in a part of the photo given.

        :param x: ``[C, H, W]`` in [0, 1], all of the restored photo.
        :param window: that part, of the photo given; both start at even pixels.
        :returns: ``None`` where a task has no such thing, or noise that is not the same everywhere.
        """
        return None

    # --- for the tasks ---------------------------------------------------------------------------

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        """Restore ``[B, C, H, W]`` of one noise level; several photos only if ``noise`` is given.

        :param noise: ``None``: take that of :meth:`noise_level`.
        """
        raise NotImplementedError

    @property
    def _estimates(self) -> bool:
        """Whether each photo's noise level is estimated from it."""
        noise = getattr(self.pipeline, "noise", None)
        return getattr(noise, "sigma", None) == "auto"

    def _baseline(self, y: Tensor) -> Tensor:
        """What ``strength: 0`` gives: the input, brought to the size of the result."""
        return y

    def _remarks(self) -> tuple[str, ...]:
        """What can be said of every photo."""
        if getattr(self.prior, "blind", False) and getattr(self.pipeline, "solver", None):
            return (
                f"{self.pipeline.prior.name} is blind: it ignores the solver's sigma; one that "
                "takes sigma suits iterative use better",
            )
        return ()

    def _check(self, image: Tensor) -> None:
        """Refuse photos that this prior is not for."""
        channels = getattr(self.prior, "channels", 1)
        if channels not in (1, image.shape[1]):
            raise InputError(
                f"prior.name: {self.pipeline.prior.name} is for {channels} channels, "
                f"the image has {image.shape[1]}"
            )

    def _at_strength(self, y: Tensor, restored: Tensor) -> Tensor:
        strength = self.pipeline.strength
        return restored if strength == 1 else torch.lerp(self._baseline(y), restored, strength)

    def _tile_side(self, y: Tensor, channels: int | None = None, halo: int = 0) -> int | None:
        """Of the pipeline's key ``tiles``, see :func:`pnp_priors.pipelines.tiling.side`."""
        size = (y.shape[-2], y.shape[-1])
        return tiling.side(self.pipeline.tiles, self.prior, channels or y.shape[1], size, halo)

    @contextmanager
    def _watched(
        self, progress: Progress | None, tiles: int = 1, prior: nn.Module | None = None
    ) -> Iterator[None]:
        """Report each call of the prior, of which every solver here makes one per iteration.

        :param tiles: how many times it iterates.
        :param prior: that is called, if it is not the pipeline's own.
        """
        if progress is None:
            yield
            return
        done, total = 0, tiles * self.iterations

        def count(*_: Any) -> None:
            nonlocal done
            done += 1
            progress(min(done, total), total)

        hook = (prior or self.prior).register_forward_hook(count)
        try:
            yield
        finally:
            hook.remove()
