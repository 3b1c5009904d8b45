"""What can be measured of any prior without knowing how it was made.

Functions are imported when they are asked for: the command line must not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pnp_priors.analysis._assess import assess
    from pnp_priors.analysis._receptive_field import (
        ReceptiveField,
        over_sigma,
        receptive_field,
    )

#: where each name is defined
_MODULES = {
    "ReceptiveField": "_receptive_field",
    "assess": "_assess",
    "over_sigma": "_receptive_field",
    "receptive_field": "_receptive_field",
}

__all__ = ["ReceptiveField", "assess", "over_sigma", "receptive_field"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
