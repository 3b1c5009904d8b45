"""The training loop: learning, phases, logs, and runs that are interrupted."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pnp_priors.errors import ConfigError, InputError, MissingExtraError, UnknownNameError
from pnp_priors.training.data import PatchSampler, load_sources
from pnp_priors.training.lbfgs import LbfgsTrainer
from pnp_priors.training.loop import Trainer
from pnp_priors.training.losses import LOSSES
from pnp_priors.training.recipe import Recipe
from pnp_priors.training.state import LOG_COLUMNS

Make = Callable[..., Recipe]
LBFGS: dict[str, Any] = {
    "optimizer": {
        "name": "lbfgs",
        "lr": {"filters": 1.0, "influence": 1.0, "reaction": 1.0},
        "warmup_steps": 0,
        "samples": 6,
    },
    "phases": [
        {"until": 0.3, "grow": {"stages": 1, "greedy": 1}},
        {"until": 0.6, "grow": {"stages": 2, "greedy": 1}},
        {"until": 1.0, "grow": {"stages": 2}},
    ],
}
MUON: dict[str, Any] = {
    "architecture": {"depth": 4, "width": 16, "residual": True},
    "optimizer": {"name": "muon", "lr": {"weights": 4e-3}, "warmup_steps": 3, "clip": 1.0},
    "channels_last": True,
    "revive_every": 2,
}


LBFGS_ALONE: dict[str, Any] = {
    "system": "diffusion",
    "architecture": {"stages": 1, "filter_size": 3, "levels": 40},
    "optimizer": LBFGS["optimizer"],
}
TWO_LOSSES: dict[str, Any] = {
    "loss": "l1",
    "phases": [{"until": 0.4}, {"until": 1.0, "loss": "l2"}],
}


def configured(make: Make, system: str, **changes: Any) -> Recipe:
    """A tiny recipe of a system, or of one under an optimizer that is not its usual one."""
    base, unusual = {
        "lbfgs": ("diffusion", LBFGS),
        "muon": ("ffdnet", MUON),
        "two losses": ("ffdnet", TWO_LOSSES),
    }.get(system, (system, {}))
    return make(base, **{**unusual, **changes})


def trainer(recipe: Recipe, data: Path, folder: Path, **options: Any) -> Trainer:
    kind = LbfgsTrainer if recipe.optimizer.name == "lbfgs" else Trainer
    return kind(recipe, data, folder, accelerator="cpu", devices=1, **options)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("system", "steps"), [("ffdnet", 60), ("diffusion", 60), ("muon", 60)])
def test_the_loss_goes_down(
    system: str, steps: int, recipe: Make, data: Path, tmp_path: Path
) -> None:
    run = trainer(
        configured(recipe, system, steps=steps, validate_every=1000), data, tmp_path / "run"
    )
    torch.manual_seed(0)
    batch = run.draw(32)

    def loss() -> float:
        run.model.eval()
        with torch.no_grad():
            return run.loss(*batch).item()

    before, psnr = loss(), run.validate()
    assert run.train() is True
    assert loss() < 0.9 * before
    assert all(run.state.validation[sigma] > psnr[sigma] for sigma in psnr)
    assert run.state.step == steps
    assert run.state.pixels == steps * 4 * 16 * 16
    assert math.isfinite(run.state.loss)


class PowerCutError(Exception):
    """Stands for a machine that goes away."""


def tensors(run: Trainer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found |= {f"network {k}": v for k, v in run.network.state_dict().items()}
    found |= {f"average {k}": v for k, v in run.average.state_dict().items()}
    state = run.optimizer.state_dict()["state"]
    found |= {f"optimizer {i} {k}": v for i, s in state.items() for k, v in s.items()}
    return found | {"loss": run.state.loss, "validation": run.state.validation}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "system", ["ffdnet", "muon", "diffusion", "lbfgs", "jpeg", "mixed", "camera", "two losses"]
)
def test_an_interrupted_run_continues_bit_for_bit(
    system: str, precision: str, recipe: Make, data: Path, tmp_path: Path
) -> None:
    """Killed twice between checkpoints, once inside each phase, against never."""
    checked = configured(recipe, system, precision=precision, validate_every=2)
    whole = trainer(checked, data, tmp_path / "whole")
    whole.train()

    for kill in (3, 7):

        def stop(run: Trainer, kill: int = kill) -> None:
            if run.state.step == kill:
                raise PowerCutError

        with pytest.raises(PowerCutError):
            trainer(checked, data, tmp_path / "parts", report=stop).train()
    parts = trainer(checked, data, tmp_path / "parts")
    assert parts.state.step == 6
    if system in {"diffusion", "jpeg"}:
        assert parts.state.phase == 0
        assert parts.network.active_stages == 1  # type: ignore[attr-defined]
    parts.train()

    expected, found = tensors(whole), tensors(parts)
    assert expected.keys() == found.keys()
    different = [name for name in expected if not same(expected[name], found[name])]
    assert not different
    steps = [row["step"] for row in rows(tmp_path / "whole")]
    assert [row["step"] for row in rows(tmp_path / "parts")] == steps


def test_a_run_continues_on_another_kind_of_device(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    """A GPU's generator has a state of 16 bytes, which the CPU's cannot take over."""
    checked = recipe("ffdnet", steps=4, validate_every=2)
    first = trainer(checked, data, tmp_path / "run")
    first.train(session_minutes=0)
    state = torch.load(first.checkpoint, weights_only=True)
    state["generator"] = torch.zeros(16, dtype=torch.uint8)
    torch.save(state, first.checkpoint)
    second = trainer(checked, data, tmp_path / "run")
    assert second.state.step == first.state.step == 1
    assert not [n for n, v in tensors(first).items() if not same(v, tensors(second)[n])]
    assert not torch.equal(
        second.sampler.sample(2),
        PatchSampler(
            load_sources(checked.data.sources, data, 1)[0], checked.data.patch, checked.seed
        ).sample(2),
    )
    assert second.train()
    assert second.state.step == 4


def test_seeds(recipe: Make, data: Path, tmp_path: Path) -> None:
    runs = [
        trainer(recipe("ffdnet", steps=2, seed=seed), data, tmp_path / f"run{index}")
        for index, seed in enumerate((3, 3, 4))
    ]
    for run in runs:
        run.train()
    one, two, other = (run.network.state_dict()["body.0.weight"] for run in runs)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_finished_run_stays_as_it_is(recipe: Make, data: Path, tmp_path: Path) -> None:
    run = trainer(recipe("ffdnet", steps=2), data, tmp_path / "run")
    assert run.train()
    again = trainer(recipe("ffdnet", steps=2), data, tmp_path / "run")
    assert again.progress == 1.0
    assert again.train()
    assert len(rows(tmp_path / "run")) == 1
    assert again.state.step == 2
    assert not [n for n, v in tensors(run).items() if not same(v, tensors(again)[n])]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"system": "ffdnet"}, {"system": "diffusion"}),
        ({"system": "diffusion"}, {"system": "ffdnet"}),
        ({"system": "ffdnet"}, {"system": "ffdnet", "architecture": {"depth": 4, "width": 8}}),
    ],
    ids=["diffusion after ffdnet", "ffdnet after diffusion", "another depth"],
)
def test_a_checkpoint_of_another_recipe_is_refused(
    first: dict[str, Any], second: dict[str, Any], recipe: Make, data: Path, tmp_path: Path
) -> None:
    trainer(recipe(**first), data, tmp_path / "run").train()
    with pytest.raises(
        ConfigError, match=r"run was begun with (system|architecture): .*use another"
    ):
        trainer(recipe(**second), data, tmp_path / "run")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("optimizer", {"optimizer": {"lr": {"weights": 4e-3}, "warmup_steps": 3, "clip": 1.0}}),
        ("ema", {"ema": 0.7}),
        ("seed", {"seed": 5}),
    ],
)
def test_a_run_keeps_the_settings_that_it_began_with(
    key: str, change: dict[str, Any], recipe: Make, data: Path, tmp_path: Path
) -> None:
    """Else the card would state a recipe that half of the run did not follow."""
    trainer(recipe("ffdnet"), data, tmp_path / "run").train()
    with pytest.raises(ConfigError, match=f"was begun with {key}: "):
        trainer(recipe("ffdnet", **change), data, tmp_path / "run")
    said = recipe("ffdnet", description="other words", validate_every=3)
    assert trainer(said, data, tmp_path / "run").progress == 1.0


def test_a_checkpoint_that_the_network_cannot_take_is_refused(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    trainer(recipe("ffdnet"), data, tmp_path / "run").train()
    (tmp_path / "run" / "recipe.yaml").unlink()
    with pytest.raises(ConfigError, match=r"checkpoint\.pt belongs to another recipe"):
        trainer(recipe("diffusion"), data, tmp_path / "run")


def test_it_saves_now_and_then_without_validating(
    recipe: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of which every look costs 50 seconds, killed after the seventh step."""
    clock = iter(range(0, 10**6, 50))
    monkeypatch.setattr("pnp_priors.training.loop.time.monotonic", lambda: float(next(clock)))

    def stop(run: Trainer) -> None:
        if run.state.step == 7:
            raise PowerCutError

    checked = recipe("ffdnet", validate_every=1000)
    with pytest.raises(PowerCutError):
        trainer(checked, data, tmp_path / "run", report=stop).train()
    assert trainer(checked, data, tmp_path / "run").state.step == 6
    assert not (tmp_path / "run" / "log.csv").exists()


