"""Restores a pipeline's own example, measures it and draws a picture that compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors import images
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.pipelines.inputs import Job
from pnp_priors.pipelines.run import Done

if TYPE_CHECKING:
    from pnp_priors.pipelines.restorer import Progress, Restorer, Used


@dataclass(frozen=True)
class ExampleResult:
    """Files written for an example; PSNR in dB and SSIM before and after, if there is a truth."""

    restored: Path
    comparison: Path
    used: Used
    done: Done
    psnr: tuple[float, float] | None
    ssim: tuple[float, float] | None


def restore_example(
    restorer: Restorer,
    out: Path,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> ExampleResult:
    """Restore the pipeline's own example; write the result and a picture that compares.

    Where the result has another size than the input (super-resolution), the input is shown and
    measured enlarged by bicubic interpolation.

    :param announce: told what is going on, one line at a time.
    :raises ConfigError: the pipeline has no example.
    """
    from pnp_priors.pipelines.comparison import draw
    from pnp_priors.report.record import scores

    example = restorer.pipeline.example
    if example is None:
        raise ConfigError("this pipeline has no example: name the files or folders to restore")
    source = Path(example.input)
    given = images.read(source, restorer.pipeline.scale)
    truth = images.read(Path(example.truth)) if example.truth else None
    if announce is not None:
        announce(f"restoring the example {source}")
    start = time.perf_counter()
    [(restored, used)] = restorer.restore_images([given], [source], progress)
    seconds = time.perf_counter() - start
    if truth is not None and truth.pixels.shape != restored.pixels.shape:
        raise InputError(
            f"{example.truth}: is {list(truth.pixels.shape)}, "
            f"the restored example is {list(restored.pixels.shape)}"
        )
    name = restorer.pipeline.task.replace("-", "_")
    target = out / f"{name}_restored.png"
    images.write(target, restored)

    before = given.with_pixels(enlarged(given.pixels, restored.pixels.shape))
    psnr = ssim = None
    panels = [("input", before), ("restored", restored)]
    if truth is not None:
        got = scores(before, restored, truth, str(example.truth))
        assert got is not None
        psnr, ssim = got.psnr, got.ssim
        panels = [
            (f"input   {psnr[0]:.2f} dB", before),
            (f"restored   {psnr[1]:.2f} dB", restored),
            ("original", truth),
        ]
    kernel = getattr(restorer, "kernel", None)
    picture = draw(
        [(label, image.pixels) for label, image in panels],
        None if kernel is None else kernel.cpu().numpy(),
    )
    comparison = out / f"{name}_comparison.png"
    images.whole(comparison, picture.save)
    done = Done(
        Job(source, target), used=(used,), seconds=seconds, before=(given,), after=(restored,)
    )
    return ExampleResult(target, comparison, used, done, psnr, ssim)


def enlarged(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``[C, H, W]`` in another shape, to look at beside an image of that shape: bicubic, and gray
    in each channel.
    """
    from PIL import Image as Pillow

    channels, height, width = shape
    if pixels.shape[-2:] != (height, width):
        planes = [
            np.asarray(
                Pillow.fromarray(plane.astype(np.float32)).resize(
                    (width, height), Pillow.Resampling.BICUBIC
                )
            )
            for plane in pixels
        ]
        pixels = np.stack(planes)
    return np.broadcast_to(pixels, (channels, height, width)) if len(pixels) == 1 else pixels
