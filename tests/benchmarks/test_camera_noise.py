"""The comparison on camera noise, on tiny networks and synthetic images."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from torch import Tensor

from pnp_priors.benchmark.metrics import psnr
from pnp_priors.priors.base import Prior
from pnp_priors.priors.cbdnet import CBDNet
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.ffdnet import FFDNet

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Scene = Callable[..., Tensor]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("camera_noise")


class Blurring(Prior):
    """Takes as much of the mean of 3x3 pixels as sigma says; whole from 0.2 on."""

    def __init__(self) -> None:
        super().__init__(3, (0.0, 1.0))
        self.weight = torch.nn.Parameter(torch.ones(()))

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        mean = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return x + (sigma / 0.2).clamp(max=1) * (mean - x)


def test_the_other_is_given_the_best_level(script: ModuleType, scene: Scene) -> None:
    """Found again by hand; and the best per image is no worse than the best for all."""
    clean = {"noise": scene(24, 30, 3), "texture": torch.rand(1, 3, 24, 30)}
    untrained, other, grid = CBDNet(width=2, estimator_width=2).eval(), Blurring(), (5, 20, 40)
    ranges = script.CAMERAS["0.16+0.06"]
    row = script.measure(untrained, other, clean, ranges, grid)
    photos = {name: script.shoot(image, ranges, name) for name, image in clean.items()}
    scores = {
        level: [psnr(other(photos[n][0], level / 255).clamp(0, 1), clean[n]) for n in clean]
        for level in grid
    }
    means = {level: sum(values) / 2 for level, values in scores.items()}
    assert row.told == pytest.approx(max(means.values()))
    assert means[row.level] == pytest.approx(row.told)
    best = [max(values) for values in zip(*scores.values(), strict=True)]
    assert row.told_each == pytest.approx(sum(best) / 2)
    assert row.told_each >= row.told
    # Untrained, it returns the photograph and says 0.05.
    assert row.blind == pytest.approx(row.photo, abs=1e-4)
    ratios = [0.05 / photos[name][1].mean().item() for name in clean]
    assert row.estimated == pytest.approx(sum(ratios) / 2, rel=1e-4)
    assert row.gain == pytest.approx(row.blind - row.told)


def test_photographs_are_the_same_each_time_and_another_for_each_name(
    script: ModuleType, scene: Scene
) -> None:
    clean, drawn = scene(16, 16, 3), script.CAMERAS["drawn"]
    one, level = script.shoot(clean, drawn, "a")
    assert torch.equal(one, script.shoot(clean, drawn, "a")[0])
    other, other_level = script.shoot(clean, drawn, "b")
    assert not torch.equal(one, other)
    assert level.mean() != other_level.mean()
    assert not torch.equal(one, script.shoot(clean, script.CAMERAS["0.04+0.015"], "a")[0])


@pytest.fixture
def loading(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Prior]:
    """Untrained networks by the names that the script asks for."""
    colour = {"channels": 3, "depth": 3, "width": 4}
    networks: dict[str, Prior] = {
        "cbdnet": CBDNet(width=2, estimator_width=2).eval(),
        "ffdnet-color": FFDNet(**colour, residual=True).eval(),
        "dncnn-color-b": DnCNN(**colour, blind=True).eval(),
    }

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr(script.registry, "load", networks.__getitem__)
    monkeypatch.setattr(script.registry, "describe", Named)
    return networks


def test_the_table(
    script: ModuleType,
    loading: dict[str, Prior],
    scene: Scene,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "eval" / "some"
    folder.mkdir(parents=True)
    for seed in range(3):
        pixels = scene(20, 24, 3, seed=seed)[0].permute(1, 2, 0).mul(255).round().byte()
        Image.fromarray(pixels.numpy()).save(folder / f"{seed}.png")
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["--data", str(tmp_path), "--set", "some", "--limit", "2", "--crop", "18"]
    page = tmp_path / "page.md"
    assert script.main([*arguments, "--out", str(page)]) == 0
    # The title stands in the site's sidebar; what was measured is in the text.
    title, _, about, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title == "# Noise of cameras"
    assert "some, 2 images, the middle 18×18 pixels: PSNR in dB. Output" in about
    out = capsys.readouterr().out
    assert "some, 2 images, the middle 18×18 pixels" in out
    for name in script.CAMERAS:
        assert name in out
    assert "cbdnet" in out
    # Both return the photograph: nothing is gained.
    assert len(re.findall(r"[+-]0\.00 ", out)) == 2 * len(script.CAMERAS)

    for changed, message in (
        (["--prior", "ffdnet-color"], "--prior ffdnet-color: does not estimate"),
        (["--against", "dncnn-color-b"], "--against dncnn-color-b: is blind"),
        (["--set", "none"], "no evaluation set 'none'"),
    ):
        assert script.main([*arguments, *changed]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
