"""The command line ``pnp-priors``. Heavy imports are inside the commands, so that help is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.analysis.command import assess
from pnp_priors.analysis.receptive_field_command import receptive_field
from pnp_priors.benchmark.command import app as bench
from pnp_priors.errors import exit_code
from pnp_priors.export.command import export
from pnp_priors.pipelines.command import run
from pnp_priors.runtime.command import verify
from pnp_priors.showing.command import compare, show
from pnp_priors.tuning.command import tune

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(
    help="Trained denoisers as plug-and-play priors: restore images, train and measure priors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
app.command()(assess)
app.command()(compare)
app.command()(export)
app.command("receptive-field")(receptive_field)
app.command()(run)
app.command()(show)
app.command()(tune)
app.command()(verify)


#: narrower screens are shown no parameters and titles: beside them, nothing else could be read
_WIDE = 120


@app.command("list")
def list_() -> None:
    """List the priors that can be loaded and the pipelines that can be run."""
    from rich.console import Console

    from pnp_priors.pipelines import available as pipelines

    # Piped output is read by programs: names must not be cut to the width of a screen.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(_priors(console.width))
    if console.width < _WIDE:
        print("\n`pnp-priors info NAME` says more, and so does this list in a wider window")
    console.print(f"\npipelines: {', '.join(pipelines())}")


def _priors(width: int) -> Table:
    """Of all priors, what fits into so many columns of characters."""
    from rich.table import Table

    from pnp_priors import available, describe

    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ["prior", "channels", "trained for", "in a solver"]
    headings += ["parameters", "what"] if width >= _WIDE else []
    wrapped = {"trained for", "what"} if width >= _WIDE else {"trained for", "in a solver"}
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in wrapped)
    for name in available():
        card = describe(name)
        row = (name, str(card.channels), card.trained_for, card.iterative_verdict)
        table.add_row(*(*row, f"{card.parameters:,}", card.title)[: len(headings)])
    return table


@app.command()
def info(
    name: Annotated[
        str,
        typer.Argument(
            help="A prior, see `pnp-priors list`; or FILE.onnx.", autocompletion=completion.priors
        ),
    ],
) -> None:
    """Show a prior's card, or an exported file's passport: what it is and what it reaches."""
    from pnp_priors import describe
    from pnp_priors.runtime.passport import read_passport

    print(read_passport(name) if name.endswith(".onnx") else describe(name))


@app.command()
def schema(
    task: Annotated[
        str | None, typer.Argument(help="A pipeline's task; all of them if not given.")
    ] = None,
) -> None:
    """Print the JSON schema of pipelines' YAML files, for editors that check as one types."""
    import json

    from pnp_priors.pipelines.schema import json_schema

    print(json.dumps(json_schema(task), indent=2))


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


def main() -> None:
    """Run the command line; errors of this package are one line and exit code 2."""
    # GNU's OpenMP reads it when torch is loaded. Its threads spin while they wait for each other,
    # 300,000 times by default: where other programs share the cores, genericdp took 4 to 30 times
    # as long. On idle cores so few cost it a tenth.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    sys.exit(exit_code(app))


if __name__ == "__main__":
    main()
