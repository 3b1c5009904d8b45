"""Makes a restorer of a checked pipeline that exported graphs compute."""

from __future__ import annotations

import importlib
from pathlib import Path

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.runtime.engine.graphs import Graphs
from pnp_priors.runtime.engine.restorer import GraphRestorer

_HERE = "pnp_priors.runtime.engine"
#: by task, the module that has ``build(pipeline, card, graphs)`` and ``SKILLS``
MODULES = {
    "deconvolution": f"{_HERE}.deconvolution",
    "denoising": f"{_HERE}.denoising",
    "jpeg-deblocking": f"{_HERE}.jpeg_deblocking",
    "super-resolution": f"{_HERE}.super_resolution",
}


def build(pipeline: Pipeline, graphs: Graphs) -> GraphRestorer:
    """A restorer of checked settings; opens the graph and the files that the settings name.

    :raises InputError: a task that this engine does not run, or a prior that is not for the task.
    :raises UnknownNameError, MissingFileError: likewise of a prior's name, and of files.
    """
    if pipeline.task not in MODULES:
        raise InputError(
            f"engine onnxruntime does not run {pipeline.task}; it runs {', '.join(MODULES)}"
        )
    if pipeline.prior.weights is not None:
        raise InputError(
            f"prior.weights: {Path(pipeline.prior.weights).name}: graphs are exported of released "
            "weights, or of a card's; the torch engine takes other ones"
        )
    module = importlib.import_module(MODULES[pipeline.task])
    with naming("prior.name"):
        card = registry.describe(pipeline.prior.name)
        if not set(module.SKILLS) & set(card.tasks):
            raise InputError(
                f"prior.name: {card.name} is trained for {', '.join(card.tasks)}; "
                f"{pipeline.task} needs a prior trained for {' or '.join(module.SKILLS)}"
            )
    schedule.check(pipeline, card)
    restorer: GraphRestorer = module.build(pipeline, card, graphs)
    restorer.check_tiles()
    return restorer
