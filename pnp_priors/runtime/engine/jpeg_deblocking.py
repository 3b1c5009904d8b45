"""JPEG deblocking: one pass of an exported prior, or the graph of the whole restoration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pnp_priors import images
from pnp_priors.card import Card
from pnp_priors.physics.jpeg_standard import CHROMINANCE, FROM_RGB, LUMINANCE, quality_table
from pnp_priors.physics.jpeg_stored import StoredJPEG, read_stored, stored_of_pixels
from pnp_priors.pipelines import schedule
from pnp_priors.pipelines.bases.jpeg_deblocking import (
    SKILLS,
    JpegDeblockingBase,
    checked_path,
    history,
)
from pnp_priors.pipelines.outcome import Progress, Used
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.runtime.engine.graphs import Graphs, Wanted, prior_graph
from pnp_priors.runtime.engine.priors import Facts, GraphPrior
from pnp_priors.runtime.engine.restorations import restoration_graph
from pnp_priors.runtime.engine.restorer import GraphRestorer
from pnp_priors.runtime.engine.tiles import cut_up, in_tiles
from pnp_priors.runtime.session import Session

__all__ = ["SKILLS", "JpegDeblockingEngine", "build"]

_TO_RGB = np.linalg.inv(np.array(FROM_RGB))


class JpegDeblockingEngine(JpegDeblockingBase, GraphRestorer):
    """See :class:`pnp_priors.pipelines.tasks.jpeg_deblocking.JpegDeblockingRestorer`.

    A graph gets the whole blocks of a decoder's image before it is rounded and cut, made of the
    file's coefficients, so that it finds these again.

    :param card: of the prior.
    :param session: of the prior, where it restores in one pass; else of the restoration with the
        subsampling that the pipeline states. Others are opened when a file asks for them.
    """

    def __init__(
        self, pipeline: JpegDeblocking, card: Card, session: Session, graphs: Graphs
    ) -> None:
        one_pass = session.passport.kind == "prior"
        prior = GraphPrior(card, session) if one_pass else Facts(card, session)
        super().__init__(pipeline, prior, session)
        self._card, self._graphs = card, graphs
        self._sessions: dict[str, Session] = {pipeline.subsampling: session}

    def restore_image(
        self, image: images.Image, path: Path | None = None, progress: Progress | None = None
    ) -> tuple[images.Image, Used]:
        """See :meth:`pnp_priors.pipelines.tasks.jpeg_deblocking.JpegDeblockingRestorer`."""
        self._check(image.pixels[None])
        notes: tuple[str, ...] = ()
        if self.pipeline.quality is not None:
            file = self._as_stated(image.pixels)
        else:
            file = read_stored(checked_path(path))
            notes = history(file.exact, file.indices, file.tables)
        pixels = self._from_file(file, image.pixels, progress)
        used = self._described(file.tables[0], file.quantisation_noise(), notes)
        return image.with_pixels(pixels), used

    def _as_stated(self, image: np.ndarray) -> StoredJPEG:
        """As if a decoded image ``[C, H, W]`` came from a file of the stated quality."""
        quality = self.pipeline.quality
        assert quality is not None
        chroma = [quality_table(CHROMINANCE, quality)] * (len(image) - 1)
        tables = [quality_table(LUMINANCE, quality), *chroma]
        return stored_of_pixels(image, tables, self.pipeline.subsampling)

    def _from_file(self, file: StoredJPEG, y: np.ndarray, progress: Progress | None) -> np.ndarray:
        """Restored ``[C, H, W]``, blended by the key ``strength``."""
        strength = self.pipeline.strength
        if self.one_pass:
            restored = self._pass(file, y, progress)
            return (y + strength * (restored - y)).astype(np.float32)
        shown = file.shown()
        x = np.broadcast_to(shown, (3, *shown.shape[1:])).astype(np.float32)
        # Of gray, all planes but the first are nothing, whatever their steps.
        tables = np.broadcast_to(file.tables, (3, *file.tables.shape[1:]))
        session = self._session(file.subsampling if len(file.tables) == 3 else None)
        inputs = {"x": x[None], "tables": tables, "size": np.array(file.size, np.int64)}
        if "iterations" in session.inputs:
            inputs["iterations"] = np.array(self.iterations, np.int64)
        restored = session(inputs)[0]
        if progress is not None:
            progress(1, 1)
        height, width = file.size
        restored, x = (image[: len(y), :height, :width] for image in (restored, x))
        # The graph blends with what it was given; the file's decoder has rounded and clipped that.
        return (restored + (1 - strength) * (y - x)).astype(np.float32)

    def _pass(self, file: StoredJPEG, y: np.ndarray, progress: Progress | None) -> np.ndarray:
        prior = self.prior
        luma = file.luminance().clip(0, 1).astype(np.float32)[None, None]
        table = file.tables[0] if prior.takes_table else None
        side = self._tile_side(luma)
        if side is None:
            restored = prior(luma, table=table)
            if progress is not None:
                progress(1, 1)
        else:
            cut = cut_up(file.size, side, prior.halo, prior.size_multiple, self.on_gpu)
            restored = in_tiles(lambda part, _: prior(part, table=table), luma, cut, progress)
        if len(y) == 1:
            return restored[0]
        planes = np.tensordot(np.array(FROM_RGB), y, 1)
        planes[0] = restored[0, 0]
        return np.tensordot(_TO_RGB, planes, 1)

    def _session(self, subsampling: str | None) -> Session:
        """The graph for files of this subsampling; any for gray ones."""
        name = subsampling or self.pipeline.subsampling
        if name not in self._sessions:
            pipeline = self.pipeline.model_copy(update={"subsampling": name})
            self._sessions[name] = self._graphs.open(_wanted(pipeline, self._card))
        return self._sessions[name]


def _wanted(pipeline: JpegDeblocking, card: Card) -> Wanted:
    return restoration_graph(pipeline, card, schedule.iterations(pipeline), {"tables": 3})


def build(pipeline: JpegDeblocking, card: Card, graphs: Graphs) -> JpegDeblockingEngine:
    """Opens the graph."""
    if "jpeg" in card.tasks:
        session = graphs.open(prior_graph(card, pipeline.prior.name, None))
    else:
        session = graphs.open(_wanted(pipeline, card))
    return JpegDeblockingEngine(pipeline, card, session, graphs)
