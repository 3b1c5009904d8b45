"""Makes a restorer of a checked pipeline: kernel, prior, solver, boundary and colours together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from deepinv.models import Denoiser, PatchCovarianceNoiseEstimator, Reconstructor
from deepinv.physics import BlurFFT, Physics
from torch import Tensor

from pnp_priors import boundary, kernels, registry
from pnp_priors.errors import InputError
from pnp_priors.pipelines import files
from pnp_priors.pipelines.colour import restore_luminance
from pnp_priors.pipelines.schema import Deconvolution
from pnp_priors.solvers import SCHEDULES, solver

Photo = TypeVar("Photo", Tensor, np.ndarray)
#: called with the number of finished iterations and of all of them
Progress = Callable[[int, int], None]

#: noise is estimated on the middle of a large photo: this many pixels a side are plenty
_ESTIMATE_SIDE = 384
#: side and stride of its patches. Each channel by itself and every patch: with deepinv's defaults
#: (all channels in one patch, stride 3) estimates on 64×64 colour pixels came out at half the true
#: level, this way within 4 percent; from 256×256 on both are within 3.
_ESTIMATE_PATCH, _ESTIMATE_STRIDE = 8, 1


class Restorer(Reconstructor):
    """A pipeline as a ``deepinv.models.Reconstructor`` that knows its own blur.

    :param pipeline: checked settings.
    :param prior: any deepinv denoiser.
    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read` returns it.
    """

    def __init__(self, pipeline: Deconvolution, prior: Denoiser, kernel: np.ndarray) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.prior = prior
        self.register_buffer("kernel", torch.from_numpy(kernels.check(kernel)))
        self.kernel: Tensor

    @property
    def iterations(self) -> int:
        return self.pipeline.solver.iterations

    def noise_level(self, y: Photo) -> float:
        """The noise level that the pipeline states, or an estimate from ``y``, in [0, 1] units.

        :raises InputError: no estimate is possible, the photo is too small or too plain.
        """
        stated = self.pipeline.noise.sigma
        if not isinstance(stated, str):
            return stated
        image = _batch(y)
        rows, columns = ((max(size - _ESTIMATE_SIDE, 0) // 2) for size in image.shape[-2:])
        middle = image[..., rows : rows + _ESTIMATE_SIDE, columns : columns + _ESTIMATE_SIDE]
        try:
            levels = PatchCovarianceNoiseEstimator.estimate_noise(
                middle.flatten(0, 1)[:, None].float().cpu(), _ESTIMATE_PATCH, _ESTIMATE_STRIDE
            )
        except (RuntimeError, ValueError, IndexError) as error:
            raise InputError(
                "the noise level cannot be estimated from this photo; set noise.sigma"
            ) from error
        if not torch.isfinite(levels).all():
            raise InputError("the noise level cannot be estimated from this photo; set noise.sigma")
        return float(levels.square().mean().sqrt())

    @torch.no_grad()
    def forward(
        self,
        y: Photo,
        physics: Physics | None = None,
        noise: float | None = None,
        progress: Progress | None = None,
    ) -> Photo:
        """Restore blurred photos.

        :param y: a tensor or array ``[H, W]``, ``[C, H, W]`` or ``[B, C, H, W]``, float, in [0, 1].
        :param physics: a ``BlurFFT`` to use instead of the pipeline's kernel; its blur is circular
            by its own word, so nothing is done about the boundary then.
        :param noise: the noise level, where it is known better than the pipeline knows it.
        :param progress: called after each iteration.
        :returns: restored photos of the same kind, shape and size.
        :raises InputError: not such a photo, NaN in it, or not larger than the kernel.
        """
        image = _batch(y).to(self.kernel)
        if noise is None and self.pipeline.noise.sigma == "auto" and len(image) > 1:
            # Each photo has its own noise, and so its own schedule.
            parts = [self._restore(one[None], physics, None, progress) for one in image]
            restored = torch.cat(parts)
        else:
            restored = self._restore(image, physics, noise, progress)
        if isinstance(y, Tensor):
            return restored.reshape(y.shape).to(y)
        return restored.reshape(y.shape).cpu().numpy().astype(y.dtype)

    def _restore(
        self, y: Tensor, physics: Physics | None, noise: float | None, progress: Progress | None
    ) -> Tensor:
        level = self.noise_level(y) if noise is None else noise
        if physics is not None:
            if not isinstance(physics, BlurFFT):
                raise InputError(
                    f"a deconvolution needs a BlurFFT, got {type(physics).__name__}; leave it out "
                    "to use the pipeline's own kernel"
                )
            return self._solve(y, physics.filter, level, progress)
        size = (self.kernel.shape[0], self.kernel.shape[1])
        kernels.check_fits(
            size, y.shape[-2], y.shape[-1], f"kernel.file {self.pipeline.kernel.file}"
        )
        canvas = boundary.extend(y, self.kernel, self.pipeline.boundary)
        return canvas.crop(self._solve(canvas.y, self.kernel[None, None], level, progress))

    def _solve(self, y: Tensor, kernel: Tensor, noise: float, progress: Progress | None) -> Tensor:
        size = y.shape[-2:]
        # deepinv repeats a kernel for each channel; only a physics given by the caller may have
        # really different ones, and those cannot be solved on the luminance.
        if torch.equal(kernel, kernel[:, :1].expand_as(kernel)):
            kernel = kernel[:, :1]

        def solve(image: Tensor, level: float) -> Tensor:
            shape = (image.shape[1], *size)
            blur = BlurFFT(img_size=shape, filter=kernel, device=image.device)
            choice = self.pipeline.solver
            schedule = SCHEDULES[choice.schedule](level, choice.iterations)
            return solver(choice.name, self.prior, schedule)(image, blur)

        watch = self._watch(progress)
        try:
            # A colour prior has no use for the luminance alone.
            gray = getattr(self.prior, "channels", 1) == 1 and kernel.shape[1] == 1
            if self.pipeline.color == "luminance" and y.shape[1] == 3 and gray:
                one = BlurFFT(img_size=(1, *size), filter=kernel, device=y.device)
                return restore_luminance(y, one, noise, solve)
            return solve(y, noise)
        finally:
            watch()

    def _watch(self, progress: Progress | None) -> Callable[[], None]:
        """Report each call of the prior, of which every solver here makes one per iteration."""
        if progress is None:
            return lambda: None
        done = 0

        def count(*_: Any) -> None:
            nonlocal done
            done += 1
            progress(min(done, self.iterations), self.iterations)

        return self.prior.register_forward_hook(count).remove


def load(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
) -> Restorer:
    """A pipeline, ready to restore.

    :param name_or_path: a shipped pipeline's name, or a YAML file.
    :param overrides: values by dotted key: ``{"kernel.file": "blur.png", "noise.sigma": 0.01}``.
    :raises ConfigError, MissingFileError, UnknownNameError, InputError: one line each, which names
        the key or the file.
    """
    pipeline = files.read(files.find(name_or_path), overrides)
    return build(pipeline, device)


def build(pipeline: Deconvolution, device: str | torch.device | None = None) -> Restorer:
    """A restorer of checked settings; reads the kernel and loads the prior."""
    kernel = kernels.read(Path(pipeline.kernel.file), pipeline.kernel.key)
    card = registry.describe(pipeline.prior.name)
    if "gaussian" not in card.tasks:
        raise InputError(
            f"prior.name: {card.name} is trained for {', '.join(card.tasks)}, "
            "a solver needs a prior trained for noise (gaussian)"
        )
    prior = registry.load(pipeline.prior.name, weights=pipeline.prior.weights)
    try:
        return Restorer(pipeline, prior, kernel).to(device or "cpu").eval()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device}: {str(error).splitlines()[0]}") from error


def _batch(y: Photo) -> Tensor:
    """Any allowed form of a photo as ``[B, C, H, W]``, checked."""
    if not isinstance(y, (Tensor, np.ndarray)):
        raise InputError(f"expected a tensor or an array, got {type(y).__name__}")
    image = y if isinstance(y, Tensor) else torch.from_numpy(np.ascontiguousarray(y))
    if image.ndim not in {2, 3, 4} or image.numel() == 0:
        raise InputError(f"expected [H, W], [C, H, W] or [B, C, H, W], got {list(image.shape)}")
    if not image.is_floating_point():
        raise InputError(f"expected floating point values in [0, 1], got {image.dtype}")
    image = image.reshape((1,) * (4 - image.ndim) + tuple(image.shape))
    if image.shape[1] not in {1, 3}:
        raise InputError(f"expected 1 or 3 channels, got {image.shape[1]}")
    if not torch.isfinite(image).all():
        raise InputError("the photo has values that are NaN or infinite")
    return image
