"""The measurement of class-aware denoising, on tiny networks, synthetic images and two pages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import pnp_priors
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.card import Card, Training
from pnp_priors.errors import InputError
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.training.command import recipe_path
from pnp_priors.training.recipe import CardText, Recipe
from pnp_priors.training.release import write_prior

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CLASSES = ("photographs", "documents")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return importlib.import_module("class_aware")


@pytest.fixture
def data(tmp_path: Path, scene: Callable[..., Tensor]) -> Path:
    folder = tmp_path / "data" / "train" / "bsd432_color"
    folder.mkdir(parents=True)
    for seed in range(4):
        pixels = scene(40, 44, seed=seed)[0, 0].mul(255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return tmp_path / "data"


def random_prior(*classes: str) -> ClassAware:
    """Its estimates are a small share of the image, another one for each class."""
    torch.manual_seed(len(classes))
    prior = ClassAware(classes, depth=4, width=4).requires_grad_(False).eval()
    for number, network in enumerate(prior.networks, 1):
        for parameter in network.parameters():
            parameter.copy_(0.02 * number * torch.randn(parameter.shape))
    return prior


def write(prior: ClassAware, folder: Path, *sources: dict[str, Any]) -> Path:
    text = CardText(title="t", paper="p", licence="MIT", iterative_use="not suited: blind")
    training = Training(
        recipe="r",
        recipe_text={"recipes": {"one": {"data": {"sources": list(sources)}}}},
        data=["d"],
        images=1,
        megapixels_seen=1000 * len(prior.classes),
        minutes=1,
        hardware="h",
        torch="2",
        seed=0,
        finished=True,
        validation_psnr={},
    )
    name = folder.name
    folders = (folder / "weights", folder / "cards")
    write_prior(prior, name, "class-aware", text, training, "float32", *folders)
    return folder / "cards" / f"{name}.yaml"


PHOTOS = {"folder": "train/bsd432_color", "hold_out": 2}
PAGES = {"rendered": "documents", "count": 9, "seed": 0, "hold_out": 1}


def test_from_cards_to_the_page_and_its_picture(
    script: ModuleType, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aware = write(random_prior(*CLASSES), tmp_path / "aware", PHOTOS, PAGES)
    twin = write(random_prior("all"), tmp_path / "twin", PHOTOS, PAGES)
    out = tmp_path / "docs"
    options = ["--data", str(data), "--prior", str(aware), "--twin", str(twin)]
    options += ["--out", str(out), "--sigma", "25", "--pages", "1", "--photographs", "2"]
    assert script.main(options) == 0
    text = (out / "class-aware.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    rows = [line for line in text.splitlines() if "| 25 |" in line]
    assert len(rows) == 3
    assert "other fonts" in rows[2]
    with Image.open(out / "class-aware.png") as picture:
        assert picture.width > 800
    networks = [line for line in text.splitlines() if "network(s)" in line]
    sizes = [int(line.split("|")[2].replace(",", "")) for line in networks]
    aware_card, twin_card = (pnp_priors.describe(path) for path in (aware, twin))
    assert sizes[1] == twin_card.parameters
    assert sizes[0] * 2 <= aware_card.parameters


def test_the_numbers_are_those_of_the_networks(script: ModuleType, scene: Any) -> None:
    aware, twin = random_prior(*CLASSES), random_prior("all")
    clean = {f"a/{seed}": scene(30, 34, seed=seed) for seed in range(3)}
    group = script.Group("g", "documents", clean)
    row = script.measure(aware, twin, group, 25)
    noisy = {name: add_noise(image, 25, name) for name, image in clean.items()}

    def mean(restored: Callable[[Tensor], Tensor]) -> float:
        return sum(psnr(restored(noisy[n]).clamp(0, 1), clean[n]) for n in clean) / 3

    assert row.twin == pytest.approx(mean(twin))
    assert row.aware == pytest.approx(mean(aware))
    assert row.named == pytest.approx(mean(aware.with_class("documents")))
    assert row.right == sum(aware.classify(x) == ["documents"] for x in noisy.values())
    assert row.gain == row.aware - row.twin
    assert row.named != row.twin


def test_the_verdict_is_the_mean_gain_of_a_class(script: ModuleType) -> None:
    groups = [script.Group(kind, kind, {"i": torch.zeros(1)}) for kind in CLASSES]
    rows = [
        script.Row(group, 15, 20.0, 30.0, 30.0 + gain, 31.0, 1)
        for group, gains in zip(groups, [(-0.1, 0.06), (0.2, 0.5)], strict=True)
        for gain in gains
    ]
    photographs, documents = script.verdict(rows)
    assert "-0.02 dB" in photographs
    assert "not met" in photographs
    assert "+0.35 dB" in documents
    assert "not met" not in documents


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({**PHOTOS, "hold_out": 1}, "held out 1 images of train/bsd432_color, not 2"),
        ({**PAGES, "seed": 1001}, "was trained on pages of seed 1001"),
    ],
    ids=["photographs", "pages"],
)
def test_what_was_trained_on_is_not_measured_with(
    source: dict[str, Any], message: str, script: ModuleType, tmp_path: Path
) -> None:
    card: Card = pnp_priors.describe(write(random_prior("all"), tmp_path / "twin", PHOTOS, source))
    with pytest.raises(InputError, match=message):
        script.check_unseen(card, (1000, 1001), 2)
    script.check_unseen(card, (7,), 1)


def test_other_priors_are_refused(
    script: ModuleType, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(data), "--prior", "ffdnet-gray", "--twin", "ffdnet-gray"]
    assert script.main(options) == 2
    assert capsys.readouterr().err == (
        "error: ffdnet-gray is of system 'ffdnet', not 'class-aware'\n"
    )


def test_the_twin_s_recipe_is_that_of_the_networks_on_all_their_images() -> None:
    twin = Recipe.read(BENCHMARKS / "recipes" / "class-agnostic.yaml")
    parts = [Recipe.read(recipe_path(f"class-aware-{kind}")) for kind in ("photo", "document")]
    assert twin.data.sources == [source for part in parts for source in part.data.sources]
    for part in parts:
        for recipe, other in ((part, twin), (twin, part)):
            changed = {"name", "description", "architecture", "card", "data"}
            assert recipe.model_dump(exclude=changed) == other.model_dump(exclude=changed)
        assert part.data.model_copy(update={"sources": []}) == twin.data.model_copy(
            update={"sources": []}
        )
        sizes = [{**r.architecture, "classes": None} for r in (part, twin)]
        assert sizes[0] == sizes[1]
