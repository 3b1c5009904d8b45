"""Super-resolution through the graph of the whole restoration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pnp_priors import kernels
from pnp_priors.card import Card
from pnp_priors.physics.reductions import enlarged
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.super_resolution import SKILLS, SuperResolutionBase
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.schemas.super_resolution import SuperResolution
from pnp_priors.runtime.engine.graphs import Graphs
from pnp_priors.runtime.engine.priors import Facts
from pnp_priors.runtime.engine.restorations import restoration_graph
from pnp_priors.runtime.engine.restorer import GraphRestorer
from pnp_priors.runtime.session import Session

__all__ = ["SKILLS", "SuperResolutionEngine", "build"]


class SuperResolutionEngine(SuperResolutionBase, GraphRestorer):
    """See :class:`pnp_priors.pipelines.tasks.super_resolution.SuperResolutionRestorer`.

    Photos are restored whole; the key ``tiles``, which there cuts what the prior gets, changes
    nothing of the result.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read_as_given` returns it; ``None``:
        bicubic.
    """

    blended = True

    def __init__(
        self,
        pipeline: SuperResolution,
        prior: Facts,
        session: Session,
        kernel: np.ndarray | None = None,
    ) -> None:
        super().__init__(pipeline, prior, session)
        self.kernel_as_given = kernel
        self.kernel_values = None if kernel is None else kernels.check(kernel)

    def _restore(self, y: np.ndarray, noise: float | None, progress: Progress | None) -> np.ndarray:
        inputs = {"x": y}
        if not self.one_pass:
            level = self.noise_level(y) if noise is None else noise
            assert level is not None
            inputs["noise"] = np.array([level], np.float32)
            if self.kernel_values is not None:
                inputs["kernel"] = self.kernel_values
            if "iterations" in self.session.inputs:
                inputs["iterations"] = np.array(self.iterations, np.int64)
        restored = self.session(inputs, outside=True)
        if progress is not None:
            progress(1, 1)
        return restored

    def _baseline(self, y: np.ndarray) -> np.ndarray:
        return enlarged(y, self.pipeline.factor)


def build(pipeline: SuperResolution, card: Card, graphs: Graphs) -> SuperResolutionEngine:
    """Reads the kernel, where there is one, and opens the graph."""
    kernel = None
    if pipeline.kernel is not None:
        with naming("kernel.file"):
            kernel = kernels.read_as_given(Path(pipeline.kernel.file), pipeline.kernel.key)
    one_pass = "super-resolution" in card.tasks
    axes = {} if one_pass else {"noise": 1}
    if kernel is not None and not one_pass:
        axes["kernel"] = 2
    count = None if one_pass else schedule.iterations(pipeline)
    session = graphs.open(restoration_graph(pipeline, card, count, axes))
    return SuperResolutionEngine(pipeline, Facts(card, session), session, kernel)
