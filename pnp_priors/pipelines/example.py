"""Restores a pipeline's own example, measures it and draws a picture that compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors import images
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.images import size_words
from pnp_priors.pipelines.inputs import Job
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.run import Done

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.outcome import Progress, Used
    from pnp_priors.report.record import Scores


@dataclass(frozen=True)
class ExampleResult:
    """Files written for an example, and scores before and after, if there is a truth."""

    restored: Path
    comparison: Path
    used: Used
    done: Done
    scores: Scores | None


def restore_example(
    restorer: RestorerBase,
    out: Path,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> ExampleResult:
    """Restore the pipeline's own example; write the result and a picture that compares.

    It is compared with :meth:`pnp_priors.pipelines.bases.restorer.RestorerBase.baseline`: the
    input, enlarged or interpolated where the result has another size or more channels.

    :param announce: told what is going on, one line at a time.
    :raises ConfigError: the pipeline has no example.
    """
    from pnp_priors.pipelines.comparison import draw
    from pnp_priors.report.record import decibels, scores

    example = restorer.pipeline.example
    if example is None:
        raise ConfigError("this pipeline has no example: name the files or folders to restore")
    source = Path(example.input)
    with naming("example.input"):
        given = images.read(source, restorer.pipeline.scale)
    with naming("example.truth"):
        truth = images.read(Path(example.truth)) if example.truth else None
    if announce is not None:
        announce(f"restoring the example {source}")
    start = time.perf_counter()
    [(restored, used)] = restorer.restore_images([given], [source], progress)
    seconds = time.perf_counter() - start
    if truth is not None and truth.pixels.shape != restored.pixels.shape:
        raise InputError(
            f"example.truth: {example.truth}: {size_words(truth.pixels)}, "
            f"the restored example {size_words(restored.pixels)}"
        )
    name = restorer.pipeline.task.replace("-", "_")
    target = out / f"{name}_restored.png"
    images.write(target, restored)

    before = given.with_pixels(restorer.baseline(given.pixels))
    got = None
    panels = [(restorer.baseline_words, before), ("restored", restored)]
    if truth is not None:
        got = scores(before, restored, truth, str(example.truth), restorer.baseline_words)
        assert got is not None
        panels = [
            (f"{label}   {decibels(psnr)}", image)
            for (label, image), psnr in zip(panels, got.psnr, strict=True)
        ]
        panels.append(("original", truth))
    picture = draw([(label, image.pixels) for label, image in panels], restorer.kernel_as_given)
    comparison = out / f"{name}_comparison.png"
    images.whole(comparison, picture.save)
    done = Done(
        Job(source, target), used=(used,), seconds=seconds, before=(given,), after=(restored,)
    )
    return ExampleResult(target, comparison, used, done, got)
