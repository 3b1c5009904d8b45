"""Colour JPEG files by a gray and by a colour prior: both restore, and not the same."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("jpeg_colour")


def test_both_restore_and_differ(script: ModuleType, scene) -> None:
    photo = (255 * scene(48, 56, 3)[0]).round().byte().numpy()
    ((gray, colour),) = script.measure([photo], 20)
    assert gray > 28
    assert colour > 28
    assert abs(gray - colour) > 0.01


def test_no_data_is_one_line(
    script: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert script.main(["--data", str(tmp_path), "--threads", str(torch.get_num_threads())]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
