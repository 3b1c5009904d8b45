"""YAML pipelines: ``load("deconvolution")`` gives a restorer, the command line restores files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pnp_priors.pipelines.files import available

if TYPE_CHECKING:
    from pnp_priors.pipelines.build import Restorer, load

__all__ = ["Restorer", "available", "load"]


def __getattr__(name: str) -> Any:
    # The command line lists and checks pipelines without waiting for torch.
    if name in {"Restorer", "load"}:
        from pnp_priors.extras import need

        need("torch", "deepinv")
        from pnp_priors.pipelines import build

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
