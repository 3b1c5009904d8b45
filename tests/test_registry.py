"""Names, cards and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import pnp_priors
from pnp_priors import registry
from pnp_priors.analysis.model import PROTOCOL
from pnp_priors.card import Card
from pnp_priors.errors import (
    ConfigError,
    MissingFileError,
    PnpPriorsError,
    UnknownNameError,
    WeightsError,
)


def test_the_released_priors_are_available() -> None:
    assert pnp_priors.available() == sorted(pnp_priors.available())
    assert {"genericdp", "ffdnet-gray"} <= set(pnp_priors.available())


def test_every_card_has_its_weights_and_every_weights_file_a_card() -> None:
    weights = [pnp_priors.describe(name).weights for name in pnp_priors.available()]
    files = {own.file for own in weights if own is not None}
    assert files == {path.name for path in (registry.PACKAGE / "weights").iterdir()}


def levels_in_words(card: Card) -> str:
    if card.tasks == ["jpeg"]:
        assert card.quality_range is not None
        return f"JPEG quality {card.quality_range[0]}"
    low, high = (round(255 * s, 2) for s in card.sigma_range)
    return f"sigma {low:g}/255 alone" if low == high else f"sigma {low:g}/255 to {high:g}/255"


@pytest.mark.parametrize("name", pnp_priors.available())
def test_a_card_prints_what_a_user_wants_to_know(name: str) -> None:
    card = pnp_priors.describe(name)
    assert isinstance(card, Card)
    text = str(card)
    assert text.splitlines()[0] == f"{name}: {card.title}"
    for part in (
        levels_in_words(card),
        card.outside_range,
        f"{card.parameters:,}",
        "whole image" if card.receptive_field is None else f"{card.receptive_field} pixels",
        card.licence,
        card.paper,
        card.iterative_use,
        *card.notes,
    ):
        assert part in text
    if card.weights is None or card.training is None:
        assert f"weights         those of {card.architecture['base']}" in text
        assert "trained on" not in text
    else:
        for part in (card.weights.file, card.weights.sha256[:16], *card.training.data):
            assert part in text
        assert ("half-trained" in text) == (not card.training.finished)
    for result in card.results:
        assert result.command
        assert result.dataset in text


def test_a_card_of_several_tasks_names_the_levels_of_each() -> None:
    card = pnp_priors.describe("ffdnet-gray")
    one = card.model_copy(update={"sigma_range": (0.0, 55 / 255), "blind": True})
    assert one.trained_for == "sigma 0/255 to 55/255, blind"
    tasks = ["gaussian", "jpeg", "super-resolution"]
    three = one.model_copy(update={"tasks": tasks, "quality_range": (5, 99), "scales": (2, 3, 4)})
    assert three.trained_for == (
        "sigma 0/255 to 55/255, blind; JPEG quality 5 to 99; super-resolution by 2, 3, 4"
    )
    assert three.trained_for in str(three)


@pytest.mark.parametrize("function", [pnp_priors.load, pnp_priors.describe])
@pytest.mark.parametrize(
    ("name", "nearest"),
    [("genricdp", "genericdp"), ("ffdnet_gray", "ffdnet-gray"), ("FFDNet-gray", "ffdnet-gray")],
)
def test_an_unknown_name_lists_the_nearest(function, name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        function(name)
    message = str(caught.value)
    assert f"{name!r}: nearest: {nearest}" in message
    assert all(known in message for known in pnp_priors.available())
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PnpPriorsError)


@pytest.mark.parametrize("name", ["", "zzzzzzzz", "../cards/genericdp", "genericdp.safetensors"])
def test_what_is_near_to_nothing_lists_all(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"known: .*ffdnet-gray.*genericdp"):
        pnp_priors.load(name)


def test_paths_of_cards_are_not_names(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        pnp_priors.load(tmp_path / "cards" / "none.yaml")
    (tmp_path / "a.yaml").write_text("name: x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="missing key") as caught:
        pnp_priors.load(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a.yaml") in str(caught.value)


def changed_card(folder: Path, **changes: object) -> Path:
    content = yaml.safe_load(registry.card_path("genericdp").read_text(encoding="utf-8"))
    path = folder / "cards" / "own.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"colour": 3}, ConfigError, "unknown key 'colour'; allowed: name, title"),
        ({"tasks": ["deblurring"]}, ConfigError, "tasks.0"),
        ({"weights": None}, ConfigError, "either 'weights' and 'training' are given, or both"),
        ({"weights": None, "training": None}, ConfigError, "'architecture' has the key 'base'"),
        ({"architecture": {"base": "trd"}}, ConfigError, "either 'weights' and 'training'"),
        ({"system": "tdv"}, UnknownNameError, "system 'tdv'"),
        ({"architecture": {"stagse": 8}}, ConfigError, "'reaction-diffusion'.*stagse"),
        ({"architecture": {"filter_size": 6}}, ConfigError, "filter_size is odd"),
        ({}, WeightsError, "cannot be read"),
    ],
    ids=[
        "key",
        "task",
        "weights",
        "no base",
        "base and weights",
        "system",
        "argument",
        "value",
        "no weights",
    ],
)
def test_wrong_cards(
    change: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        pnp_priors.load(changed_card(tmp_path, **change))


@pytest.mark.parametrize("name", pnp_priors.available())
def test_an_assessment_is_of_these_weights_and_of_today(name: str) -> None:
    """Else: pnp-priors assess NAME --card."""
    card = pnp_priors.describe(name)
    if card.assessment is not None:
        assert card.assessment.weights == registry.fingerprint(card)
        assert card.assessment.protocol == PROTOCOL
        assert card.assessment.curves is None
        assert all(line in str(card) for line in card.assessment.headlines)


def test_systems_are_found_by_name() -> None:
    for system in registry.SYSTEMS:
        prior = registry.build(system, {})
        assert isinstance(prior, registry.system_class(system))
        assert registry.build(system, prior.arguments()).arguments() == prior.arguments()
    with pytest.raises(UnknownNameError, match="nearest: ffdnet"):
        registry.system_class("fdnet")


def test_the_version_is_a_version() -> None:
    assert registry.version().split(".")[0].isdigit() or registry.version() == "0+unknown"