def test_phases_grow_the_network(recipe: Make, data: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def note(run: Trainer) -> None:
        averaged: Any = run.averaged
        network: Any = run.network
        assert averaged.active_stages == network.active_stages
        seen.append((run.state.step, network.active_stages))

    trainer(recipe("diffusion", steps=8), data, tmp_path / "run", report=note).train()
    # until 0.5: one stage; until 0.75: two; then three
    assert seen == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3), (8, 3)]


def test_a_greedy_phase_leaves_the_earlier_stages_alone(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    stages: dict[int, torch.Tensor] = {}

    def note(run: Trainer) -> None:
        stages[run.state.step] = run.network.state_dict()["weights"].clone()

    run = trainer(recipe("diffusion", steps=10, **LBFGS), data, tmp_path / "run", report=note)
    run.train()
    assert torch.equal(stages[6][0], stages[3][0]), "stage 1 moved while stage 2 was trained alone"
    assert not torch.equal(stages[6][1], stages[3][0]), "stage 2 did not learn"
    assert not torch.equal(stages[10][0], stages[6][0]), "stage 1 did not learn jointly"


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_changes_with_the_phase(
    optimizer: str, recipe: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In ten steps, L1 for four, L2 for the rest: what is called, and what the log's mean is of."""
    called: list[str] = []
    for name in ("l1", "l2"):

        def spy(x: Tensor, y: Tensor, name: str = name, of: Any = LOSSES[name]) -> Tensor:
            called.append(name)
            return of(x, y)

        monkeypatch.setitem(LOSSES, name, spy)
    used: dict[int, list[str]] = {}
    means: dict[int, float] = {}
    moments: dict[int, float] = {}

    def note(run: Trainer) -> None:
        used[run.state.step] = list(dict.fromkeys(called))
        means[run.state.step] = run.state.loss
        first = next(iter(run.optimizer.state_dict()["state"].values()))
        moments[run.state.step] = float(first.get("step", 0))
        called.clear()

    systems: dict[str, dict[str, Any]] = {"adam": {"system": "ffdnet"}, "lbfgs": LBFGS_ALONE}
    checked = recipe(**{**systems[optimizer], **TWO_LOSSES, "steps": 10})
    run = trainer(checked, data, tmp_path / "run", report=note)
    assert set(called) == {"l1", "l2"}, "a loss was not tried before the training"
    called.clear()
    run.train()
    assert used == {step: ["l1"] if step <= 4 else ["l2"] for step in range(1, 11)}
    assert means[5] < 0.2 * means[4], "the square's mean holds absolute values"
    if optimizer == "adam":
        assert [moments[step] for step in (4, 5, 6)] == [4, 1, 2]


def test_a_loss_that_is_not_for_such_patches_is_refused_at_once(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    small = {**recipe("ffdnet").data.model_dump(exclude_none=True), "patch": 8}
    later = [{"until": 0.9}, {"until": 1.0, "loss": "ssim"}]
    with pytest.raises(ConfigError, match=r"data.patch is 8, loss is 'ssim': .* 11x11"):
        trainer(recipe("ffdnet", data=small, phases=later), data, tmp_path / "run")


def test_lbfgs_lowers_its_objective(recipe: Make, data: Path, tmp_path: Path) -> None:
    settings = {**LBFGS, "phases": [{"until": 1.0, "grow": {"stages": 2}}]}
    run = trainer(recipe("diffusion", steps=8, **settings), data, tmp_path / "run")
    assert isinstance(run, LbfgsTrainer)
    samples = run._samples()
    run._enter_phase()
    run.model.train()
    before = run.loss(*samples).item()
    run.train()
    assert run._samples() is samples
    assert run.loss(*samples).item() < 0.9 * before


def test_the_log_can_be_plotted(recipe: Make, data: Path, tmp_path: Path) -> None:
    run = trainer(recipe("ffdnet", steps=10, validate_every=4), data, tmp_path / "run")
    run.train()
    found = rows(tmp_path / "run")
    assert tuple(found[0]) == (*LOG_COLUMNS, "psnr_15", "psnr_25")
    assert [int(row["step"]) for row in found] == [4, 8, 10]
    assert all(math.isfinite(float(value)) for row in found for value in row.values())
    assert [float(row["progress"]) for row in found] == [0.4, 0.8, 1.0]
    assert float(found[-1]["psnr_25"]) == pytest.approx(run.state.validation["25"], abs=1e-3)
    megapixels = [float(row["megapixels"]) for row in found]
    assert megapixels == pytest.approx([s * 4 * 256 / 1e6 for s in (4, 8, 10)], abs=6e-4)


def test_the_log_has_one_row_per_step(recipe: Make, data: Path, tmp_path: Path) -> None:
    trainer(recipe("ffdnet", steps=4, validate_every=2), data, tmp_path / "run").train()
    assert [int(row["step"]) for row in rows(tmp_path / "run")] == [2, 4]


def test_a_run_folder_says_what_was_run(recipe: Make, data: Path, tmp_path: Path) -> None:
    checked = recipe("diffusion", steps=1)
    trainer(checked, data, tmp_path / "run").train()
    assert Recipe.read(tmp_path / "run" / "recipe.yaml") == checked
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert left == ["checkpoint.pt", "log.csv", "recipe.yaml"]


def test_a_session_ends_with_a_checkpoint(recipe: Make, data: Path, tmp_path: Path) -> None:
    checked = recipe("ffdnet", steps=3)
    run = trainer(checked, data, tmp_path / "run")
    assert run.train(session_minutes=0) is False
    assert run.state.step == 1
    assert trainer(checked, data, tmp_path / "run").state.step == 1


def test_a_budget_of_minutes_ends_the_run(
    recipe: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of which every look costs six seconds."""
    clock = iter(range(0, 10**6, 6))
    monkeypatch.setattr("pnp_priors.training.loop.time.monotonic", lambda: float(next(clock)))
    run = trainer(recipe("ffdnet", steps=None), data, tmp_path / "run", minutes=1.0)
    assert run.train() is True
    assert run.state.step == 10
    assert run.progress == 1.0
    resumed = trainer(recipe("ffdnet", steps=None), data, tmp_path / "run", minutes=2.0)
    assert resumed.progress == pytest.approx(0.5)


def test_without_steps_minutes_are_needed(recipe: Make, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'tiny' has no 'steps'"):
        trainer(recipe("ffdnet", steps=None), data, tmp_path / "run")


def test_learning_rates_need_the_groups_of_the_system(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    wrong = recipe("diffusion", optimizer={"lr": {"weights": 1e-3}})
    with pytest.raises(ConfigError, match="filters, influence, reaction, got weights"):
        trainer(wrong, data, tmp_path / "run")


def test_a_wrong_architecture_is_one_line(recipe: Make, data: Path, tmp_path: Path) -> None:
    wrong = recipe("ffdnet", architecture={"depht": 3})
    with pytest.raises(ConfigError, match=r"'ffdnet'.*depht"):
        trainer(wrong, data, tmp_path / "run")


def test_images_cannot_all_be_held_out(recipe: Make, data: Path, tmp_path: Path) -> None:
    source = {"folder": "images", "hold_out": 3}
    wrong = recipe("ffdnet")
    wrong = wrong.model_copy(
        update={"data": type(wrong.data)(**{**wrong.data.model_dump(), "sources": [source]})}
    )
    with pytest.raises(InputError, match="cannot hold out 3 of 3"):
        trainer(wrong, data, tmp_path / "run")


def test_validation_images_are_not_trained_on(recipe: Make, data: Path, tmp_path: Path) -> None:
    run = trainer(recipe("ffdnet"), data, tmp_path / "run")
    assert run.images == 2
    assert run.sampler.pixels == 40 * 48 + 33 * 37
    assert [tuple(image.shape) for image in run.validation] == [(1, 24, 30)]


def test_a_run_starts_from_a_trained_prior_and_says_which(
    recipe: Make, data: Path, tmp_path: Path
) -> None:
    from pnp_priors.training.release import release

    first = trainer(recipe("ffdnet", steps=3), data, tmp_path / "first")
    first.train()
    card = release(first, tmp_path / "first" / "weights", tmp_path / "first" / "cards")
    path = tmp_path / "first" / "cards" / f"{card.name}.yaml"
    merged = recipe("ffdnet", architecture=card.architecture, warm_start=str(path))
    second = trainer(merged, data, tmp_path / "second")
    assert second.state.started_from is not None
    assert card.weights.sha256 in second.state.started_from
    released = release(second, tmp_path / "second" / "weights", tmp_path / "second" / "cards")
    assert released.training.started_from == second.state.started_from
    assert released.weights.sha256 == card.weights.sha256  # not trained yet: the same tensors


def test_training_without_its_extra_says_which(
    recipe: Make, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pnp_priors\[train\]'"):
        trainer(recipe("ffdnet"), data, tmp_path / "run")


def test_a_start_that_is_not_released_is_said(recipe: Make, data: Path, tmp_path: Path) -> None:
    later = recipe("ffdnet", warm_start="dncnn-start")
    with pytest.raises(ConfigError, match=r"'dncnn-start', which is not released.*--start-from"):
        trainer(later, data, tmp_path / "run")
    with pytest.raises(UnknownNameError, match="nearest"):
        trainer(later, data, tmp_path / "run", start_from="genericdb")
