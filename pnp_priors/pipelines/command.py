"""``pnp-priors run``: restore files with a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.errors import InputError, MissingFileError, PnpPriorsError
from pnp_priors.pipelines import engines

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.engines import Make
    from pnp_priors.pipelines.inputs import Job
    from pnp_priors.pipelines.run import Done
    from pnp_priors.pipelines.settings import Pipeline

OUT = Path("pnp_priors_out")
FAILED, INTERRUPTED = 1, 130


def run(
    pipeline: Annotated[
        str,
        typer.Argument(
            help="A shipped pipeline's name, or a YAML file.", autocompletion=completion.pipelines
        ),
    ],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[IN]...",
            help="Images, folders, and patterns such as 'photos/**/*.png' in quotes; none: the "
            "bundled example.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help=f"Folder to write into; {OUT}/TASK if not given."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set noise.sigma=0.02"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Restore also what has been restored already.")
    ] = False,
    device: Annotated[
        str,
        typer.Option(help="Where to compute: cpu, cuda; tensorrt with the engine onnxruntime."),
    ] = "cpu",
    engine: Annotated[
        str, typer.Option(help="What computes: torch, or onnxruntime with exported graphs.")
    ] = "torch",
    graphs: Annotated[
        Path | None,
        typer.Option(
            envvar="PNP_PRIORS_GRAPHS",
            help="Folder of exported graphs, for the engine onnxruntime.  [default: "
            "pnp_priors_onnx]",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Restore so many images of one size together.")
    ] = 1,
    jobs: Annotated[
        int,
        typer.Option(
            min=0, help="Threads that read and write files meanwhile; 0: everything in turn."
        ),
    ] = 0,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Write a report beside each output: JSON, and a picture before and after.",
        ),
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Original image, or folder of originals with the inputs' names, to measure PSNR "
            "and SSIM against; implies --report."
        ),
    ] = None,
) -> None:
    """Restore images with a pipeline; folders keep their tree, files their bit depth.

    What is restored already is skipped, so an interrupted run is continued by the same command.
    Exit code: 0; 1 if files could not be restored; 2 for a mistake in the command; 130 after
    Ctrl-C.
    """
    from pnp_priors.pipelines import files

    make = engines.chosen(engine, device, graphs)
    # What it logs of a damaged file is in that file's error.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    overrides = files.parse_settings(settings or [])
    path = files.find(pipeline)
    checked = files.read(path, overrides)
    stated = output or (Path(checked.output) if checked.output else None)
    chosen = inputs or [Path(path) for path in checked.input]
    report = report or checked.report or reference is not None
    if reference is not None and not reference.exists():
        raise MissingFileError(f"--reference: no such file or folder: {reference}")
    if not chosen:
        useless = {"--reference": reference is not None, "--batch": batch > 1, "--jobs": jobs > 0}
        options = [option for option, given in useless.items() if given]
        if options:
            raise InputError(
                f"{', '.join(options)}: not for the bundled example; name the files to restore"
            )
        _run_example(checked, stated or OUT, make, report)
        return
    missing = [key for key in checked.of_example if key not in overrides]
    example = checked.example and Path(checked.example.input)
    own = [
        photo for photo in chosen if not (example and photo.exists() and photo.samefile(example))
    ]
    if path.parent == files.folder() and missing and own:
        raise InputError(
            f"{own[0]}: {missing[0]} is the bundled example's; name that of your photos: "
            f"--set {missing[0]}=FILE"
        )
    # Of each task its own, or the second task would find everything restored already.
    out = stated or OUT / checked.task.replace("-", "_")
    _run_files(checked, chosen, out, overwrite, make, batch, jobs, report, reference)


def _run_files(
    pipeline: Pipeline,
    inputs: list[Path],
    out: Path,
    overwrite: bool,
    make: Make,
    batch: int,
    threads: int,
    report: bool,
    reference: Path | None,
) -> None:
    from pnp_priors.pipelines.inputs import check_writable, left_out, plan, tidy
    from pnp_priors.pipelines.messages import Results, bar, console, say_left_out
    from pnp_priors.report.review import Review

    jobs = plan(inputs, out)
    todo = sum(overwrite or not job.done for job in jobs)
    check_writable(job for job in jobs if overwrite or not job.done)
    tidy(jobs)
    say_left_out(left_out(inputs, out))
    results = Results(console(), len(jobs))
    try:
        restorer = make(pipeline) if todo else None
        review = None if restorer is None else Review(restorer, report, reference)
        with bar(results.console) as shown:
            files = shown.add_task("files", total=todo)
            restored = _restored(
                restorer,
                jobs,
                overwrite,
                lambda n: shown.update(files, completed=n),
                batch,
                threads,
            )
            for done in restored:
                results.add(done)
                shown.update(files, completed=results.finished)
                if review is not None:
                    review.add(done)
    except KeyboardInterrupt:
        results.interrupted(overwrite)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        if isinstance(error, PnpPriorsError):
            raise
        # The disk is full or gone: what is finished stays.
        results.interrupted(overwrite, f"{error.filename or out}: {error.strerror or error}")
        raise typer.Exit(FAILED) from None
    results.summary()
    if report:
        results.unreported()
    if results.failed:
        raise typer.Exit(FAILED)


def _restored(
    restorer: RestorerBase | None,
    jobs: list[Job],
    overwrite: bool,
    progress: Callable[[float], None],
    batch: int,
    threads: int,
) -> Iterator[Done]:
    """:param restorer: None: nothing is to do, so none was loaded."""
    from pnp_priors.pipelines.run import Done, restore_files

    if restorer is None:
        return (Done(job, skipped=True) for job in jobs)
    return restore_files(restorer, jobs, overwrite, progress, batch, threads)


def _run_example(pipeline: Pipeline, out: Path, make: Make, report: bool) -> None:
    from pnp_priors.pipelines.example import restore_example
    from pnp_priors.pipelines.inputs import Job, check_folder, check_writable
    from pnp_priors.pipelines.messages import bar, console, measured, warn
    from pnp_priors.report.review import Review

    check_folder(out)
    check_writable([Job(Path(), out / "example.png")])
    said = console()
    try:
        restorer = make(pipeline)
        with bar(said) as shown:
            task = shown.add_task(f"{pipeline.task} with {pipeline.prior.name}", total=None)
            result = restore_example(
                restorer,
                out,
                lambda done, total: shown.update(task, completed=done, total=total),
                lambda text: said.print(text, markup=False),
            )
    except KeyboardInterrupt:
        warn("interrupted: nothing was written; the same command starts again")
        raise typer.Exit(INTERRUPTED) from None
    said.print(result.used.words, markup=False)
    for note in result.used.notes:
        warn(f"note: {note}")
    truth = pipeline.example.truth if pipeline.example else None
    Review(restorer, report, Path(truth) if truth else None).add(result.done)
    if result.scores is not None:
        for line in measured(result.scores):
            said.print(line, markup=False)
    said.print(f"wrote {result.restored.resolve()}", markup=False)
    said.print(f"wrote {result.comparison.resolve()}", markup=False)
