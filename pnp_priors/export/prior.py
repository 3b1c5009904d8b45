"""Exports a released prior: its graph, its passport, and the reference beside them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import torch

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import PriorGraph, SigmaForm, graph_of
from pnp_priors.export.graphs.restorations.builder import OPSET
from pnp_priors.export.inputs import Size, in_torch, inputs_of
from pnp_priors.export.precisions import PRECISIONS, Request, with_margin
from pnp_priors.export.targets import stated_tolerance
from pnp_priors.export.writer import serialised, write
from pnp_priors.priors.base import Prior
from pnp_priors.runtime.passport import INT8_LOWEST, Passport, Precision, read_passport
from pnp_priors.runtime.reference import Case, write_reference
from pnp_priors.runtime.session import session_of

#: sizes of the reference cases; channels are those of a gray prior
REFERENCE_SIZES: tuple[Size, ...] = ((1, 1, 48, 40), (1, 1, 1, 1), (2, 3, 17, 23))
#: what an int8 file says of weak noise
_INT8 = f"int8 is not for noise below {255 * INT8_LOWEST:g}/255"


def export_prior(
    name: str | Path,
    path: str | Path,
    sigma: SigmaForm | None = None,
    precision: Precision = "float32",
    opset: int = OPSET,
    tolerance: float | None = None,
    calibration: str | Path | None = None,
) -> Path:
    """Export a prior as ``FILE.onnx``, with ``FILE.reference.safetensors`` beside it.

    Inputs are ``x`` float32 ``[batch, channels, height, width]`` in [0, 1] (a gray prior takes any
    number of channels, one by one) and, where it is not blind, ``sigma``, a standard deviation in
    the same units; priors for JPEG take ``table`` ``[8, 8]``, steps on 0..255. The output
    ``restored`` has the shape of ``x``. Any height and width from 1 up.

    :param name: of a released prior, or the path of a card of one's own.
    :param path: of the file, which must end in ``.onnx``.
    :param sigma: ``level``, ``[batch]``, or ``map``, ``[batch, 1, height, width]``. By default a
        level, or nothing where the prior is blind or estimates the noise.
    :param precision: of weights and arithmetic; inputs and outputs stay float32.
    :param opset: version of ONNX's operators; 18.
    :param tolerance: largest difference to torch that the passport is to state. By default that of
        the shipped table (:mod:`pnp_priors.export.targets`), else what is measured now, twice.
    :param calibration: of int8 alone: a folder of clean images; by default ``train`` in the folder
        that the environment variable ``PNP_PRIORS_DATA`` names.
    :returns: the path.
    :raises UnknownNameError: no such prior; lists the nearest.
    :raises InputError: another suffix, a sigma, precision or opset that cannot be had, or a
        calibration of another precision.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: the name of an exported file ends in .onnx")
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} cannot be had; known: {', '.join(PRECISIONS)}")
    if calibration is not None and precision != "int8":
        raise InputError(f"calibration is for int8; the precision is {precision}")
    if sigma not in (None, *get_args(SigmaForm)):
        raise InputError(f"sigma is 'level' or 'map', got {sigma!r}")
    if opset != OPSET:
        raise InputError(f"graphs are written for opset {OPSET}, got {opset}")
    card, prior = registry.describe(name), registry.load(name)
    graph = graph_of(prior, sigma)
    passport = prior_passport(card, prior, graph, precision, opset)
    exact = registry.load(name, dtype=torch.float64)
    images = None if calibration is None else Path(calibration)
    if tolerance is None and precision != "float32":
        tolerance = stated_tolerance(passport)
    model = PRECISIONS[precision](Request(graph, exact, passport, tolerance, images))
    write(model, path)
    cases = reference_cases(exact, graph, inside=precision == "int8")
    allowed = read_passport(path).tolerance
    if precision == "int8":
        # That of the worst pixel at the strongest noise: the noisy image itself is within it.
        allowed = min(allowed, with_margin(_largest_difference(model, cases), 2))
    write_reference(path, cases, allowed)
    return path


def _largest_difference(model: onnx.ModelProto, cases: list[Case]) -> float:
    """Of a model to its reference."""
    session = session_of(serialised(model))
    found = [np.abs(session.run(None, case.inputs)[0] - case.restored).max() for case in cases]
    return float(np.max(found))  # NaN is larger than all


def prior_passport(
    card: Card,
    prior: Prior,
    graph: PriorGraph,
    precision: Precision = "float32",
    opset: int = OPSET,
) -> Passport:
    """What a file of this prior says of itself."""
    fingerprint = registry.fingerprint(card)
    low, high = card.sigma_range
    outside = "" if graph.form is None else card.outside_range
    lowest = INT8_LOWEST if precision == "int8" else 0.0
    gray = card.channels == 1
    lipschitz = card.assessment.lipschitz if card.assessment is not None else None
    source = card if card.weights is not None else registry.describe(card.architecture["base"])
    return Passport(
        kind="prior",
        name=card.name,
        prior=card.name,
        title=card.title,
        task=card.tasks[0],
        prior_version=fingerprint[:12],
        package_version=registry.version(),
        channels="any" if gray else "3",
        channel_order="any" if gray else "RGB",
        sigma_range=None if graph.form is None else (max(low, lowest), max(high, lowest)),
        sigma_outside=outside if lowest == 0 else f"{outside}{'; ' if outside else ''}{_INT8}",
        receptive_field=card.receptive_field or "whole image",
        halo=None if card.receptive_field is None else prior.halo,
        size_multiple=prior.size_multiple,
        licence=card.licence,
        training_data=[] if source.training is None else source.training.data,
        weights_sha256=fingerprint,
        psnr={_measured_on(result.task, result.dataset): result.psnr for result in card.results},
        tolerance=graph.tolerance,
        opset=opset,
        precision=precision,
        lipschitz_lower_bound=None if lipschitz is None else lipschitz.denoiser,
    )


def _measured_on(task: str, dataset: str) -> str:
    return dataset if task == "denoising" else f"{dataset} ({task})"


def reference_cases(exact: Prior, graph: PriorGraph, inside: bool = False) -> list[Case]:
    """Inputs drawn by formulas, and what torch makes of them.

    :param exact: the prior in float64: torch's own float32 may be as far from it as the tolerance.
    :param inside: never tell a level below the trained range. There contrast is stretched, beyond
        the scales of int8: single pixels would make its tolerance say nothing.
    """
    cases = []
    for number, (batch, channels, height, width) in enumerate(REFERENCE_SIZES):
        size = (batch, channels if exact.channels == 1 else exact.channels, height, width)
        inputs = inputs_of(graph, size, seed=number, level=sum(graph.sigma_range) / 2)
        if inside and "sigma" in inputs:
            inputs["sigma"] = np.maximum(inputs["sigma"], np.float32(graph.sigma_range[0]))
        cases.append(Case(inputs, in_torch(exact, inputs).astype(np.float32)))
    return cases
