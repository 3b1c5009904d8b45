"""Putting a class-aware prior together: tiny networks, and a classifier that tells two textures."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import pnp_priors
from pnp_priors import registry
from pnp_priors.errors import ConfigError, UnknownNameError
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.schema import parse_as, read_yaml_as
from pnp_priors.training import class_aware
from pnp_priors.training.class_aware import (
    ASSEMBLIES,
    Assembly,
    ClassifierTraining,
    assemble,
    decided_right,
    join,
    train_classifier,
)
from pnp_priors.training.command import recipe_path
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe
from pnp_priors.training.release import release

CARD = {"title": "t", "paper": "p", "licence": "MIT", "iterative_use": "not suited: blind"}
SETTINGS = {"steps": 60, "batch": 8, "patch": 32, "smallest": 16, "lr": 1e-2}
ASSEMBLY: dict[str, Any] = {
    "name": "both",
    "card": CARD,
    "parts": {"smooth": "tiny-smooth", "striped": "tiny-striped"},
    "classifier": SETTINGS,
}


def textures(kind: str, count: int) -> list[np.ndarray]:
    """Slow waves, or black and white stripes; of any direction."""
    rng = np.random.default_rng(len(kind))
    y, x = np.mgrid[:40, :44]
    waves = []
    for _ in range(count):
        angle, phase = rng.uniform(0, math.pi), rng.uniform(0, 6)
        along = math.cos(angle) * x + math.sin(angle) * y
        wave = np.sin((0.15 if kind == "smooth" else 1.2) * along + phase)
        wave = wave if kind == "smooth" else np.sign(wave)
        waves.append((127 + 120 * wave).round().astype(np.uint8)[None])
    return waves


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders of both textures."""
    for kind in ("smooth", "striped"):
        folder = tmp_path / "data" / kind
        folder.mkdir(parents=True)
        for index, pixels in enumerate(textures(kind, 6)):
            Image.fromarray(pixels[0]).save(folder / f"{index}.png")
    return tmp_path / "data"


@pytest.fixture
def runs(tmp_path: Path, data: Path) -> Path:
    """The run folders of the parts, of one and of two steps."""
    for steps, kind in enumerate(("smooth", "striped"), 1):
        content = {
            "name": f"tiny-{kind}",
            "system": "class-aware",
            "architecture": {"classes": [kind], "depth": 4, "width": 6},
            "card": CARD,
            "data": {
                "sources": [{"folder": kind, "hold_out": 2}],
                "patch": 16,
                "batch": 2,
                "sigma": [0.0, 0.2],
            },
            "optimizer": {"name": "muon", "lr": {"weights": 1e-2}, "warmup_steps": 0},
            "steps": steps,
            "ema": 0.0,
            "validation_sigmas": [15 / 255],
            "seed": steps,
        }
        folder = tmp_path / "runs" / f"tiny-{kind}"
        trainer = Trainer(parse_as(Recipe, content, kind), data, folder, accelerator="cpu")
        trainer.train()
        release(trainer, folder / "weights", folder / "cards")
    return tmp_path / "runs"


def part(name: str, **changes: Any) -> ClassAware:
    return ClassAware(**{"classes": [name], "depth": 4, "width": 6, **changes})


# --- the whole -----------------------------------------------------------------------------------


