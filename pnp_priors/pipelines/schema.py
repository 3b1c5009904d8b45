"""What a pipeline file may say, by the value of its key ``task``.

The keys of all tasks are in :mod:`pnp_priors.pipelines.settings`, those of each in its module of
:mod:`pnp_priors.pipelines.schemas`.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from pnp_priors.errors import UnknownNameError
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.schemas.demosaicing import Demosaicing
from pnp_priors.pipelines.schemas.denoising import Denoising
from pnp_priors.pipelines.schemas.inpainting import Inpainting
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.pipelines.settings import Pipeline

#: pipelines by the value of their key `task`
TASKS: dict[str, type[Pipeline]] = {
    "deconvolution": Deconvolution,
    "denoising": Denoising,
    "jpeg-deblocking": JpegDeblocking,
    "super-resolution": SuperResolution,
    "inpainting": Inpainting,
    "demosaicing": Demosaicing,
}

#: keys of any task whose values are paths
PATHS = tuple(dict.fromkeys(path for kind in TASKS.values() for path in kind.paths))


def json_schema(task: str | None = None) -> dict[str, Any]:
    """The JSON schema of a task's pipelines; of all tasks, told apart by ``task``, without one.

    :raises UnknownNameError: lists the tasks.
    """
    if task is None:
        kinds: Any = reduce(or_, TASKS.values())
        return TypeAdapter(Annotated[kinds, Field(discriminator="task")]).json_schema()
    if task not in TASKS:
        raise UnknownNameError("task", task, sorted(TASKS))
    return TASKS[task].model_json_schema()
