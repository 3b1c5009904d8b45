"""The scripts about large images, on small ones."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module(request.param)


@pytest.mark.parametrize("script", ["large_image"], indirect=True)
def test_a_small_large_image(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["ffdnet-gray", "--megapixels", "0.015"]
    # The memory is the whole test process's.
    assert script.main([*small, "--tile", "90", "--limit", "64"]) == 0
    printed = capsys.readouterr().out
    assert "ffdnet-gray: 122x122x1" in printed
    assert "tiles of 90" in printed
    (shown,) = re.findall(r"peak resident memory  ([0-9.]+) GB", printed)
    assert 0.1 < float(shown) < script.peak() / 1e9 + 0.01
    assert script.main([*small, "--memory", "0.01", "--limit", "0.01"]) == 1
    assert "more than the limit of 0.01 GB" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["large_image"], indirect=True)
def test_what_cannot_be_is_one_line(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["ffdnet"], "unknown prior"),
        (["nn3d"], "cannot be tiled"),
        (["ffdnet-gray", "--tile", "9"], "at least 66"),
        (["ffdnet-gray", "--memory", "0.00001"], "too little"),
        (["ffdnet-gray", "--megapixels", "0"], "no pixels"),
    ):
        assert script.main(["--megapixels", "0.001", *arguments]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
        assert message in error


@pytest.mark.parametrize("script", ["large_image"], indirect=True)
def test_the_image_is_the_same_every_time_and_has_its_noise(
    script: ModuleType, tmp_path: Path
) -> None:
    clean = script.make(tmp_path / "clean.npy", 1, 150, 0.0)
    noisy = script.make(tmp_path / "noisy.npy", 1, 150, 0.1)
    again = script.make(tmp_path / "again.npy", 1, 150, 0.1)
    np.testing.assert_array_equal(noisy, again)
    assert (noisy - clean).std() == pytest.approx(0.1, rel=0.02)
    assert 0 <= clean.min() < clean.max() <= 1


@pytest.mark.parametrize("script", ["tile_halo"], indirect=True)
def test_beyond_what_a_filter_sees_nothing_differs(script: ModuleType) -> None:
    ones = torch.ones(1, 1, 1, 2 * 16 + 1)

    def restore(y: np.ndarray) -> np.ndarray:
        return nn.functional.conv2d(torch.from_numpy(y)[None], ones, padding=(0, 16))[0].numpy()

    blurred = np.random.default_rng(0).random((110, 100), np.float32)
    rows = list(script.curve(restore, blurred, (8, 15, 16, 32)))
    assert [row[0] for row in rows] == [8, 15, 16, 32]
    assert rows[0][1] > rows[1][1] > 1e-3
    assert rows[0][2] > rows[0][3] > rows[1][3] > 1e-3
    assert max(rows[2][1:] + rows[3][1:]) < 1e-5


@pytest.mark.parametrize("script", ["tile_memory"], indirect=True)
def test_memory_is_measured(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["ffdnet-gray", "--alone", "--tile", "64"]) == 0
    assert float(capsys.readouterr().out) >= 0
    assert script.main(["ffdnet", "--alone"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown prior")
