"""What ``pnp-priors train`` does: find recipe and data, train under a budget, write the prior."""

from __future__ import annotations

import os
from pathlib import Path

from pnp_priors.card import Card
from pnp_priors.errors import MissingFileError, UnknownNameError
from pnp_priors.training.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes"


def recipe_path(recipe: str) -> Path:
    """A shipped recipe by its name, or a YAML file by its path.

    :raises UnknownNameError: lists the shipped recipes.
    """
    path = Path(recipe)
    if path.suffix in {".yaml", ".yml"}:
        return path
    shipped = RECIPES / f"{recipe}.yaml"
    if not shipped.is_file():
        raise UnknownNameError("recipe", recipe, sorted(p.stem for p in RECIPES.glob("*.yaml")))
    return shipped


def data_folder(data: Path | None) -> Path:
    """The folder of training data: the argument, else ``PNP_PRIORS_DATA``.

    :raises MissingFileError: neither is a folder.
    """
    named = os.environ.get("PNP_PRIORS_DATA")
    folder = data or (Path(named) if named else None)
    if folder is None:
        raise MissingFileError("no data folder: give --data DIR or set PNP_PRIORS_DATA")
    if not folder.is_dir():
        raise MissingFileError(f"no such data folder: {folder}")
    return folder


def train(
    recipe: str,
    data: Path | None,
    out: Path,
    minutes: float | None = None,
    session_minutes: float | None = None,
    accelerator: str = "auto",
    devices: int | str = "auto",
    start_from: str | None = None,
) -> Card:
    """Train a recipe and write ``weights/NAME.safetensors`` and ``cards/NAME.yaml`` below ``out``.

    :param recipe: name of a shipped recipe or path of a YAML file.
    :param data: folder that the recipe's sources are relative to.
    :param out: run folder; an unfinished run in it is continued.
    :param minutes: budget of the whole run, needed where the recipe states no steps.
    :param session_minutes: stop after these, with a checkpoint; the next call continues.
    :param start_from: name or card of a trained prior to start from, instead of the recipe's.
    :param accelerator, devices: as in Lightning Fabric.
    :raises ConfigError, MissingFileError, UnknownNameError: one line each.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    checked = Recipe.read(recipe_path(recipe))
    folder = data_folder(data)

    from pnp_priors.training.lbfgs import LbfgsTrainer
    from pnp_priors.training.loop import Trainer
    from pnp_priors.training.release import release

    trainers = {"adam": Trainer, "muon": Trainer, "lbfgs": LbfgsTrainer}

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns) as display:
        task = display.add_task(checked.name, total=1.0, figures="")

        def report(trainer: Trainer) -> None:
            state = trainer.state
            scores = " ".join(f"{s}:{v:.2f}" for s, v in state.validation.items())
            display.update(
                task,
                completed=trainer.progress,
                figures=f"loss {state.loss:.4g}  "
                f"{state.pixels / 1e3 / max(state.seconds, 1e-9):,.0f} kpx/s  "
                + (f"validation dB at {trainer.degradation.unit} {scores}" if scores else ""),
            )

        kind = trainers[checked.optimizer.name]
        trainer = kind(checked, folder, out, minutes, report, accelerator, devices, start_from)
        trainer.train(session_minutes)
        return release(trainer, out / "weights", out / "cards")
