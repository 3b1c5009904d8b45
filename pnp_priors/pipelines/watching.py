"""Around a restoration: its steps are counted, and what is said elsewhere is not said twice."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pnp_priors.errors import BlindPriorWarning
from pnp_priors.pipelines.outcome import Progress

if TYPE_CHECKING:
    from torch import nn


def blind(name: str) -> str:
    """What is said of a blind prior in a solver."""
    return (
        f"{name} is blind: it ignores the solver's sigma; one that takes sigma suits iterative use "
        "better"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning of a blind prior, which is said among the notes: :func:`blind`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlindPriorWarning)
        yield


@contextmanager
def counted(prior: nn.Module, total: int, progress: Progress | None) -> Iterator[None]:
    """Report each call of the prior, of which every solver here makes one per iteration.

    :param total: how many there will be.
    """
    if progress is None:
        yield
        return
    done = 0

    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        progress(min(done, total), total)

    hook = prior.register_forward_hook(count)
    try:
        yield
    finally:
        hook.remove()
