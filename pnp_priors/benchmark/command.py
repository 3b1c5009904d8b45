"""``pnp-priors benchmark``: measure priors and print published numbers beside ours."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors.errors import InputError, PnpPriorsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pnp_priors.benchmark.metrics import Score
    from pnp_priors.benchmark.report import Report
    from pnp_priors.priors.base import Prior

app = typer.Typer(
    help="Measure priors on the field's test sets, beside published numbers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Released priors.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(help="Folder that holds eval/ and kernels/.", envvar="PNP_PRIORS_DATA"),
]
Sigmas = Annotated[
    list[float] | None, typer.Option("--sigma", help="Noise level, 0..255 scale; repeatable.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first so many images only.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write all numbers to this file.")]
ToCard = Annotated[bool, typer.Option("--card", help="Write the result into the prior's card.")]
Device = Annotated[str, typer.Option(help="Where priors run, such as cpu or cuda.")]


@app.command()
def denoising(
    names: Names,
    dataset: Annotated[str, typer.Option("--set", help="Folder below eval/.")] = "BSD68",
    sigma: Sigmas = None,
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Denoise a test set: noise neither clipped nor rounded, output clipped, mean of PSNR."""
    sigmas = _checked(sigma or [15.0, 25.0, 50.0], limit, card, json)
    names = list(dict.fromkeys(names))

    from pnp_priors.benchmark.data import evaluation_files
    from pnp_priors.benchmark.denoising import PROTOCOL, measure
    from pnp_priors.benchmark.report import Measured, Report
    from pnp_priors.training.command import data_folder

    files = evaluation_files(data_folder(data), dataset)[:limit]
    priors = _load(names, device)
    measured = []
    with _progress("denoising", len(priors) * len(sigmas) * len(files)) as done:
        for name, prior in priors.items():
            scores = {s: measure(prior, files, s, prior.channels, device, done) for s in sigmas}
            measured.append(Measured(name, None, scores))
    command = _command("denoising", names, dataset, sigmas, limit)
    extent = _extent(len(files), limit)
    _finish(Report("denoising", dataset, extent, PROTOCOL, command, measured), json, card)


@app.command()
def deconvolution(
    names: Names,
    dataset: Annotated[str, typer.Option("--set", help="levin or set12.")] = "levin",
    sigma: Sigmas = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="hqs (default), hqs-genericdp or r-denoise; repeatable."),
    ] = None,
    blur: Annotated[str, typer.Option(help="circular, or valid as in a photo.")] = "circular",
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Deconvolve a test set blurred by Levin's kernels, with white Gaussian noise."""
    from pnp_priors.benchmark.deconvolution import (
        BLURS,
        METHODS,
        known,
        problem_set,
        problems,
        solve,
    )
    from pnp_priors.benchmark.report import Measured, Report
    from pnp_priors.training.command import data_folder

    chosen = problem_set(dataset)
    sigmas = _checked(sigma or list(chosen.sigmas), limit, card, json)
    names = list(dict.fromkeys(names))
    methods = [known("deconvolution method", m, METHODS) for m in dict.fromkeys(method or ["hqs"])]
    known("blur", blur, BLURS)
    tasks = list(problems(data_folder(data), chosen, limit))
    priors = _load(names, device)
    measured = []
    total = len(priors) * len(methods) * len(sigmas) * len(tasks)
    with _progress("deconvolution", total) as done:
        for name, prior in priors.items():
            for how in methods:
                scores: dict[float, list[Score]] = {}
                for level in sigmas:
                    scores[level] = []
                    for problem in tasks:
                        scores[level].append(solve(problem, prior, how, level, blur, device))
                        done()
                measured.append(Measured(name, how, scores, blur))
    command = _command("deconvolution", names, dataset, sigmas, limit, methods, blur)
    extent = _extent(len(tasks), limit)
    _finish(Report("deconvolution", dataset, extent, BLURS[blur], command, measured), json, card)


def _checked(
    sigmas: Sequence[float], limit: int | None, card: bool, json: Path | None
) -> list[float]:
    """Refuse what would fail, or mislead, after minutes of measuring."""
    for sigma in sigmas:
        if not 0 < sigma <= 255:
            raise InputError(f"--sigma is on the 0..255 scale and above 0, got {sigma:g}")
        if sigma < 1:
            raise InputError(f"--sigma {sigma:g} looks like 0..1 units; here it is on 0..255")
    if card and limit is not None:
        raise InputError("--card records results on whole sets only: leave --limit out")
    if json is not None and not json.resolve().parent.is_dir():
        raise InputError(f"--json {json}: there is no such folder")
    return list(dict.fromkeys(sigmas))


def _load(names: Sequence[str], device: str) -> dict[str, Prior]:
    import torch

    from pnp_priors import registry

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}") from error
    return {name: registry.load(name, device=device) for name in names}


def _command(
    task: str,
    names: Sequence[str],
    dataset: str,
    sigmas: Sequence[float],
    limit: int | None,
    methods: Sequence[str] = (),
    blur: str | None = None,
) -> str:
    """The command line that measures this again, where ``PNP_PRIORS_DATA`` is set."""
    words = ["pnp-priors", "benchmark", task, *names, "--set", dataset]
    for sigma in sigmas:
        words += ["--sigma", f"{sigma:g}"]
    for method in methods:
        words += ["--method", method]
    if blur is not None:
        words += ["--blur", blur]
    if limit is not None:
        words += ["--limit", str(limit)]
    return shlex.join(words)


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on the standard error; yields what to call after each image."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)


def _extent(count: int, limit: int | None) -> str:
    return f"{count} image{'s' if count != 1 else ''}" + (
        " (published: whole set)" if limit is not None else ""
    )


def _finish(report: Report, json: Path | None, card: bool) -> None:
    """Print the table and write what was asked for."""
    from rich.console import Console

    from pnp_priors import registry
    from pnp_priors.benchmark.report import add_to_card, result, table, write_json

    console = Console()
    console.print(table(report))
    console.print(report.protocol, style="dim")
    if json is not None:
        write_json(json, report)
    if card:
        for row in report.measured:
            methods = [] if row.method is None else [row.method]
            sigmas = list(row.scores)
            command = _command(
                report.task, [row.prior], report.dataset, sigmas, None, methods, row.blur
            )
            label = ", ".join([report.dataset, *methods, *row.unusual])
            add_to_card(registry.CARDS / f"{row.prior}.yaml", result(row, label, command))


def main() -> None:
    """Run by itself: errors raised on purpose are one line and exit code 2."""
    try:
        app()
    except PnpPriorsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
