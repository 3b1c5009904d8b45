"""Restores files and folders with a pipeline, and the bundled example with measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors import images
from pnp_priors.errors import ConfigError, InputError, MissingFileError, PnpPriorsError

if TYPE_CHECKING:
    import torch

    from pnp_priors.pipelines.build import Progress, Restorer


@dataclass(frozen=True)
class Job:
    """One file to restore, and where to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """What came of a job; ``noise`` is the noise level that was used."""

    job: Job
    skipped: bool = False
    noise: float | None = None
    error: PnpPriorsError | None = None


@dataclass(frozen=True)
class ExampleResult:
    """Files written for an example; PSNR in dB and SSIM before and after, if there is a truth."""

    restored: Path
    comparison: Path
    noise: float
    psnr: tuple[float, float] | None
    ssim: tuple[float, float] | None


def plan(inputs: Iterable[Path], out: Path) -> list[Job]:
    """What to restore and where to: folders are searched and mirrored below ``out``.

    :param out: a folder; or, for a single input file, also a file name.
    :raises MissingFileError: an input does not exist.
    :raises InputError: no images in a folder, two inputs for one output, or an input that would
        be overwritten.
    """
    given = list(inputs)
    if len(given) == 1 and given[0].is_file() and images.is_image(out) and not out.is_dir():
        jobs = [Job(given[0], out)]
    else:
        if out.is_file():
            raise InputError(f"{out}: the output must be a folder here, this is a file")
        jobs = [job for path in given for job in _below(path, out)]
    sources: dict[Path, Path] = {}
    for job in jobs:
        if job.target.resolve() == job.source.resolve():
            raise InputError(f"{job.source}: the output would overwrite the input; choose another")
        other = sources.setdefault(job.target.resolve(), job.source)
        if other != job.source:
            raise InputError(f"{job.source} and {other} would both be written to {job.target}")
    return jobs


def _below(path: Path, out: Path) -> Iterator[Job]:
    if path.is_file():
        yield Job(path, out / path.name)
        return
    if not path.is_dir():
        raise MissingFileError(f"no such file or folder: {path}")
    inside = out.resolve()
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and images.is_image(file)
        # Hidden files are no photos, and earlier results no input.
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and (inside == path.resolve() or inside not in file.resolve().parents)
    ]
    if not found:
        raise InputError(f"{path}: no images in this folder")
    for file in found:
        yield Job(file, out / file.relative_to(path))


def restore_files(
    restorer: Restorer,
    jobs: Iterable[Job],
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Iterator[Done]:
    """Restore files one by one; a file that cannot be restored does not stop the others.

    :param overwrite: also restore what has its output already.
    :param progress: called after each iteration on each file.
    """
    for job in jobs:
        if job.target.exists() and not overwrite:
            yield Done(job, skipped=True)
            continue
        try:
            image = images.read(job.source)
            noise, restored = _restore(restorer, image, progress)
            images.write(job.target, restored)
        except PnpPriorsError as error:
            yield Done(job, error=_about(job.source, error))
        else:
            yield Done(job, noise=noise)


def _restore(
    restorer: Restorer, image: images.Image, progress: Progress | None
) -> tuple[float, images.Image]:
    noise = restorer.noise_level(image.pixels)
    pixels = restorer(image.pixels, noise=noise, progress=progress)
    return noise, image.with_pixels(pixels)


def _about(path: Path, error: PnpPriorsError) -> PnpPriorsError:
    """The error with the file's name in front, where it does not have it already."""
    text = str(error)
    return error if str(path) in text else InputError(f"{path}: {text}")


def restore_example(
    restorer: Restorer,
    out: Path,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> ExampleResult:
    """Restore the pipeline's own example; write the result and a picture that compares.

    :param announce: told what is going on, one line at a time.
    :raises ConfigError: the pipeline has no example.
    """
    from pnp_priors.pipelines.comparison import draw

    example = restorer.pipeline.example
    if example is None:
        raise ConfigError("this pipeline has no example: name the files or folders to restore")
    source = Path(example.blurred)
    blurred = images.read(source)
    sharp = images.read(Path(example.sharp)) if example.sharp else None
    if sharp is not None and sharp.pixels.shape != blurred.pixels.shape:
        raise InputError(
            f"{example.sharp}: is {list(sharp.pixels.shape)}, "
            f"{example.blurred} is {list(blurred.pixels.shape)}"
        )
    if announce is not None:
        announce(f"restoring the example {source}")
    noise, restored = _restore(restorer, blurred, progress)
    target = out / "deconvolution_restored.png"
    images.write(target, restored)

    psnr = ssim = None
    panels = [("blurred", blurred), ("restored", restored)]
    if sharp is not None:
        psnr, ssim = _scores(blurred, restored, sharp)
        panels = [
            (f"blurred   {psnr[0]:.2f} dB", blurred),
            (f"restored   {psnr[1]:.2f} dB", restored),
            ("original", sharp),
        ]
    comparison = out / "deconvolution_comparison.png"
    picture = draw(
        [(label, image.pixels) for label, image in panels], restorer.kernel.cpu().numpy()
    )
    images.whole(comparison, picture.save)
    return ExampleResult(target, comparison, noise, psnr, ssim)


def _scores(
    before: images.Image, after: images.Image, truth: images.Image
) -> tuple[tuple[float, float], tuple[float, float]]:
    import torch

    from pnp_priors.benchmark.metrics import psnr, ssim

    def tensor(image: images.Image) -> torch.Tensor:
        # As it is written: clipped and rounded to the file's depth.
        stored = images.to_stored(image.pixels, image.dtype)
        return torch.from_numpy(images.to_unit(stored))[None]

    first, second, clean = (tensor(image) for image in (before, after, truth))
    return (psnr(first, clean), psnr(second, clean)), (ssim(first, clean), ssim(second, clean))
