"""Exported files, each made once in a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from pnp_priors.export import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``exported(name, sigma=None, precision="float32")``: the path of the file."""
    folder = tmp_path_factory.mktemp("exported")

    @lru_cache
    def make(name: str, sigma: str | None = None, precision: str = "float32") -> Path:
        path = folder / f"{name}-{sigma}-{precision}.onnx"
        return export(name, path, sigma=sigma, precision=precision)

    return make
