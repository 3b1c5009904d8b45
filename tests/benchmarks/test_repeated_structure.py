"""The comparison on structure that repeats."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from pnp_priors.priors.base import Prior

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("repeated_structure")


class Share(Prior):
    """Returns the noisy image, moved towards a constant by a known share."""

    def __init__(self, share: float) -> None:
        super().__init__(1, (0.0, 1.0))
        self.weight = torch.nn.Parameter(torch.tensor(share))

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return (1 - self.weight) * x


def test_a_facade_repeats_but_for_its_light(script: ModuleType) -> None:
    image = script.facade(100)
    assert image.shape == (1, 1, 100, 100)
    assert 0 <= image.min() < image.max() <= 1
    rows, columns = script.WINDOW
    torch.testing.assert_close(image[..., rows:, :], image[..., :-rows, :])
    light = image[..., columns:] / image[..., :-columns]
    torch.testing.assert_close(light, light[..., :1, :].expand_as(light), rtol=1e-4, atol=0)
    assert (light > 1).all()
    assert not torch.equal(script.facade(100, seed=1), image)


def test_all_see_the_same_noise(script: ModuleType) -> None:
    """On a flat image the noisy one has 20 log10(255 / 10) dB."""
    clean = torch.full((1, 1, 200, 200), 0.5)
    found = script.measure({"none": Share(0.0), "again": Share(0.0)}, clean, 10.0, "flat")
    assert found["none"] == found["again"] == pytest.approx(28.13, abs=0.1)


def test_the_table_names_both_and_the_gain(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(script, "LEVELS", (25.0,))
    monkeypatch.setattr(script, "images", lambda: {"facade": script.facade(48)})
    page = tmp_path / "page.md"
    assert script.main(["--base", "trd-5x5-s25", "--out", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "trd-5x5-s25" in printed
    assert "nn3d" in printed
    title, *_, head, rule, row = page.read_text(encoding="utf-8").splitlines()
    assert title == "# Structure that repeats"  # in the site's sidebar
    assert head == "| image | σ | trd-5x5-s25 | nn3d | gain |"
    assert rule == "| --- | --- | --- | --- | --- |"
    name, sigma, base, ours, gain = row.strip("| ").split(" | ")
    assert (name, sigma) == ("facade", "25")
    assert float(gain) == pytest.approx(float(ours) - float(base), abs=0.011)
    assert script.main(["--base", "dncnn-7"]) == 2
    assert "dncnn-7" in capsys.readouterr().err