def test_the_whole_is_its_parts_and_decides(runs: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    card = assemble(parse_as(Assembly, ASSEMBLY, "test"), runs, data, out)
    path = out / "cards" / "both.yaml"
    assert pnp_priors.describe(path) == card
    prior = pnp_priors.load(path)
    assert isinstance(prior, ClassAware)
    assert prior.classes == ("smooth", "striped")
    cards = {}
    for kind in prior.classes:
        own = runs / f"tiny-{kind}" / "cards" / f"tiny-{kind}.yaml"
        cards[kind] = pnp_priors.describe(own)
        x = torch.from_numpy(textures(kind, 9)[-1]).float()[None] / 255
        x = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        assert prior.classify(x) == [kind]
        torch.testing.assert_close(prior(x), pnp_priors.load(own)(x), rtol=0, atol=1e-6)

    training = card.training
    parts = [c.training for c in cards.values()]
    assert training is not None
    assert training.data == ["smooth", "striped"]
    assert training.images == 8
    assert training.finished
    total = sum(p.megapixels_seen for p in parts if p is not None)
    assert training.megapixels_seen == pytest.approx(total)
    assert list(training.validation_psnr) == ["smooth 15", "striped 15"]
    recipes = training.recipe_text["recipes"]
    assert {kind: text["steps"] for kind, text in recipes.items()} == {"smooth": 1, "striped": 2}
    assert training.recipe_text["classifier"] == SETTINGS
    assert card.receptive_field is None
    assert card.blind
    assert card.parameters == sum(p.numel() for p in prior.parameters())
    found = re.fullmatch(r"the classifier decided (\d+) of 12 held-out images.*", card.notes[-1])
    assert found
    assert int(found[1]) >= 11


def test_the_command(
    runs: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "both.yaml", tmp_path / "out"
    brief = {**ASSEMBLY, "classifier": {**SETTINGS, "steps": 2}, "weights_dtype": "float16"}
    path.write_text(yaml.safe_dump(brief), encoding="utf-8")
    options = ["--assembly", str(path), "--runs", str(runs), "--data", str(data)]
    assert class_aware.main([*options, "--out", str(out)]) == 0
    assert "classifier: step 0, loss " in capsys.readouterr().out
    card = pnp_priors.describe(out / "cards" / "both.yaml")
    assert card.weights is not None
    assert card.weights.dtype == "float16"
    assert 2 * card.parameters < card.weights.bytes < 2 * card.parameters + 4000

    options[3] = str(tmp_path / "nowhere")
    assert class_aware.main([*options, "--out", str(out)]) == 2
    assert re.fullmatch(r"error: --runs: no such folder: .*nowhere\n", capsys.readouterr().err)
    brief["parts"] = {"smooth": "tiny-smooth", "striped": "tiny-stripd"}
    path.write_text(yaml.safe_dump(brief), encoding="utf-8")
    options[3] = str(runs)
    assert class_aware.main([*options, "--out", str(out)]) == 2
    assert "unknown prior 'tiny-stripd'" in capsys.readouterr().err


def test_the_shipped_assembly_names_recipes_that_fit_together() -> None:
    assembly = read_yaml_as(Assembly, ASSEMBLIES / "class-aware.yaml")
    assert assembly.name == "class-aware"
    parts, length = {}, set()
    for kind, name in assembly.parts.items():
        recipe = Recipe.read(recipe_path(name))
        parts[kind] = registry.build(recipe.system, recipe.architecture)
        length.add((recipe.steps, recipe.data.batch, recipe.data.patch, recipe.warm_start))
    assert len(length) == 1
    assert join(parts).depth == 20  # type: ignore[arg-type]
    assert assembly.card.iterative_use.startswith("not suited")


# --- the classifier ------------------------------------------------------------------------------


def test_the_classifier_learns_what_tells_the_classes_and_reports() -> None:
    images = {
        kind: (textures(kind, 12)[:8], textures(kind, 12)[8:]) for kind in ("smooth", "striped")
    }
    losses: list[float] = []

    def trained(seed: int) -> ClassAware:
        prior = join({kind: part(kind) for kind in images})
        settings = ClassifierTraining(**SETTINGS)
        losses.clear()
        train_classifier(prior, images, settings, seed, lambda _, loss: losses.append(loss))
        return prior

    prior = trained(0)
    assert len(losses) == SETTINGS["steps"]
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert decided_right(prior, images) == (24, 24)
    swapped = {"smooth": images["striped"], "striped": images["smooth"]}
    assert decided_right(prior, swapped) == (0, 24)
    assert not any(p.requires_grad for p in prior.parameters())
    again, other = trained(0), trained(1)
    weights, same, different = (
        p.classifier.head.weight  # type: ignore[union-attr]
        for p in (prior, again, other)
    )
    assert torch.equal(weights, same)
    assert not torch.equal(weights, different)


# --- parts that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (part("c"), r"parts\.b: this one is for c"),
        (part("b", depth=5), r"parts\.b: made as .*'depth': 5.*the first one as .*'depth': 4"),
        (part("b", sigma_range=(0.0, 0.1)), r"parts\.b: made as "),
        (DnCNN(), r"parts\.b: expected system 'class-aware', got DnCNN"),
    ],
    ids=["class", "depth", "levels", "system"],
)
def test_parts_that_do_not_fit_are_named(second: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        join({"a": part("a"), "b": second})


def test_a_part_that_is_not_trained_is_named(tmp_path: Path, data: Path) -> None:
    assembly = parse_as(Assembly, ASSEMBLY, "test")
    with pytest.raises(UnknownNameError, match="unknown prior 'tiny-smooth'"):
        assemble(assembly, tmp_path, data, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": {"one": "tiny"}}, "parts"),
        (
            {"clasifier": {}},
            "unknown key 'clasifier'; nearest: classifier; allowed: name.*classifier",
        ),
        (
            {"classifier": {**SETTINGS, "step": 3}},
            "unknown key 'classifier.step'; nearest: classifier.steps; allowed: steps",
        ),
        ({"classifier": {**SETTINGS, "lr": 0}}, r"classifier\.lr"),
    ],
    ids=str,
)
def test_a_wrong_key_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_as(Assembly, {**ASSEMBLY, **changes}, "test")
