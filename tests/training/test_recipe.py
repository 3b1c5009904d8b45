"""Recipes: the shipped ones parse, and what is wrong with another is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pnp_priors import registry
from pnp_priors.errors import ConfigError, MissingFileError, UnknownNameError
from pnp_priors.training.command import RECIPES, data_folder, recipe_path
from pnp_priors.training.recipe import Recipe, Source

SHIPPED = sorted(RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_recipes_parse_and_build(path: Path) -> None:
    recipe = Recipe.read(path)
    assert recipe.name == path.stem
    prior = registry.build(recipe.system, recipe.architecture)
    assert set(recipe.optimizer.lr) == set(prior.parameter_groups())
    recipe.degradation().check(prior)
    if recipe.data.sigma is not None:
        low, high = prior.sigma_range
        assert low <= recipe.data.sigma[0] + 1e-6
        assert recipe.data.sigma[1] <= high + 1e-6
    assert not any("eval" in str(source) for source in recipe.data.sources)
    assert any(source.hold_out for source in recipe.data.sources)
    for phase in recipe.phases:
        if phase.grow:
            prior.grow(**phase.grow)
    assert prior.arguments() == registry.build(recipe.system, recipe.architecture).arguments()


def write(folder: Path, *changes: tuple[str, Any], name: str = "genericdp") -> Path:
    """A shipped recipe with changed keys (``data.sigma`` goes inside)."""
    content = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    for key, value in changes:
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("optimiser", {}, ["'optimiser'", "allowed:", "optimizer"]),
        ("data.patsh", 3, ["'data.patsh'", "patch"]),
        ("optimizer.rate", 3, ["'optimizer.rate'", "lr"]),
        ("system", "ffdnett", ["system", "'ffdnett'", "reaction-diffusion"]),
        ("loss", "l3", ["loss", "'l3'", "l1"]),
        ("data.sigma", [25, 25], ["data.sigma", "0..1 units", "25"]),
        ("data.sigma", [0.2, 0.1], ["data.sigma"]),
        ("data.sigma", 25, ["data.sigma"]),
        ("validation_sigmas", [25], ["validation_sigmas", "0..1 units"]),
        ("data.sigma", None, ["data", "'gaussian' needs 'sigma'"]),
        ("data.quality", [10, 20], ["data", "'gaussian' has no 'quality'"]),
        (
            "data.degradation",
            "jpg",
            ["data.degradation", "'jpg'", "gaussian, super-resolution"],
        ),
        ("data.degradation", "jpeg", ["data", "'jpeg' needs 'quality'"]),
        ("validation_qualities", [0], ["validation_qualities", "1 to 100"]),
        ("data.batch", 0, ["data.batch", "0"]),
        ("data.batch", "four", ["data.batch", "'four'"]),
        ("data.sources", [], ["data.sources"]),
        ("data.sources", [{"hold_out": 1}], ["data.sources.0", "either 'folder' or 'rendered'"]),
        (
            "data.sources",
            [{"folder": "a", "rendered": "documents", "count": 3}],
            ["data.sources.0", "either 'folder' or 'rendered'"],
        ),
        ("data.sources", [{"rendered": "documents"}], ["data.sources.0", "needs 'count'"]),
        (
            "data.sources",
            [{"rendered": "letters", "count": 3}],
            ["data.sources.0", "unknown rendered 'letters'", "known: documents"],
        ),
        ("data.sources", [{"folder": "a", "count": 3}], ["data.sources.0", "'count' is for"]),
        ("data.sources", [{"folder": "a", "seed": 3}], ["data.sources.0", "'seed' is for"]),
        (
            "data.sources",
            [{"rendered": "documents", "count": 0}],
            ["data.sources.0.count", "greater than or equal to 1"],
        ),
        ("phases", [{"until": 0.5}], ["phases", "end at 1.0", "0.5"]),
        ("phases", [{"until": 1.0}, {"until": 0.5}], ["phases", "rise"]),
        ("phases", [{"until": 0.5}, {"until": 0.5}, {"until": 1.0}], ["phases", "rise"]),
        ("phases", [], ["phases"]),
        ("phases", [{"until": 1.0, "loss": "l3"}], ["phases.0.loss", "'l3'", "known: l2, l1"]),
        ("phases", [{"until": 1.5}], ["phases", "1.5"]),
        ("steps", 0, ["steps"]),
        ("precision", "float16", ["precision", "bfloat16"]),
        ("card.title", None, ["card.title"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_is_one_line_that_names_file_and_key(
    key: str, value: object, words: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, (key, value))
    with pytest.raises(ConfigError) as caught:
        Recipe.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.quality", [0, 10], ["data.quality", "1 to 100", "[0, 10]"]),
        ("data.quality", [30, 20], ["data.quality", "the lower first"]),
        ("data.quality", [10.5, 20], ["data.quality", "10.5"]),
        ("data.quality", 10, ["data.quality"]),
        ("data.sigma", [0.1, 0.1], ["data", "'jpeg' has no 'sigma'"]),
        ("data.patch", 74, ["data", "multiple of 8, got 74"]),
        ("level_weight", 1.0, ["level_weight", "'jpeg' has no noise levels"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_for_jpeg(
    key: str, value: object, words: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, (key, value), name="trd-jpeg-q10")
    with pytest.raises(ConfigError) as caught:
        Recipe.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.scale", None, ["data", "'mixed' needs 'scale'"]),
        ("data.sigma", None, ["data", "'mixed' needs 'sigma'"]),
        ("data.scale", [], ["data.scale", "some of 2, 3, 4"]),
        ("data.scale", [2, 5], ["data.scale", "some of 2, 3, 4", "[2, 5]"]),
        ("data.scale", [3, 2], ["data.scale", "in this order"]),
        ("data.scale", [2, 2], ["data.scale", "[2, 2]"]),
        ("data.scale", 2, ["data.scale"]),
        ("data.patch", 40, ["data", "multiple of 24, got 40"]),
        ("data.degradation", "super-resolution", ["data", "'super-resolution' has no 'quality'"]),
        ("data.degradation", "jpeg", ["data", "'jpeg' has no 'scale'"]),
        ("level_weight", 1.0, ["level_weight", "'mixed' has no noise levels to weigh every"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_for_mixed_degradations(
    key: str, value: object, words: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, (key, value), name="dncnn-3")
    with pytest.raises(ConfigError) as caught:
        Recipe.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.shot", None, ["data", "'camera' needs 'shot'"]),
        ("data.quality", None, ["data", "'camera' needs 'quality'"]),
        ("data.sigma", [0.0, 0.1], ["data", "'camera' has no 'sigma'"]),
        ("data.read", [0.0, 15], ["data.read", "0..1 units", "15"]),
        ("data.shot", [0.2, 0.1], ["data.shot"]),
        ("data.gamma", [1.0, 2.2], ["data.gamma", "1.1 to 5", "1.0"]),
        ("data.gamma", 2.2, ["data.gamma"]),
        ("data.patch", 72, ["data", "multiple of 16, got 72"]),
        ("level_weight", 1.0, ["level_weight", "'camera' has no noise levels to weigh every"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_for_photographs(
    key: str, value: object, words: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, (key, value), name="cbdnet")
    with pytest.raises(ConfigError) as caught:
        Recipe.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"folder": "train/some", "hold_out": 2}, "train/some"),
        ({"rendered": "documents", "count": 9, "hold_out": 0}, "rendered documents (9, seed 0)"),
        (
            {"rendered": "documents", "count": 9, "seed": 4, "hold_out": 1},
            "rendered documents (9, seed 4)",
        ),
    ],
    ids=str,
)
def test_a_source_is_written_as_it_was_given(given: dict[str, Any], words: str) -> None:
    """Without the keys of the other kind, so that older texts of recipes equal newer ones."""
    source = Source(**given)
    assert source.model_dump(mode="json") == given
    assert Source(**source.model_dump()) == source
    assert str(source) == words


def test_a_phase_s_loss_holds_until_another_names_one(tmp_path: Path) -> None:
    phases = [
        {"until": 0.2},
        {"until": 0.4, "loss": "l2"},
        {"until": 0.6},
        {"until": 1.0, "loss": "ssim"},
    ]
    recipe = Recipe.read(write(tmp_path, ("loss", "l1"), ("phases", phases)))
    assert [recipe.loss_in(phase) for phase in range(4)] == ["l1", "l2", "l2", "ssim"]
    written = recipe.model_dump(mode="json")["phases"]
    assert written == [{**phase, "grow": {}} for phase in phases]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["data"]["patch"], content["system"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"missing key 'system' \(and 1 more\)"):
        Recipe.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "line 1: not readable as YAML"), ("- 1", "expected keys"), ("", "expected keys")],
)
def test_what_is_no_recipe_at_all(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        Recipe.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        Recipe.read(tmp_path / "none.yaml")


def test_recipes_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert recipe_path("genericdp") == RECIPES / "genericdp.yaml"
    assert recipe_path(str(tmp_path / "x.yaml")) == tmp_path / "x.yaml"
    with pytest.raises(UnknownNameError, match="nearest: genericdp"):
        recipe_path("genricdp")


def test_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PNP_PRIORS_DATA", raising=False)
    assert data_folder(tmp_path) == tmp_path
    with pytest.raises(MissingFileError, match="--data DIR or set PNP_PRIORS_DATA"):
        data_folder(None)
    with pytest.raises(MissingFileError, match="none"):
        data_folder(tmp_path / "none")
    monkeypatch.setenv("PNP_PRIORS_DATA", str(tmp_path))
    assert data_folder(None) == tmp_path
