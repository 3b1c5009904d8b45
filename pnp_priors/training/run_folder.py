"""The files of a training run: the recipe as run, the checkpoint, the log."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from pnp_priors.errors import ConfigError
from pnp_priors.training.recipe import Recipe

#: of a recipe, in a run that is continued: texts, the times of validation, what comes after
MAY_CHANGE = frozenset(
    {"card", "description", "validate_every", "validation_sigmas", "validation_qualities"}
    | {"weights_dtype", "warm_start"}
)


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Keep the recipe that a run begins with."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def check_same_recipe(folder: Path, recipe: Recipe) -> None:
    """Refuse to go on with other settings: the card could not say how it was trained.

    :raises ConfigError: names the first key that differs, and both values.
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        return
    began, now = (
        {k: v for k, v in one.model_dump(mode="json").items() if k not in MAY_CHANGE}
        for one in (Recipe.read(path), recipe)
    )
    for key in now:
        if began[key] != now[key]:
            raise ConfigError(
                f"{folder} was begun with {key}: {began[key]}, the recipe now has "
                f"{now[key]}; use another run folder"
            )


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and numbers whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    os.replace(partial, path)


def append_log(folder: Path, row: Mapping[str, Any]) -> None:
    """Add a row to ``log.csv``; a new file gets the row's keys as its header."""
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(row)
        writer.writerow(row.values())
