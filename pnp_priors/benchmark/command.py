"""``pnp-priors bench``: measure priors and print published numbers beside ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.benchmark.tasks import LEVELS, Setting
from pnp_priors.errors import InputError, PnpPriorsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pnp_priors.benchmark.plan import Job
    from pnp_priors.card import Card

app = typer.Typer(
    help="Measure priors on the field's test sets, beside published numbers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Released priors.", autocompletion=completion.priors),
]
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
    dataset: Annotated[
        str, typer.Option("--set", help="BSD68, BSD68-256, CBSD68, Set12 or a folder below eval/.")
    ] = "BSD68",
    sigma: Sigmas = None,
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Denoise a test set: noise neither clipped nor rounded, output clipped, mean of PSNR."""
    setting = Setting("denoising", dataset)
    _measure([setting], names, sigma, data, limit, json, card, device)


@app.command()
def camera(
    names: Names,
    dataset: Annotated[
        str, typer.Option("--set", help="CBSD68 or a folder below eval/.")
    ] = "CBSD68",
    shot: Annotated[
        list[float] | None,
        typer.Option("--shot", help="Shot noise at full light, 0..1 units; repeatable."),
    ] = None,
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Denoise colour photographs of simulated cameras, by priors trained for them."""
    _measure([Setting("camera", dataset)], names, shot, data, limit, json, card, device)


@app.command()
def deblocking(
    names: Names,
    dataset: Annotated[
        str, typer.Option("--set", help="classic5, LIVE1, LIVE1-full or BSD68-half.")
    ] = "classic5",
    quality: Annotated[
        list[float] | None,
        typer.Option("--quality", help="JPEG quality, 1 to 100; repeatable."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A solver around a prior for noise: hqs; hqs-preset, admm-preset, drs-preset: as "
            "tuned for the prior; repeatable. Not given: one pass of a prior for JPEG."
        ),
    ] = None,
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Remove the artefacts of JPEG from gray images."""
    methods: list[str | None] = [*dict.fromkeys(method or [])] or [None]
    settings = [Setting("deblocking", dataset, how) for how in methods]
    _measure(settings, names, quality, data, limit, json, card, device)


@app.command("super-resolution")
def super_resolution(
    names: Names,
    dataset: Annotated[str, typer.Option("--set", help="Set5 or Set14.")] = "Set5",
    scale: Annotated[
        list[float] | None, typer.Option("--scale", help="2, 3 or 4; repeatable.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="hqs (default), or direct for priors trained for it; repeatable."),
    ] = None,
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Enlarge the Y channel of images that were reduced bicubically."""
    methods = list(dict.fromkeys(method or ["hqs"]))
    settings = [Setting("super-resolution", dataset, how) for how in methods]
    _measure(settings, names, scale, data, limit, json, card, device)


@app.command()
def deconvolution(
    names: Names,
    dataset: Annotated[str, typer.Option("--set", help="levin or set12.")] = "levin",
    sigma: Sigmas = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="hqs (default), hqs-genericdp, r-denoise; hqs-preset, admm-preset, drs-preset: "
            "as tuned for the prior; repeatable."
        ),
    ] = None,
    blur: Annotated[str, typer.Option(help="circular, or valid as in a photo.")] = "circular",
    data: DataFolder = None,
    limit: Limit = None,
    json: Json = None,
    card: ToCard = False,
    device: Device = "cpu",
) -> None:
    """Deconvolve a test set blurred by Levin's kernels, with white Gaussian noise."""
    from pnp_priors.benchmark.deconvolution import problem_set

    usual = problem_set(dataset).sigmas
    methods = list(dict.fromkeys(method or ["hqs"]))
    settings = [Setting("deconvolution", dataset, how, blur) for how in methods]
    _measure(settings, names, sigma or list(usual), data, limit, json, card, device)


@app.command("all")
def all_(
    out: Annotated[Path, typer.Option(help="Folder of results.json and results.md.")] = Path(
        "docs"
    ),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Priors of these names only; repeatable."),
    ] = None,
    render: Annotated[
        bool, typer.Option("--render", help="Measure nothing: write what results.json holds.")
    ] = False,
    data: DataFolder = None,
    limit: Limit = None,
    card: Annotated[bool, typer.Option("--card", help="Write results into the cards.")] = False,
    device: Device = "cpu",
) -> None:
    """Measure every released prior; what results.json holds already is not measured again."""
    from pnp_priors.benchmark import results
    from pnp_priors.benchmark.plan import jobs, plan
    from pnp_priors.benchmark.render import markdown
    from pnp_priors.benchmark.report import write_atomically
    from pnp_priors.training.command import data_folder

    _check_card(card, limit)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: the output is a folder, this is a file")
    if render and limit is not None:
        raise InputError("--render measures nothing: leave --limit out")
    path = out / "results.json"
    wanted = jobs(plan(), limit)
    names = results.chosen(wanted, only or ["*"])
    cells = results.read(path)
    if not render:
        results.check_limit(cells, limit, path)
        folder = data_folder(data)
        check_device(device)
        out.mkdir(parents=True, exist_ok=True)
        cells = results.valid(cells, wanted)
        todo = [job for job in results.missing(cells, wanted) if job.card.name in names]
        problems = results.problems(folder, todo)
        total = sum(len(problems[job.setting]) for job in todo)
        print(f"{len(wanted) - len(todo)} of {len(wanted)} known or left out, {len(todo)} to do")
        with _progress("bench", total) as done:
            order = [job.key for job in wanted]
            for cell in results.run(todo, problems, device, done):
                cells = sorted([*cells, cell], key=lambda cell: order.index(cell.key))
                results.write(path, cells)
        if not todo:
            results.write(path, cells)
    elif not path.is_file():
        raise InputError(f"--render: there is no {path}; run without it to measure")
    write_atomically(out / "results.md", markdown(cells))
    print(f"wrote {out / 'results.md'}")
    if card:
        _fill_cards(results.valid(cells, wanted), wanted, names)


def _fill_cards(cells: Sequence, wanted: Sequence[Job], names: Sequence[str]) -> None:
    from pnp_priors import registry
    from pnp_priors.benchmark.report import add_to_card
    from pnp_priors.benchmark.results import rows

    for name in names:
        for row in rows([cell for cell in cells if cell.prior == name]):
            add_to_card(registry.card_path(name), row)


def _measure(
    settings: Sequence[Setting],
    names: Sequence[str],
    levels: Sequence[float] | None,
    data: Path | None,
    limit: int | None,
    json: Path | None,
    card: bool,
    device: str,
) -> None:
    """Measure priors in settings that differ in their method at most; print and write."""
    from rich.console import Console

    from pnp_priors import registry
    from pnp_priors.benchmark.measuring import bench, check_suits, measure, usual_levels
    from pnp_priors.benchmark.report import (
        Measured,
        Report,
        add_to_card,
        result,
        table,
        write_json,
    )
    from pnp_priors.benchmark.tasks import command
    from pnp_priors.training.command import data_folder

    first = settings[0]
    module = bench(first.task)
    for setting in settings:
        for level in levels or LEVELS[first.task].usual:
            module.check(setting, level)
    _check_card(card, limit)
    if json is not None and not json.resolve().parent.is_dir():
        raise InputError(f"--json {json}: there is no such folder")
    check_device(device)
    names = list(dict.fromkeys(names))
    cards: dict[str, Card] = {name: registry.describe(name) for name in names}
    for setting in settings:
        for name in names:
            check_suits(cards[name], setting)
    chosen = {
        name: list(dict.fromkeys(levels or usual_levels(cards[name], first.task))) for name in names
    }
    problems = module.problems(data_folder(data), first, limit)
    measured = []
    total = sum(len(chosen[name]) for name in names) * len(settings) * len(problems)
    with _progress(first.task, total) as done:
        for name in names:
            prior = registry.load(name, device=device)
            for setting in settings:
                scores = {
                    level: measure(prior, problems, setting, level, device, done)
                    for level in chosen[name]
                }
                measured.append(Measured(name, setting, scores))
    same = len({tuple(some) for some in chosen.values()}) == 1
    methods = [setting.method for setting in settings if setting.method is not None]
    words = command(first, names, chosen[names[0]] if same else [], limit, methods)
    report = Report(first.task, first.dataset, len(problems), limit, measured, words)
    console = Console()
    console.print(table(report))
    console.print(report.protocol, style="dim", markup=False)
    if json is not None:
        write_json(json, report)
    if card:
        for row in measured:
            add_to_card(registry.card_path(row.prior), result(row))


def _check_card(card: bool, limit: int | None) -> None:
    if card and limit is not None:
        raise InputError("--card records results on whole sets only: leave --limit out")


def check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}") from error


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on the standard error; yields what to call after each image."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)


def main() -> None:
    """Run by itself: errors raised on purpose are one line and exit code 2."""
    try:
        app()
    except PnpPriorsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
