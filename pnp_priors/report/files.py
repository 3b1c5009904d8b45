"""A report beside each restored file: ``a.png.report.json`` and ``a.png.report.png``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors import images
from pnp_priors.atomic import whole
from pnp_priors.errors import MissingFileError, PnpPriorsError
from pnp_priors.report.checks import Checks, check
from pnp_priors.report.record import Record, Scores, decibels, scores

if TYPE_CHECKING:
    from pnp_priors.images import Image
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.run import Done


#: keys of a pipeline that say nothing of how an image was restored
_OF_THE_RUN = {"input", "output", "example", "report"}


def check_page(restorer: RestorerBase, done: Done, page: int) -> Checks:
    """Check one page of what :func:`pnp_priors.pipelines.run.restore_files` gives."""
    used, before = done.used[page], done.before[page]
    noise = getattr(restorer.pipeline, "noise", None)
    whole_strength = restorer.pipeline.strength == 1
    return check(
        before.pixels,
        done.after[page].pixels,
        used.noise,
        stated=getattr(noise, "sigma", "auto") != "auto",
        # A blend with the input leaves less over than the restored image does.
        predict=restorer.predict if whole_strength else None,
        kernel=restorer.kernel_as_given,
        traces=used.traces,
        clipped=before.dtype != "float32",
        estimable=restorer.estimable,
        sharp=restorer.sharp,
    )


def kernel_warnings(restorer: RestorerBase) -> list[str]:
    """What the pipeline's kernel says by itself, once for all files."""
    from pnp_priors.monitoring.kernel import shape

    kernel = restorer.kernel_as_given
    return [] if kernel is None else shape(kernel).warnings


def write(
    restorer: RestorerBase,
    done: Done,
    checks: Sequence[Checks],
    reference: Path | None = None,
) -> list[Checks]:
    """Write the reports of a restored file, one for each page.

    :param reference: a file, or a folder as :func:`find_reference` searches it.
    :returns: the checks; among their warnings those of a reference that cannot be used.
    """
    source, target = done.job.source, done.job.target
    original, clean, problems = _originals(restorer, reference, source)
    several = len(done.used) > 1
    settings = restorer.pipeline.model_dump(mode="json", exclude=_OF_THE_RUN)
    if restorer.one_pass:
        settings.pop("solver", None)
    if "solver" in settings:
        # Where the file leaves it to a preset, as it was used.
        settings["solver"]["iterations"] = restorer.iterations
    reported = []
    for page, (used, found) in enumerate(zip(done.used, checks, strict=True)):
        name = f"{target.name}.page{page + 1}" if several else target.name
        path = target.with_name(f"{name}.report.json")
        truth = clean[page] if page < len(clean) else None
        after = done.after[page]
        before = done.before[page].with_pixels(restorer.baseline(done.before[page].pixels))
        got: Scores | None = None
        lines = list(problems)
        if truth is not None:
            got = scores(before, after, truth, str(original), restorer.baseline_words)
            if got is None:
                lines.append(
                    f"{original}: {images.size_words(truth.pixels)}, the restored image "
                    f"{images.size_words(after.pixels)}: not measured"
                )
                truth = None
        found = replace(found, warnings=(*found.warnings, *lines))
        reported.append(found)
        picture = path.with_suffix(".png")
        record = Record(
            input=str(source),
            output=str(target),
            pipeline=settings,
            sigma=used.noise,
            noise=used.words,
            checks=found,
            seconds=done.seconds / len(done.used),
            scores=got,
            notes=used.notes,
            page=page + 1 if several else None,
            picture=picture.name,
            engine=restorer.engine,
        )
        _draw(picture, (restorer.baseline_words, before), after, truth, record)
        record.write(path)
    return reported


def _originals(
    restorer: RestorerBase, reference: Path | None, source: Path
) -> tuple[Path | None, list[Image], list[str]]:
    """The original of a file, its pages, and what is wrong with it."""
    if reference is None:
        return None, [], []
    try:
        original = find_reference(reference, source)
        if original is None:
            return None, [], [f"no original of this name in {reference}: not measured"]
        return original, images.read_pages(original, restorer.pipeline.scale), []
    except (PnpPriorsError, OSError) as error:
        return None, [], [f"{error}: not measured"]


def has_report(target: Path) -> bool:
    """Whether there is a report of a restored file, or of its first page."""
    names = (target.name, f"{target.name}.page1")
    return any(target.with_name(f"{name}.report.json").is_file() for name in names)


def find_reference(reference: Path, source: Path) -> Path | None:
    """The original of an input: ``reference`` itself if it is a file.

    In a folder, what lies at the end of the input's own path: for ``in/deep/b.tif`` first
    ``in/deep/b.*``, then ``deep/b.*``, then ``b.*``; any kind of image.

    :returns: ``None`` where the folder has none.
    :raises MissingFileError: no such file or folder.
    """
    if reference.is_file():
        return reference
    if not reference.is_dir():
        raise MissingFileError(f"no such file or folder: {reference}")
    parents = source.parent.parts
    for first in range(len(parents) + 1):
        folder = reference.joinpath(*(part for part in parents[first:] if part != source.anchor))
        if not folder.is_dir():
            continue
        found = sorted(
            path
            for path in folder.iterdir()
            if path.stem == source.stem and images.is_image(path) and path.is_file()
        )
        if found:
            return found[0]
    return None


def _draw(
    path: Path, given: tuple[str, Image], after: Image, truth: Image | None, record: Record
) -> None:
    """:param given: what it is in words, and the image."""
    from pnp_priors.report.picture import detail, draw

    words, before = given
    first, second = [words], ["restored"]
    if record.scores is not None:
        for position, lines in enumerate((first, second)):
            text = f"PSNR {decibels(record.scores.psnr[position])}"
            if record.scores.ssim is not None:
                text += f", SSIM {record.scores.ssim[position]:.4f}"
            lines.append(text)
    panels = [(first, before.pixels), (second, after.pixels)]
    if truth is not None:
        panels.append((["reference"], truth.pixels))
    settings = record.pipeline
    solver = settings.get("solver")
    how = [str(settings["task"]), f"prior {settings['prior']['name']}"]
    if solver:
        count = solver["iterations"]
        how.append(f"{solver['name']}, {count} iteration{'s' if count != 1 else ''}")
    captions = [f"{', '.join(how)}; {record.noise}; {record.seconds:.2f} s"]
    if record.checks.residual is not None:
        left = record.checks.residual
        captions.append(
            f"residual: standard deviation {255 * left.std:.2f}/255, {left.ratio:.2f} times the "
            f"noise level; largest autocorrelation {left.correlation:+.2f}"
        )
    captions += [f"warning: {line}" for line in record.warnings]
    picture = draw(panels, detail(before.pixels, after.pixels), captions)
    whole(path, picture.save)
