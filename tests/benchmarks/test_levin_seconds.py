"""The seconds of a deconvolution: what is timed restores, and by every way the same."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    module = importlib.import_module("levin_seconds")
    monkeypatch.setattr(module, "SIDE", 48)
    monkeypatch.setattr(module, "PRIORS", ("genericdp",))
    return module


def test_every_way_solves_the_problem(script: ModuleType, tmp_path: Path) -> None:
    problem = script.problem(None)
    assert problem.photo.shape == (1, 1, 48, 48)
    assert problem.kernel.sum() == pytest.approx(1, abs=1e-5)
    circular, extend, diffusion = script.ways(problem, tmp_path, threads=1, onnx=True)
    assert [way.published for way in (circular, extend, diffusion)] == [None, None, 1.6]
    assert diffusion.onnx is None
    for way in (circular, extend):
        np.testing.assert_allclose(way.onnx(), way.torch().numpy(), atol=1e-3)
    # Circular blur, solved as such: two solvers, one image.
    assert (circular.torch() - diffusion.torch()).square().mean().sqrt() < 0.05
    assert (circular.torch() - problem.photo).square().mean().sqrt() > 0.05


def test_the_table_stands_beside_what_was_published(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(script, "find_spec", lambda name: None)
    monkeypatch.setattr(script, "BOUNDARIES", ("circular",))
    page = tmp_path / "page.md"
    threads = str(torch.get_num_threads())
    assert script.main(["--repeats", "1", "--threads", threads, "--out", str(page)]) == 0
    assert "2740" in capsys.readouterr().out
    *_, head, _, solver, diffusion, experts = page.read_text(encoding="utf-8").splitlines()
    assert head == "|  | torch, s | ONNX Runtime, s | ratio | published, s |"
    assert solver.startswith("| genericdp, HQS, circular | ")
    assert solver.endswith(" | – | – | – |")
    assert diffusion.endswith(" | – | – | 1.6 |")
    assert experts.endswith(" | 2740 |")


def test_a_folder_without_the_set_is_one_line(
    script: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert script.main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: no evaluation set 'levin'")


@pytest.mark.shared_data
def test_with_data_it_is_levins(script: ModuleType) -> None:
    named = os.environ.get("PNP_PRIORS_DATA")
    problem = script.problem(Path(named) if named else SHARED)
    assert problem.words.startswith("Levin's")
    assert problem.photo.shape == (1, 1, 48, 48)
