"""Errors of what a pipeline's key names, with that key in front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pnp_priors.errors import PnpPriorsError


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Put the key before the line of an error that does not begin with it."""
    try:
        yield
    except PnpPriorsError as error:
        if not str(error).startswith(key):
            error.args = (f"{key}: {error}",)
        raise
