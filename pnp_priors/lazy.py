"""Names of a package that are imported when they are first used, so that others need not wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from pnp_priors.extras import need


def lazily(package: str, modules: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562).

    :param package: the module's ``__name__``.
    :param modules: by the name of a module below it, what comes from there. They need torch and
        deepinv: without these using the names is a MissingExtraError, not looking for them.
    """
    origins = {name: module for module, names in modules.items() for name in names}

    def getattr_(name: str) -> Any:
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        need("torch", "deepinv")
        return getattr(import_module(f"{package}.{origins[name]}"), name)

    return getattr_
