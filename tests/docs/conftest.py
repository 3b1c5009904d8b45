"""The modules of docs/_ext, which are not part of the package."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def extension(monkeypatch):
    """``extension("links")``: a module of docs/_ext."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    return importlib.import_module
