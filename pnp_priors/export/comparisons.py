"""Inputs of a given size for an exported file, and torch's way with the same, on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.inputs import inputs_of, scene
from pnp_priors.export.problems import check_weights, sigma_form
from pnp_priors.export.tasks import deconvolution, jpeg_deblocking, super_resolution
from pnp_priors.physics.jpeg import chrominance_table, luminance_table, simulate, simulate_colour
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.build import build
from pnp_priors.pipelines.tasks.deconvolution import DeconvolutionRestorer
from pnp_priors.pipelines.tasks.super_resolution import SuperResolutionRestorer
from pnp_priors.runtime.session import Session


class Comparison(NamedTuple):
    """What both engines are given.

    :param inputs: of the graph.
    :param by_torch: the same of the inputs as tensors on the device.
    :param clean: about the image without what is to be removed, to compare two PSNRs.
    """

    inputs: dict[str, np.ndarray]
    by_torch: Callable[[Mapping[str, torch.Tensor]], torch.Tensor]
    clean: np.ndarray


def of_prior(session: Session, side: int, device: torch.device) -> Comparison:
    """A noisy scene, or a JPEG image."""
    passport = session.passport
    check_weights(passport, session.path.name)
    prior = registry.load(passport.name, device=device)
    graph = graph_of(prior, sigma_form(session))
    low, high = passport.sigma_range or (0.0, 1.0)
    size = (1, prior.channels, side, side)
    inputs = inputs_of(graph, size, seed=0, level=min(max(25 / 255, low), high))
    return Comparison(inputs, lambda given: prior(**given), scene(size))


def of_restoration(session: Session, side: int, device: torch.device) -> Comparison:
    """A photo with what the task removes."""
    passport = session.passport
    if passport.task not in RESTORATIONS or passport.settings is None:
        raise InputError(f"{session.path.name}: nothing to compare the task {passport.task} with")
    settings = {key: value for key, value in passport.settings.items() if key != "task"}
    pipeline: Any = files.read(files.find(passport.task), settings)
    found = RESTORATIONS[passport.task](build(pipeline), session, side, device)
    if "iterations" in session.inputs:
        found.inputs["iterations"] = np.array(schedule.iterations(pipeline), np.int64)
    return found


def _blurred(restorer: Any, session: Session, side: int, device: torch.device) -> Comparison:
    blur, size = deconvolution.kernel(), (1, 3, side, side)
    noise = deconvolution.NOISE
    own = DeconvolutionRestorer(restorer.pipeline, restorer.prior, blur).to(device)
    inputs = {
        "x": deconvolution.blurred(size, blur),
        "kernel": blur,
        "noise": np.array([noise], np.float32),
    }
    return Comparison(inputs, lambda given: own(given["x"], noise=noise), scene(size))


def _small(restorer: Any, session: Session, side: int, device: torch.device) -> Comparison:
    blur = deconvolution.kernel() if "kernel" in session.inputs else None
    own = SuperResolutionRestorer(restorer.pipeline, restorer.prior, blur).to(device)
    size, level = (1, 3, side, side), super_resolution.NOISE
    noisy = scene(size) + level * np.random.default_rng(0).standard_normal(size)
    inputs = {"x": noisy.astype(np.float32)}
    if blur is not None:
        inputs["kernel"] = blur
    noise = None if own.one_pass else level
    if noise is not None:
        inputs["noise"] = np.array([noise], np.float32)
    factor = restorer.pipeline.factor
    large = round(factor * side)
    clean = scene((1, 3, large, large))
    return Comparison(inputs, lambda given: own(given["x"], noise=noise), clean)


def _compressed(restorer: Any, session: Session, side: int, device: torch.device) -> Comparison:
    quality = jpeg_deblocking.QUALITY
    stated = restorer.pipeline.model_copy(update={"quality": quality})
    own = type(restorer)(stated, restorer.prior).to(device)
    luma, chroma = luminance_table(quality), chrominance_table(quality)
    channels = session.inputs["x"].shape[1]
    size = (1, int(channels), side, side)
    clean = torch.from_numpy(scene(size)).float().clamp(0, 1)
    x = simulate(clean, luma) if channels == 1 else simulate_colour(clean, luma, chroma)
    inputs = {"x": x.numpy()}
    if "table" in session.inputs:
        inputs["table"] = luma.numpy()
    else:
        inputs["tables"] = np.stack([luma.numpy(), chroma.numpy(), chroma.numpy()])
    return Comparison(inputs, lambda given: own(given["x"]), clean.numpy())


#: by task
RESTORATIONS = {
    "deconvolution": _blurred,
    "super-resolution": _small,
    "jpeg-deblocking": _compressed,
}
#: by the kind in a passport
KINDS = {"prior": of_prior, "restoration": of_restoration}


def comparison(session: Session, side: int, device: torch.device) -> Comparison:
    """For one image, or photo, of ``side`` squared.

    :raises InputError: the prior is not installed, or has got other weights since; or a task that
        has no comparison.
    """
    return KINDS[session.passport.kind](session, side, device)
