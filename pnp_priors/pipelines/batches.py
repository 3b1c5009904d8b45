"""Images of one size, restored together where one noise level holds for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors import images
from pnp_priors.monitoring.traces import collected, of_image
from pnp_priors.pipelines.outcome import Progress, Used
from pnp_priors.pipelines.watching import quiet

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase

Restored = list[tuple[images.Image, Used]]


def in_turn(
    restorer: RestorerBase,
    batch: Sequence[images.Image],
    paths: Sequence[Path | None],
    progress: Progress | None,
) -> Restored:
    """Each by :meth:`RestorerBase.restore_image`, with its own traces."""
    results = []
    for position, (image, path) in enumerate(zip(batch, paths, strict=True)):

        def step(done: int, total: int, position: int = position) -> None:
            if progress is not None:
                progress(position * total + done, len(batch) * total)

        with collected() as runs:
            restored, used = restorer.restore_image(image, path, step)
        results.append((restored, replace(used, traces=of_image(runs, 0, 1))))
    return results


def together(
    restorer: RestorerBase,
    batch: Sequence[images.Image],
    level: float,
    progress: Progress | None,
) -> Restored:
    """All at once.

    :param level: the noise level of each.
    """
    with quiet(), collected() as runs:
        restored = restorer(
            np.stack([image.pixels for image in batch]), noise=level, progress=progress
        )
    results = []
    for position, (image, pixels) in enumerate(zip(batch, restored, strict=True)):
        traces = of_image(runs, position, len(batch))
        used = replace(restorer.describe(level, image), traces=traces)
        results.append((image.with_pixels(pixels), used))
    return results
