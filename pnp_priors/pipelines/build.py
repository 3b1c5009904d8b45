"""Makes a restorer of a checked pipeline: its prior is loaded, its task's module does the rest."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from deepinv.models import Denoiser

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Progress, Used
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.settings import Pipeline

__all__ = ["MODULES", "Progress", "Restorer", "Used", "build", "load"]

#: by task, the module that has ``build(pipeline, prior)`` and ``SKILLS``; imported when it is used
MODULES = {
    "deconvolution": "pnp_priors.pipelines.tasks.deconvolution",
    "denoising": "pnp_priors.pipelines.tasks.denoising",
    "jpeg-deblocking": "pnp_priors.pipelines.tasks.jpeg_deblocking",
    "super-resolution": "pnp_priors.pipelines.tasks.super_resolution",
    "inpainting": "pnp_priors.pipelines.tasks.inpainting",
    "demosaicing": "pnp_priors.pipelines.tasks.demosaicing",
}


class _Task(NamedTuple):
    """What a task's module has.

    :param skills: a prior's card must name one of these as its tasks.
    """

    build: Callable[[Any, Denoiser], Restorer]
    skills: tuple[str, ...]


def load(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
) -> Restorer:
    """A pipeline, ready to restore.

    :param name_or_path: a shipped pipeline's name, or a YAML file.
    :param overrides: values by dotted key: ``{"kernel.file": "blur.png", "noise.sigma": 0.01}``.
    :raises ConfigError, MissingFileError, UnknownNameError, InputError: one line each, which names
        the key or the file.
    """
    pipeline = files.read(files.find(name_or_path), overrides)
    return build(pipeline, device)


def build(pipeline: Pipeline, device: str | torch.device | None = None) -> Restorer:
    """A restorer of checked settings; loads the prior and the files that the settings name."""
    task = _task(pipeline.task)
    with naming("prior.name"):
        card = registry.describe(pipeline.prior.name)
    if not set(task.skills) & set(card.tasks):
        raise InputError(
            f"prior.name: {card.name} is trained for {', '.join(card.tasks)}; "
            f"{pipeline.task} needs a prior trained for {' or '.join(task.skills)}"
        )
    schedule.check(pipeline, card)
    with naming("prior.name" if pipeline.prior.weights is None else "prior.weights"):
        prior = registry.load(pipeline.prior.name, weights=pipeline.prior.weights)
    restorer = task.build(pipeline, prior)
    restorer.check_tiles()
    try:
        return restorer.to(device or "cpu").eval()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device}: {str(error).splitlines()[0]}") from error


def _task(name: str) -> _Task:
    module = importlib.import_module(MODULES[name])
    return _Task(module.build, module.SKILLS)
