"""deepinv's ``Denoiser`` base class without importing the rest of deepinv.

Importing deepinv takes over a second (it brings torchvision and torch's compiler along), and a
prior needs 200 lines of it. The class is the same object that ``deepinv.models.Denoiser`` is when
deepinv is imported before or after, so ``isinstance`` holds in both directions.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

MODULE = "deepinv.models.base"


class _Attach(MetaPathFinder):
    """Makes the early module an attribute of its package once deepinv is really imported."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = sys.modules.get("deepinv.models")
        if package is not None:
            package.base = self.module  # type: ignore[attr-defined]
            sys.meta_path.remove(self)
        return None


def _early_module() -> ModuleType | None:
    """Execute deepinv/models/base.py by itself; ``None`` where it cannot stand alone."""
    package = importlib.util.find_spec("deepinv")
    if package is None or not package.submodule_search_locations:
        return None
    source = Path(package.submodule_search_locations[0]) / "models" / "base.py"
    spec = importlib.util.spec_from_file_location(MODULE, source)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception:
        # Another deepinv, whose base module needs the others: import it the ordinary way.
        del sys.modules[MODULE]
        return None
    sys.meta_path.insert(0, _Attach(module))
    return module


if TYPE_CHECKING:
    from deepinv.models.base import Denoiser
else:
    _module = None if MODULE in sys.modules or "deepinv" in sys.modules else _early_module()
    if _module is None:
        from deepinv.models.base import Denoiser
    else:
        Denoiser = _module.Denoiser

__all__ = ["Denoiser"]
