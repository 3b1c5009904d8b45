"""``pnp-priors verify``: exported files against torch, or against their references."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors.errors import PnpPriorsError

if TYPE_CHECKING:
    from pnp_priors.runtime.verify import Verdict


def verify(
    files: Annotated[list[Path], typer.Argument(help="What `pnp-priors export` wrote.")],
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Compare with the reference beside the file, not with torch."
        ),
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU.")] = 1,
) -> None:
    """Run exported files and compare with torch, or with the references beside them.

    Several files have a line each. Exit code 1: some difference is larger than a file's passport
    allows; 2: one could not be verified.
    """
    from pnp_priors.runtime.verify import verify as check

    if len(files) == 1:
        verdict = check(files[0], reference, threads)
        print(verdict)
        raise typer.Exit(0 if verdict.passed else 1)
    codes = [_line(path, partial(check, path, reference, threads)) for path in files]
    passed = codes.count(0)
    print(f"{passed} of {len(files)} files are within their tolerances")
    raise typer.Exit(max(codes))


def _line(path: Path, check: Callable[[], Verdict]) -> int:
    """One file's line, and its exit code."""
    try:
        verdict = check()
    except PnpPriorsError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"{'ok    ' if verdict.passed else 'FAILED'}  {path.name:<36}{verdict.summary}")
    return 0 if verdict.passed else 1
