"""Deconvolution through the graph of the whole restoration, the photo whole or in tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pnp_priors import kernels
from pnp_priors.card import Card
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.deconvolution import SKILLS, DeconvolutionBase
from pnp_priors.pipelines.keys import naming
from pnp_priors.pipelines.outcome import Progress
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.runtime.engine.graphs import Graphs
from pnp_priors.runtime.engine.priors import Facts
from pnp_priors.runtime.engine.restorations import restoration_graph
from pnp_priors.runtime.engine.restorer import GraphRestorer
from pnp_priors.runtime.engine.tiles import cut_up, in_tiles
from pnp_priors.runtime.session import Session

__all__ = ["SKILLS", "DeconvolutionEngine", "build"]


class DeconvolutionEngine(DeconvolutionBase, GraphRestorer):
    """See :class:`pnp_priors.pipelines.tasks.deconvolution.DeconvolutionRestorer`.

    :param kernel: ``[h, w]``, as :func:`pnp_priors.kernels.read_as_given` returns it.
    """

    blended = True

    def __init__(
        self, pipeline: Deconvolution, prior: Facts, session: Session, kernel: np.ndarray
    ) -> None:
        super().__init__(pipeline, prior, session)
        self.kernel_as_given, self.kernel_values = kernel, kernels.check(kernel)

    def _restore(self, y: np.ndarray, noise: float | None, progress: Progress | None) -> np.ndarray:
        level = self.noise_level(y) if noise is None else noise
        assert level is not None
        height, width = y.shape[-2:]
        assert self.kernel_as_given is not None
        rows, columns = self.kernel_as_given.shape
        where = f"kernel.file {self.pipeline.kernel.file}"
        kernels.check_fits((rows, columns), height, width, where)
        inputs = {"kernel": self.kernel_values, "noise": np.array([level], np.float32)}
        if "iterations" in self.session.inputs:
            inputs["iterations"] = np.array(self.iterations, np.int64)

        def deblur(part: np.ndarray) -> np.ndarray:
            return self.session({"x": part, **inputs}, outside=True)

        halo = self._halo()
        side = None if self._in_one_piece((height, width)) else self._tile_side(y, halo)
        if side is not None:
            cut = cut_up((height, width), side, halo, self.prior.size_multiple, self.on_gpu)
            return in_tiles(lambda part, _: deblur(part), y, cut, progress)
        restored = deblur(y)
        if progress is not None:
            progress(1, 1)
        return restored


def build(pipeline: Deconvolution, card: Card, graphs: Graphs) -> DeconvolutionEngine:
    """Reads the kernel and opens the graph."""
    with naming("kernel.file"):
        kernel = kernels.read_as_given(Path(pipeline.kernel.file), pipeline.kernel.key)
    axes = {"kernel": 2, "noise": 1}
    wanted = restoration_graph(pipeline, card, schedule.iterations(pipeline), axes)
    session = graphs.open(wanted)
    return DeconvolutionEngine(pipeline, Facts(card, session), session, kernel)
