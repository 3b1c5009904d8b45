"""What the restorers of all tasks have in common, whatever computes the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.monitoring import noise as noise_levels
from pnp_priors.monitoring.noise_level import estimated_noise
from pnp_priors.pipelines import batches, tiling
from pnp_priors.pipelines.outcome import Prediction, Progress, Used, Window
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.pipelines.watching import blind, quiet


class RestorerBase:
    """A pipeline that restores photos, apart from how their pixels are computed.

    A subclass for an engine can be called with photos, and implements what is not here; one for a
    task says what differs there.
    """

    pipeline: Pipeline
    #: what is known of the prior: ``channels``, ``blind``, ``halo`` and the like
    prior: Any
    #: whether photos are given unblurred
    sharp = False
    #: whether the noise level can be estimated from a photo as it is given
    estimable = True
    #: what a result is compared with, in words, see :meth:`baseline`
    baseline_words: ClassVar[str] = "input"
    #: the blur kernel ``[h, w]`` as its file has it, of any scale, where the task has one
    kernel_as_given: np.ndarray | None = None

    if TYPE_CHECKING:  # torch's modules have their own, which calls forward

        def __call__(
            self, y: Any, *, noise: float | None = None, progress: Progress | None = None
        ) -> Any:
            """Restore photos ``[C, H, W]`` or ``[B, C, H, W]``.

            :param noise: of :meth:`noise_level`.
            """

    def baseline(self, pixels: np.ndarray) -> np.ndarray:
        """What a result is compared with, and what ``strength: 0`` gives.

        :param pixels: ``[C, H, W]`` in [0, 1], as a file has it.
        :returns: of the result's size and channels.
        """
        raise NotImplementedError

    def _batched(self, y: Any) -> Any:
        """A photo in any allowed form as ``[B, C, H, W]``, checked."""
        raise NotImplementedError

    @property
    def engine(self) -> dict[str, str]:
        """What computes, and where: for reports."""
        raise NotImplementedError

    @property
    def one_pass(self) -> bool:
        """Whether the prior restores by itself, without a solver."""
        return False

    @property
    def iterations(self) -> int:
        """Steps that ``progress`` counts for a photo restored whole."""
        solver = getattr(self.pipeline, "solver", None)
        return 1 if solver is None else solver.iterations

    def noise_level(self, y: Any) -> float | None:
        """The noise level that the pipeline states, or an estimate from ``y``, in [0, 1] units.

        ``None`` where this task or this prior is told none.

        :raises InputError: no estimate is possible, the photo is too small or too plain.
        """
        noise = getattr(self.pipeline, "noise", None)
        if noise is None:
            return None
        return estimated_noise(self._batched(y), self.sharp) if self._estimates else noise.sigma

    def describe(self, level: float | None, image: images.Image) -> Used:
        """How a photo is restored with a noise level of :meth:`noise_level`."""
        if level is None:
            return Used(None, "no noise level needed", self._remarks())
        if not self._estimates:
            words = (
                f"noise level {255 * level:.2f}/255, as given" if level else "no noise, as given"
            )
        else:
            found = noise_levels.with_spread(level, image.pixels[None], self.sharp)
            words = f"noise level {found}, estimated"
        return Used(level, words, self._remarks())

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
        plain = len(batch) > 1 and type(self).restore_image is RestorerBase.restore_image
        levels = {self.noise_level(image.pixels) for image in batch} if plain else set()
        level = levels.pop() if len(levels) == 1 else None
        if level is None:
            return batches.in_turn(self, batch, paths, progress)
        return batches.together(self, batch, level, progress)

    def restore_file(
        self, path: str | Path, progress: Progress | None = None
    ) -> tuple[images.Image, Used]:
        """Read a file and restore it, see :meth:`restore_image`.

        :raises MissingFileError, InputError: one line.
        """
        image = images.read(Path(path), self.pipeline.scale)
        return self.restore_image(image, Path(path), progress)

    def predict(self, x: np.ndarray, window: Window) -> Prediction | None:
        """What a restored photo would be measured as in a part of the photo given.

        :param x: ``[C, H, W]`` in [0, 1], all of the restored photo.
        :param window: that part, of the photo given; both start at even pixels.
        :returns: ``None`` where a task has no such thing, or noise that is not the same everywhere.
        """
        return None

    # --- for the tasks ---------------------------------------------------------------------------

    @property
    def _estimates(self) -> bool:
        """Whether each photo's noise level is estimated from it."""
        noise = getattr(self.pipeline, "noise", None)
        return getattr(noise, "sigma", None) == "auto"

    def _remarks(self) -> tuple[str, ...]:
        """What can be said of every photo."""
        if getattr(self.prior, "blind", False) and getattr(self.pipeline, "solver", None):
            return (blind(self.pipeline.prior.name),)
        return ()

    def check_tiles(self) -> None:
        """Refuse a side of tiles with which no photo can be cut.

        :raises InputError: says which there can be.
        """
        tiling.check(self.pipeline.tiles, self.prior)

    def _check_channels(self, channels: int) -> None:
        """Refuse photos that this prior is not for.

        :param channels: of the photo.
        """
        wanted = getattr(self.prior, "channels", 1)
        if wanted not in (1, channels):
            raise InputError(
                f"prior.name: {self.pipeline.prior.name} is for {wanted} channels, "
                f"the image has {channels}"
            )
