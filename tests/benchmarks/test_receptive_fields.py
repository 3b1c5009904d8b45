"""The page of effective receptive fields, on a few crops of two small priors."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import pnp_priors
from pnp_priors.analysis import receptive_field
from pnp_priors.training.command import RECIPES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("receptive_fields")


def test_the_page_says_what_is_measured(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["trd-5x5-s25", "ka-s25"]
    options = ["--sigma", "25", "--sigma", "40", "--crops", "2", "--out", str(tmp_path)]
    assert script.main([*names, *options]) == 0
    page = (tmp_path / "receptive-field.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in page
    assert f"`python benchmarks/receptive_fields.py {' '.join(names)} --sigma 25 --sigma 40" in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| trd-5x5-s25 ")]
    prior = pnp_priors.load("trd-5x5-s25")
    for row, sigma in zip(rows, (25, 40), strict=True):
        field = receptive_field(prior, sigma / 255, crops=2)
        assert row[1:5] == [
            f"{sigma}",
            "41",
            f"{field.effective:.1f}",
            f"{100 * field.share:.0f} %",
        ]
    assert "| ka-s25 | 25 | whole image |" in page
    sizes = [receptive_field(prior, 25 / 255, crops=2, seed=seed).effective for seed in range(4)]
    assert f"at σ = 25 was {min(sizes):.1f} to {max(sizes):.1f}." in page
    with Image.open(tmp_path / "receptive-field.png") as picture:
        assert picture.width > picture.height


def test_what_it_measures_by_default_exists(script: ModuleType) -> None:
    known = {*pnp_priors.available(), *(path.stem for path in RECIPES.glob("*.yaml"))}
    assert set(script.USUAL) - {"class-aware"} <= known, "class-aware is put together of two"
    assert {name for name, _ in script.PICTURED} <= set(script.USUAL)


def test_a_wrong_name_is_one_line(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["trd", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: unknown prior 'trd'")
    assert not list(tmp_path.iterdir())
