"""``pnp-priors verify``: an exported file against torch, or against its reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Annotated[Path, typer.Argument(help="What `pnp-priors export` wrote.")],
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Compare with the reference beside the file, not with torch."
        ),
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU.")] = 1,
) -> None:
    """Run an exported file and compare with torch, or with the reference beside it.

    Exit code 1: some difference is larger than the file's passport allows.
    """
    from pnp_priors.runtime.verify import verify as check

    verdict = check(file, reference, threads)
    print(verdict)
    if not verdict.passed:
        raise typer.Exit(1)
