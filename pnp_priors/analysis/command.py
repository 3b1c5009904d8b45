"""``pnp-priors assess``: measure how far a prior can be trusted; a picture, a JSON file, a card."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.errors import InputError

if TYPE_CHECKING:
    from pnp_priors.analysis._assess import Progress
    from pnp_priors.analysis.model import Assessment

#: as in :mod:`pnp_priors.analysis._assess`, which is slow to import
ITERATIONS = 200


def assess(
    name: Annotated[
        str,
        typer.Argument(
            help="A prior, see `pnp-priors list`, or a card's path.",
            autocompletion=completion.priors,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of clean images; a photo and a synthetic one if not given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
    device: Annotated[str, typer.Option(help="Where to compute, such as cpu or cuda.")] = "cpu",
    iterations: Annotated[int, typer.Option(min=1, help="Of each solver.")] = ITERATIONS,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    equivariant: Annotated[
        bool, typer.Option("--equivariant", help="Averaged over flips and rotations.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Write the numbers into the prior's card, too.")
    ] = False,
) -> None:
    """Measure how far a prior can be trusted; writes NAME-assessment.png and .json."""
    from pnp_priors import registry
    from pnp_priors.benchmark.command import check_device

    usual = images is None and iterations == ITERATIONS and seed == 0 and not equivariant
    if card and not usual:
        raise InputError(
            "--card records the usual assessment only: leave out --images, --iterations, --seed "
            "and --equivariant"
        )
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: the output is a folder, this is a file")
    described = registry.describe(name)
    check_device(device)

    from pnp_priors.analysis import assess as measure
    from pnp_priors.analysis import picture
    from pnp_priors.analysis.scenes import own_images
    from pnp_priors.analysis.summary import summary
    from pnp_priors.benchmark.report import versions, write_atomically

    prior = registry.load(name, device=device, equivariant=equivariant)
    chosen = None if images is None else own_images(images, prior.channels)
    with _progress() as progress:
        found = measure(prior, chosen, seed=seed, iterations=iterations, progress=progress)
    found.weights = registry.fingerprint(described)
    found.command = _command(name, images, iterations, seed, equivariant)
    found.versions = versions()
    label = described.name + ("-equivariant" if equivariant else "")
    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"{label}-assessment.png", out / f"{label}-assessment.json"]
    picture.write(files[0], picture.draw(found, _title(label, found)))
    write_atomically(files[1], json.dumps(found.model_dump(mode="json"), indent=1) + "\n")
    print(f"{label}: {described.title}\n{summary(found)}")
    for file in files:
        print(f"wrote {file}")
    if card:
        add_to_card(registry.card_path(name), found)
        print(f"wrote {registry.card_path(name)}")


def add_to_card(path: Path, assessment: Assessment) -> None:
    """Put an assessment into a card, in the place of an earlier one; all else stays as it is.

    :raises MissingFileError, ConfigError: no card there, or not a valid one.
    """
    import yaml

    from pnp_priors.benchmark.report import write_atomically
    from pnp_priors.card import Card
    from pnp_priors.schema import parse_as, read_yaml

    content = read_yaml(path)
    parse_as(Card, content, str(path))
    content["assessment"] = assessment.compact()
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, text)


def _title(label: str, assessment: Assessment) -> str:
    weights = f", weights {assessment.weights[:12]}" if assessment.weights else ""
    return f"{label}, pnp_priors {assessment.versions['pnp_priors']}{weights}"


def _command(name: str, images: Path | None, iterations: int, seed: int, equivariant: bool) -> str:
    words = ["pnp-priors", "assess", name]
    words += [] if images is None else ["--images", str(images)]
    words += [] if iterations == ITERATIONS else ["--iterations", str(iterations)]
    words += [] if seed == 0 else ["--seed", str(seed)]
    words += ["--equivariant"] if equivariant else []
    return shlex.join(words)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each measure on the standard error."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bar:

        def show(measure: str, done: int, total: int) -> None:
            if measure not in tasks:
                tasks[measure] = bar.add_task(measure, total=total)
            bar.update(tasks[measure], completed=done)

        yield show
