"""The command line ``pnp-priors``. Heavy imports are inside the commands, so that help is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors.analysis.command import assess
from pnp_priors.analysis.receptive_field_command import receptive_field
from pnp_priors.benchmark.command import app as bench
from pnp_priors.errors import InputError, UnknownNameError, exit_code

if TYPE_CHECKING:
    from pnp_priors.pipelines.build import Restorer
    from pnp_priors.pipelines.schema import Deconvolution

OUT = Path("pnp_priors_out")

app = typer.Typer(
    help="Trained denoisers as plug-and-play priors: restore images, train and measure priors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
app.command()(assess)
app.command("receptive-field")(receptive_field)


@app.command("list")
def list_() -> None:
    """List the priors that can be loaded and the pipelines that can be run."""
    from rich.console import Console
    from rich.table import Table

    from pnp_priors import available, describe
    from pnp_priors.pipelines import available as pipelines

    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ("prior", "channels", "trained for", "parameters", "in a solver", "what")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in ("trained for", "what"))
    for name in available():
        card = describe(name)
        table.add_row(
            name,
            str(card.channels),
            card.trained_for,
            f"{card.parameters:,}",
            card.iterative_verdict,
            card.title,
        )
    # Piped output is read by programs: names must not be cut to the width of a screen.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)
    console.print(f"\npipelines: {', '.join(pipelines())}")


@app.command()
def info(name: Annotated[str, typer.Argument(help="A prior, see `pnp-priors list`.")]) -> None:
    """Show a prior's card: what it is, how it was trained, what it reaches."""
    from pnp_priors import describe

    print(describe(name))


@app.command()
def schema(
    task: Annotated[str, typer.Argument(help="A pipeline's task.")] = "deconvolution",
) -> None:
    """Print the JSON schema of a pipeline's YAML file, for editors that check as one types."""
    import json

    from pnp_priors.pipelines.schema import TASKS

    if task not in TASKS:
        raise UnknownNameError("task", task, sorted(TASKS))
    print(json.dumps(TASKS[task].model_json_schema(), indent=2))


@app.command()
def run(
    pipeline: Annotated[str, typer.Argument(help="A shipped pipeline's name, or a YAML file.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IN]...", help="Images and folders; none: the bundled example."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help=f"Folder to write into; {OUT} if not given."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set noise.sigma=0.02"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Restore also what has been restored already.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute, such as cpu or cuda.")] = "cpu",
) -> None:
    """Restore images with a pipeline; folders keep their tree, files their bit depth."""
    from pnp_priors.pipelines import files

    overrides = files.parse_settings(settings or [])
    path = files.find(pipeline)
    checked = files.read(path, overrides)
    out = output or (Path(checked.output) if checked.output else OUT)
    chosen = inputs or [Path(path) for path in checked.input]
    if chosen:
        if path.parent == files.folder() and "kernel.file" not in overrides:
            # Right for copies of the example, ruinous for anything else: it must be seen.
            print(
                "warning: restoring with the blur of the bundled example; "
                "give that of your images with --set kernel.file=FILE",
                file=sys.stderr,
            )
        _run_files(checked, chosen, out, overwrite, device)
    else:
        _run_example(checked, out, device)


def _run_files(
    pipeline: Deconvolution, inputs: list[Path], out: Path, overwrite: bool, device: str
) -> None:
    from rich.console import Console

    from pnp_priors.pipelines.run import plan, restore_files

    jobs = plan(inputs, out)
    restorer = _build(pipeline, device)
    console, failed, skipped = Console(soft_wrap=True, highlight=False), 0, 0
    with _progress(console) as bar:
        files = bar.add_task("files", total=len(jobs))
        steps = bar.add_task("iterations", total=restorer.iterations)
        results = restore_files(
            restorer,
            jobs,
            overwrite,
            lambda done, total: bar.update(steps, completed=done, total=total),
        )
        for result in results:
            bar.update(files, advance=1)
            if result.error is not None:
                failed += 1
                print(f"error: {_line(result.error)}", file=sys.stderr)
            elif result.skipped:
                skipped += 1
                console.print(f"skipped, done already: {result.job.target}", markup=False)
            else:
                noise = _noise(pipeline, result.noise)
                console.print(f"{result.job.source} -> {result.job.target} ({noise})", markup=False)
    console.print(
        f"{len(jobs) - failed - skipped} restored, {skipped} skipped, {failed} failed"
        + (" (--overwrite restores again)" if skipped else "")
    )
    if failed:
        raise typer.Exit(2)


def _run_example(pipeline: Deconvolution, out: Path, device: str) -> None:
    from rich.console import Console

    from pnp_priors.pipelines.run import restore_example

    if out.is_file():
        raise InputError(f"{out}: the output must be a folder here, this is a file")
    console = Console(soft_wrap=True, highlight=False)
    restorer = _build(pipeline, device)
    with _progress(console) as bar:
        task = bar.add_task(f"{pipeline.solver.name} with {pipeline.prior.name}", total=None)
        result = restore_example(
            restorer,
            out,
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda text: console.print(text, markup=False),
        )
    console.print(_noise(pipeline, result.noise))
    if result.psnr is not None and result.ssim is not None:
        console.print(
            f"PSNR   {result.psnr[0]:6.2f} dB blurred   {result.psnr[1]:6.2f} dB restored"
        )
        console.print(
            f"SSIM   {result.ssim[0]:6.4f}    blurred   {result.ssim[1]:6.4f}    restored"
        )
    console.print(f"wrote {result.restored.resolve()}", markup=False)
    console.print(f"wrote {result.comparison.resolve()}", markup=False)


def _build(pipeline: Deconvolution, device: str) -> Restorer:
    from pnp_priors.pipelines.build import build

    return build(pipeline, device)


def _noise(pipeline: Deconvolution, level: float | None) -> str:
    how = "estimated" if pipeline.noise.sigma == "auto" else "as given"
    return f"noise level {255 * (level or 0):.2f}/255, {how}"


def _progress(console):  # type: ignore[no-untyped-def]
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    return Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; continued if it is unfinished.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of training data.", envvar="PNP_PRIORS_DATA"),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget of the whole run.")] = None,
    session_minutes: Annotated[
        float | None, typer.Option(help="Stop after these, with a checkpoint to continue from.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(help="Name or card of a trained prior to start from.")
    ] = None,
) -> None:
    """Train a prior; writes weights and a card."""
    from pnp_priors.training import command

    command.train(recipe, data, out, minutes, session_minutes, start_from=start_from)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def main() -> None:
    """Run the command line; errors of this package are one line and exit code 2."""
    sys.exit(exit_code(app))


if __name__ == "__main__":
    main()
