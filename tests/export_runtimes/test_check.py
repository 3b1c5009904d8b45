"""`export/runtimes/check` itself; what it runs has tests of its own."""

from __future__ import annotations

import os
import subprocess

import pytest

from .conftest import RUNTIMES


@pytest.mark.parametrize("python", ["an environment/python", "./python", "python", "absolute"])
def test_the_interpreter_is_found_from_where_it_is_named(tmp_path, python):
    """Relative to the folder in which `check` is called, whatever folder it works in."""
    stub = tmp_path / ("python" if python == "absolute" else python)
    stub.parent.mkdir(exist_ok=True)
    # Says that it was called, and that nothing can be exported.
    stub.write_text(f"#!/bin/sh\necho x >> '{tmp_path}/called'\nexit 1\n")
    stub.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PYTHON": str(stub) if python == "absolute" else python,
        "PATH": path if python == "python" else os.environ["PATH"],
    }
    done = subprocess.run(
        [RUNTIMES / "check", tmp_path / "work"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "cannot be exported" in done.stderr
    assert (tmp_path / "called").read_text() == "x\n"
