"""The comparison of training losses, on a tiny network and synthetic images."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import pnp_priors
from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.physics import bicubic
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("training_losses")


@pytest.fixture
def data(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scene: Callable[..., Tensor],
) -> Path:
    """Three images, of which one is held out, and a base recipe of a size to match."""
    content = yaml.safe_load(script.BASE.read_text(encoding="utf-8"))
    content["architecture"] |= {"depth": 3, "width": 8}
    content["data"] |= {"patch": 24, "batch": 2}
    content["data"]["sources"] = [{"folder": "train/some", "hold_out": 1}]
    content |= {"steps": 4, "ema": 0.0}
    content["optimizer"] |= {"warmup_steps": 0, "lr": {"weights": 1e-2}}
    monkeypatch.setattr(script, "BASE", tmp_path / "base.yaml")
    script.BASE.write_text(yaml.safe_dump(content), encoding="utf-8")
    folder = tmp_path / "data" / "train" / "some"
    folder.mkdir(parents=True)
    for seed in range(3):
        pixels = scene(178, 181, channels=3, seed=seed)[0].mul(255).round().byte()
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{seed}.png")
    return tmp_path / "data"


def trainer(script: ModuleType, data: Path, task: str, way: str, steps: int = 1) -> Trainer:
    recipe = script.recipe_for(task, way, steps)
    folder = data.parent / f"{task} {way} {steps}"
    return Trainer(recipe, data, folder, accelerator="cpu", devices=1)


def test_only_the_loss_differs(script: ModuleType) -> None:
    assert Recipe.read(script.BASE).name == script.BASE.stem
    for task in script.TASKS:
        recipes = {way: script.recipe_for(task, way, None) for way in script.WAYS}
        for recipe in recipes.values():
            recipe.degradation().check(registry.build(recipe.system, recipe.architecture))
        contents = [
            recipe.model_dump(exclude={"name", "loss", "phases"}) for recipe in recipes.values()
        ]
        assert all(content == contents[0] for content in contents)
        assert len({recipe.name for recipe in recipes.values()}) == len(recipes)
        losses = {
            way: [recipe.loss_in(phase) for phase in range(len(recipe.phases))]
            for way, recipe in recipes.items()
        }
        assert losses.pop("l1-then-l2") == ["l1", "l2"]
        assert losses == {way: [way] for way in ("l2", "l1", "ssim", "ms-ssim", "mix")}
    assert "training-losses" not in pnp_priors.available()


def test_every_loss_starts_alike_and_sees_the_same_patches(script: ModuleType, data: Path) -> None:
    runs = [trainer(script, data, "denoising", way) for way in ("l2", "mix")]
    starts = [run.network.state_dict() for run in runs]
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    for run in runs:
        run.train()
    ends = [run.network.state_dict() for run in runs]
    assert not all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    one, other = (run.draw(3) for run in runs)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_untrained_network_scores_as_what_it_is_given(script: ModuleType, data: Path) -> None:
    run = trainer(script, data, "super-resolution", "l2")
    found = script.measure(run)
    assert found == pytest.approx(script.measure(run, restore=False))
    clean = run.validation[0][None, :, :177, :180]
    noisy = bicubic.simulate(clean, 3)
    error = (noisy - clean).double()
    assert found["PSNR"] == pytest.approx(-10 * error.square().mean().log10().item())
    assert found["1000·ℓ2"] == pytest.approx(1000 * error.square().mean().item(), rel=1e-5)
    assert found["1000·ℓ1"] == pytest.approx(1000 * error.abs().mean().item(), rel=1e-5)
    assert 0 < found["SSIM"] < found["MS-SSIM"] < 1
    assert script.ms_ssim(clean, clean) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="176x176 pixels or more, got 175x180"):
        script.ms_ssim(noisy[..., :175, :], clean[..., :175, :])


def test_orders_and_how_far_they_agree(script: ModuleType) -> None:
    rows = {"a": {"PSNR": 30.0}, "b": {"PSNR": 31.0}, "c": {"PSNR": 30.0}, "d": {"PSNR": 29.0}}
    errors = {way: {"1000·ℓ1": row["PSNR"]} for way, row in rows.items()}
    assert script.order(rows, "PSNR") == "b > a = c > d"
    assert script.order(errors, "1000·ℓ1") == "d > a = c > b"
    # a and c are equal, so that five of the six pairs have an order; e is not in both
    ours = {"a": {"PSNR": 2.0}, "b": {"PSNR": 1.0}, "d": {"PSNR": 0.0}, "e": {"PSNR": 9.0}}
    assert script.agreement(rows, rows, "PSNR") == (5, 5)
    assert script.agreement(ours, rows, "PSNR") == (2, 3)
    for table in script.LECTURE.values():
        best = {script.order(table, metric).split(" > ")[0] for metric in script.METRICS}
        assert best <= {"mix", "l1-then-l2"}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_is_written_and_nothing_is_trained_twice(
    script: ModuleType,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(script, "WAYS", {way: script.WAYS[way] for way in ("l2", "l1-then-l2")})
    arguments = ["--data", str(data), "--out", str(tmp_path / "docs")]
    arguments += ["--runs", str(tmp_path / "runs"), "--task", "jpeg", "--task", "denoising"]
    assert script.main(arguments) == 0
    text = (tmp_path / "docs" / "losses.md").read_text(encoding="utf-8")
    assert "## jpeg, JPEG quality 20" in text
    assert "## denoising, sigma 25" in text
    assert "4 steps of 2 patches of 24×24 pixels from train/some" in text
    assert "Means over the 1 held-out images" in text
    names = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert names == sorted(f"{t}-{w}" for t in ("jpeg", "denoising") for w in script.WAYS)

    lines = text.splitlines()
    for task in ("jpeg", "denoising"):
        begin = next(i for i, line in enumerate(lines) if line.startswith(f"## {task}"))
        head, _, given, *rows = (cells(line) for line in lines[begin + 2 : begin + 7])
        assert head == ["trained with", *script.METRICS]
        assert given[0] == script.INPUT
        assert not any("*" in cell for cell in given)
        assert [row[0] for row in rows] == list(script.WAYS)
        for name, column in zip(script.METRICS, range(1, len(head)), strict=True):
            values = {row[column]: float(row[column].strip("*")) for row in rows}
            best = (max if script.METRICS[name].higher else min)(values.values())
            assert all((value == best) == ("**" in cell) for cell, value in values.items())
        recipe = script.recipe_for(task, "l2", None)
        run = Trainer(recipe, data, tmp_path / "runs" / recipe.name, accelerator="cpu", devices=1)
        assert rows[0][2].strip("*") == f"{script.measure(run)['PSNR']:.2f}"
    capsys.readouterr()

    def refuse(run: Any) -> None:
        raise AssertionError(f"{run.recipe.name} was trained again")

    monkeypatch.setattr(Trainer, "_step", refuse)
    assert script.main(arguments) == 0
    assert (tmp_path / "docs" / "losses.md").read_text(encoding="utf-8") == text
    capsys.readouterr()
    assert script.main([*arguments, "--steps", "5"]) == 2
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith("error: ")
    assert "was begun with steps: 4" in err
