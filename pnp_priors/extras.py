"""Packages that only an extra of this one installs, and the line that says so where one is missing.

:func:`need` is called where the torch side of the package begins; the command line says the same
of any other import that fails (:func:`pnp_priors.errors.exit_code`).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from pnp_priors.errors import MissingExtraError

#: by package, the extra that installs it
EXTRAS = {
    "torch": "torch",
    "deepinv": "torch",
    "onnxruntime": "onnxruntime",
    "onnx": "export",
    "lightning": "train",
    "lightning_fabric": "train",
    "jpeglib": "jpeg",
    "matplotlib": "torch",
}
#: what can be done without an extra
_WITHOUT = {"torch": "; exported priors run without it: pnp-priors run … --engine onnxruntime"}


def missing(package: str) -> MissingExtraError:
    """What to raise where a package of :data:`EXTRAS` is not installed."""
    extra = EXTRAS[package]
    line = f"this needs {package}: pip install 'pnp_priors[{extra}]'{_WITHOUT.get(extra, '')}"
    return MissingExtraError(line, name=package)


def need(*packages: str) -> None:
    """Refuse to go on without these packages, before they are imported.

    :raises MissingExtraError: one of them is not installed; says which extra installs it.
    """
    for package in packages:
        if not _installed(package):
            raise missing(package)


def installed(*packages: str) -> bool:
    """Whether these packages can be imported; none of them is."""
    return all(_installed(package) for package in packages)


def _installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return False
    # A folder of that name in the current folder is none.
    return spec is not None and spec.origin is not None
