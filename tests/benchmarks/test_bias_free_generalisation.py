"""The measurement of how bias-free networks generalise, on tiny networks and synthetic images."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image
from torch import Tensor

import pnp_priors
from pnp_priors.errors import InputError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.schema import parse_as
from pnp_priors.training.command import recipe_path
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe
from pnp_priors.training.release import release

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HIGHEST = {"full": 0.2, "narrow": 0.04, "twin": 0.04}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("bias_free_generalisation")


@pytest.fixture
def data(tmp_path: Path, scene: Callable[..., Tensor]) -> Path:
    folder = tmp_path / "data" / "train" / "some"
    folder.mkdir(parents=True)
    for seed in range(4):
        pixels = scene(30, 34, seed=seed)[0, 0].mul(255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return tmp_path / "data"


@pytest.fixture
def card(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Train a network for one step and give the path of its card."""

    def make(name: str, hold_out: int = 2, **architecture: Any) -> Path:
        levels = [0.0, HIGHEST[name]]
        content = {
            "name": name,
            "system": "dncnn",
            "architecture": {
                "depth": 3,
                "width": 8,
                "bias": name == "twin",
                "blind": True,
                "sigma_range": levels,
                **architecture,
            },
            "card": {"title": "t", "paper": "p", "licence": "MIT", "iterative_use": "not suited"},
            "data": {
                "sources": [{"folder": "train/some", "hold_out": hold_out}],
                "patch": 16,
                "batch": 2,
                "sigma": levels,
            },
            "optimizer": {"lr": {"weights": 1e-2}, "warmup_steps": 0},
            "steps": 1,
            "ema": 0.0,
        }
        folder = tmp_path / f"{name}{len(list(tmp_path.iterdir()))}"
        recipe = parse_as(Recipe, content, name)
        trainer = Trainer(recipe, data, folder, accelerator="cpu", devices=1)
        trainer.train()
        release(trainer, folder / "weights", folder / "cards")
        return folder / "cards" / f"{name}.yaml"

    return make


def test_an_identity_leaves_the_noise(script: ModuleType) -> None:
    """Its PSNR is that of the noise, -20 log10(sigma), on a gray that clipping does not touch."""
    clean = {str(seed): torch.full((1, 1, 128, 128), 0.5) for seed in range(3)}
    identity = DnCNN(depth=3, width=4, blind=True).eval()
    found = script.curve(identity, clean, (1, 5, 20))
    assert found == pytest.approx(script.noisy_curve(clean, (1, 5, 20)))
    for level, value in found.items():
        # standard deviation 10/ln(10) sqrt(2 / pixels), pixels = 3 x 128 x 128: 0.03 dB
        assert value == pytest.approx(-20 * math.log10(level / 255), abs=0.15)


def test_without_constants_more_contrast_is_more_noise(script: ModuleType, scene: Any) -> None:
    """D(a x) = a D(x): an image of twice the contrast with twice the noise is 6.02 dB worse."""
    torch.manual_seed(0)
    network = DnCNN(depth=3, width=8, bias=False, blind=True).requires_grad_(False).eval()
    torch.nn.init.normal_(network.body[-1].weight, std=0.01)
    clean = 0.3 + 0.2 * scene(40, 40)
    noise = torch.randn(clean.shape)
    weak, strong = (script.psnr(network(a * (clean + 0.02 * noise)), a * clean) for a in (1.0, 2.0))
    assert weak - strong == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_held_out_images_are_those_that_training_left_out(
    script: ModuleType, card: Callable[..., Path], data: Path
) -> None:
    cards = [pnp_priors.describe(card(name)) for name in ("full", "narrow")]
    files = script.held_out(cards, data)
    assert [file.name for file in files] == ["2.png", "3.png"]
    assert cards[0].training.images == 2
    other = pnp_priors.describe(card("twin", hold_out=1))
    with pytest.raises(InputError, match="trained on different images"):
        script.held_out([*cards, other], data)
    none = pnp_priors.describe(card("twin", hold_out=0))
    with pytest.raises(InputError, match="no image was held out"):
        script.held_out([none], data)


def test_the_plot_shows_the_numbers_and_the_trained_range(script: ModuleType) -> None:
    curves = {n: {5.0: 35.0 - i, 50.0: 26.0 - i} for i, n in enumerate(("a", "b", "c"))}
    noisy = {5.0: 34.0, 50.0: 14.0}
    (axes,) = script.draw(curves, noisy, (0.0, 10.0)).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    for name, values in {**curves, script.NOISY[1]: noisy}.items():
        x, y = lines[name].get_data()
        assert dict(zip(x, y, strict=True)) == values
    (span,) = axes.patches
    assert [span.get_x(), span.get_x() + span.get_width()] == [0.0, 10.0]
    assert "255" in axes.get_xlabel()
    assert "dB" in axes.get_ylabel()
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= set(lines)
    assert len({lines[name].get_marker() for name in curves}) == 3

    def lightness(colour: str) -> float:
        r, g, b = (v**2.2 for v in to_rgb(colour))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    # In gray print, too, no two curves have one tone.
    tones = sorted(lightness(lines[name].get_color()) for name in curves)
    assert tones[1] - tones[0] > 0.02
    assert tones[2] - tones[1] > 0.02


def test_table_and_plot_are_written(
    script: ModuleType,
    card: Callable[..., Path],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    paths = {name: card(name) for name in ("full", "narrow", "twin")}
    arguments = ["--data", str(data), "--out", str(tmp_path / "docs"), "--crop", "24"]
    arguments += [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    arguments += ["--sigma", "10", "--sigma", "50"]
    assert script.main(arguments) == 0
    text = (tmp_path / "docs" / "bias-free.md").read_text(encoding="utf-8")
    with Image.open(tmp_path / "docs" / "bias-free.png") as plot:
        assert min(plot.size) > 400
    files = [data / "train" / "some" / f"{i}.png" for i in (2, 3)]
    clean = script.images(files, 1, 24)
    assert all(image.shape == (1, 1, 24, 24) for image in clean.values())
    curves = [script.curve(pnp_priors.load(path), clean, (10, 50)) for path in paths.values()]
    noisy = script.noisy_curve(clean, (10, 50))
    for level in (10, 50):
        cells = [f"{level}", *(f"{c[level]:.2f}" for c in (noisy, *curves))]
        assert f"| {' | '.join(cells)} |" in text
    narrow, twin = (curves[0][50] - c[50] for c in curves[1:])
    assert f"narrow is {narrow:.2f} dB below full, twin {twin:.2f} dB" in text
    assert "| full | none | 0…51 |" in text
    assert "| twin | yes | 0…10.2 |" in text
    assert "mean over 2 images" in text
    capsys.readouterr()

    for changed, message in (
        (["--twin", str(paths["full"])], "three different networks are needed"),
        (["--set", "none"], "no evaluation set 'none'"),
        (["--twin", str(card("twin", blind=False))], "twin is not blind"),
    ):
        assert script.main([*arguments, *changed]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


def test_the_twin_differs_in_its_constants_alone() -> None:
    narrow = Recipe.read(recipe_path("bf-dncnn-narrow")).model_dump()
    twin = Recipe.read(BENCHMARKS / "recipes" / "dncnn-narrow.yaml").model_dump()
    assert narrow["architecture"].pop("bias") is False
    assert twin["architecture"].pop("bias") is True
    for key in ("name", "description", "card"):
        assert narrow.pop(key) != twin.pop(key)
    assert narrow == twin
    assert "dncnn-narrow" not in pnp_priors.available()
