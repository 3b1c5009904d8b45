"""From a run to a prior that loads: weights, card, and the same output."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import pnp_priors
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe
from pnp_priors.training.release import release, write_atomically

Make = Callable[..., Recipe]
MIXED_LEVELS = ["sigma 15", "sigma 25", "x2", "x3", "q 10", "q 40"]


def trained(recipe: Recipe, data: Path, folder: Path, session: float | None = None) -> Trainer:
    trainer = Trainer(recipe, data, folder, accelerator="cpu", devices=1)
    trainer.train(session)
    return trainer


@pytest.mark.parametrize("system", ["ffdnet", "diffusion", "jpeg", "mixed"])
def test_what_is_released_is_the_averaged_network(
    system: str, recipe: Make, data: Path, tmp_path: Path, scene: Callable[..., Tensor]
) -> None:
    trainer = trained(recipe(system, steps=6), data, tmp_path / "run")
    card = release(trainer, tmp_path / "weights", tmp_path / "cards")
    weights = tmp_path / "weights" / "tiny.safetensors"
    content = weights.read_bytes()
    assert card.weights.file == weights.name
    assert card.weights.bytes == len(content)
    assert card.weights.sha256 == hashlib.sha256(content).hexdigest()
    path = tmp_path / "cards" / "tiny.yaml"
    assert pnp_priors.describe(path) == card

    prior = pnp_priors.load(path)
    x = scene(20, 23)
    with torch.no_grad():
        averaged = trainer.averaged.eval()(x, 0.1)
        last = trainer.network.eval()(x, 0.1)
    torch.testing.assert_close(prior(x, 0.1), averaged, rtol=0, atol=2e-5)
    assert not torch.allclose(prior(x, 0.1), last, atol=2e-5), "the last weights, not the average"
    assert "batch_norm" not in prior.arguments() or not prior.arguments()["batch_norm"]
    tasks = {"jpeg": ["jpeg"], "mixed": ["gaussian", "jpeg", "super-resolution"]}
    assert card.tasks == tasks.get(system, ["gaussian"])
    assert card.quality_range == {"jpeg": (20, 20), "mixed": (5, 99)}.get(system)
    assert card.scales == prior.scales == ((2, 3, 4) if system == "mixed" else None)
    assert card.blind == (system in {"jpeg", "mixed"})
    if system == "mixed":
        assert card.outside_range == "blind: sigma is ignored"
        assert list(card.training.validation_psnr) == MIXED_LEVELS


def test_what_estimates_its_noise_is_released_as_such(
    recipe: Make, data: Path, tmp_path: Path, scene: Callable[..., Tensor]
) -> None:
    trainer = trained(recipe("camera", steps=6), data, tmp_path / "run")
    card = release(trainer, tmp_path / "weights", tmp_path / "cards")
    path = tmp_path / "cards" / "tiny.yaml"
    assert pnp_priors.describe(path) == card
    assert (card.tasks, card.estimates_sigma, card.blind) == (["camera"], True, False)
    assert card.trained_for == "camera noise of sigma 2/255 to 64/255, estimated or given"
    assert card.trained_for in str(card)
    assert list(card.training.validation_psnr) == ["0.04+0.015", "0.08+0.03", "0.16+0.06"]
    prior, averaged, x = pnp_priors.load(path), trainer.averaged.eval(), scene(20, 23, 3)
    with torch.no_grad():
        for sigma in (None, 0.1):
            torch.testing.assert_close(prior(x, sigma), averaged(x, sigma), rtol=0, atol=2e-5)
        torch.testing.assert_close(prior.estimate(x), averaged.estimate(x))


def test_half_precision_halves_the_file(
    recipe: Make, data: Path, tmp_path: Path, scene: Callable[..., Tensor]
) -> None:
    """Each weight is the nearest of its kind; what is computed is float32."""
    trainer = trained(recipe("ffdnet", steps=6, weights_dtype="float16"), data, tmp_path / "run")
    card = release(trainer, tmp_path / "weights", tmp_path / "cards")
    prior = pnp_priors.load(tmp_path / "cards" / "tiny.yaml")
    averaged = trainer.averaged.for_release()
    for (name, ours), whole in zip(
        prior.state_dict().items(), averaged.state_dict().values(), strict=True
    ):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, whole.half().float()), name
    assert card.weights.dtype == "float16"
    numbers = sum(p.numel() for p in prior.parameters())
    assert 2 * numbers < card.weights.bytes < 2 * numbers + 1500
    x = scene(20, 23)
    torch.testing.assert_close(prior(x, 0.1), averaged(x, 0.1), rtol=0, atol=2e-3)


def test_the_card_says_how_it_came_to_be(recipe: Make, data: Path, tmp_path: Path) -> None:
    checked = recipe("ffdnet", steps=6)
    trainer = trained(checked, data, tmp_path / "run")
    card = release(trainer, tmp_path / "weights", tmp_path / "cards")
    training = card.training
    assert training.finished
    assert training.images == 2
    assert training.data == ["images"]
    assert training.recipe_text == checked.model_dump(mode="json", exclude={"card"})
    assert training.validation_psnr == trainer.state.validation
    assert training.torch in torch.__version__
    assert training.started_from is None
    assert card.parameters == sum(
        p.numel() for p in pnp_priors.load(tmp_path / "cards" / "tiny.yaml").parameters()
    )
    assert (card.title, card.licence) == ("t", "MIT")
    assert "75/255" in card.outside_range


def test_a_run_stopped_while_it_grows_is_released_as_far_as_it_came(
    recipe: Make, data: Path, tmp_path: Path, scene: Callable[..., Tensor]
) -> None:
    trainer = trained(recipe("diffusion"), data, tmp_path / "run", session=0)
    card = release(trainer, tmp_path / "weights", tmp_path / "cards")
    assert not card.training.finished
    assert "half-trained" in str(card)
    assert card.architecture["stages"] == 1
    prior = pnp_priors.load(tmp_path / "cards" / "tiny.yaml")
    assert prior.receptive_field == card.receptive_field == 5
    x = scene(20, 23)
    with torch.no_grad():
        averaged = trainer.averaged.eval()(x, 0.1)
    torch.testing.assert_close(prior(x, 0.1), averaged, rtol=0, atol=2e-5)


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("pnp_priors.training.release.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
