"""int8 by static quantisation: convolutional networks computed in 8-bit integers.

ONNX Runtime's quantiser writes pairs of QuantizeLinear and DequantizeLinear around convolutions,
which runtimes turn into integer arithmetic: activations unsigned, since most are behind a ReLU;
weights signed, symmetric, with a scale for each output channel (one for all loses 3 to 8 dB).
Scales of activations are taken from noisy crops of clean images of training, up to a percentile: a
few extreme values would cost all others their digits. A smaller percentile loses at strong noise, a
larger one at weak noise. The first and the last convolution, which
touch the image itself, stay in float32.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from PIL import Image

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.export.writer import serialised
from pnp_priors.report.similarity import psnr
from pnp_priors.runtime.session import session_of
from pnp_priors.training.data import image_files, read_image

if TYPE_CHECKING:
    from pnp_priors.export.graphs.priors import PriorGraph

#: noise levels in 1/255 that are calibrated and measured, as far as a prior is trained for them;
#: below the first one 8 bits are too few: their own error is then as large as what is removed
LEVELS = (10, 15, 25, 50, 75)
#: side of a crop from the middle of an image; how many are for calibration and for measuring
CROP, CALIBRATED, MEASURED = 96, 12, 8


def levels_of(graph: PriorGraph) -> list[int]:
    """Those of :data:`LEVELS` that a prior is trained for, or the one that it is trained for."""
    low, high = (round(255 * level) for level in graph.sigma_range)
    return [level for level in LEVELS if low <= level <= high] or [high]


def crops(folder: Path | None, channels: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Clean crops ``[1, C, H, W]`` in [0, 1] for calibration, and others for measuring.

    Of all images below the folder, evenly; the same ones every time.

    :param folder: ``None``: ``train`` in the folder that ``PNP_PRIORS_DATA`` names.
    :raises MissingFileError, InputError: no such folder, none named, too few images, or those that
        are for measuring alone.
    """
    if folder is None:
        named = os.environ.get("PNP_PRIORS_DATA")
        if not named:
            raise MissingFileError(
                "int8 is calibrated on clean images: give --calibration FOLDER or set "
                "PNP_PRIORS_DATA"
            )
        folder = Path(named) / "train"
    if "eval" in folder.resolve().parts:
        raise InputError(f"{folder}: images of eval/ are for measuring, not for calibration")
    files = image_files(folder)
    if channels == 3:  # gray images are nothing that a colour prior is for
        files = [file for file in files if _is_colour(file)]
    if len(files) < 2:
        kind = "colour images" if channels == 3 else "images"
        raise InputError(f"{folder}: calibration takes 2 {kind} or more, {len(files)} there")
    count = min(len(files), CALIBRATED + MEASURED)
    chosen = [files[k * len(files) // count] for k in range(count)]
    images = [_middle(read_image(file, channels)) for file in chosen]
    split = max(1, min(count - 1, round(count * CALIBRATED / (CALIBRATED + MEASURED))))
    return images[:split], images[split:]


def _is_colour(file: Path) -> bool:
    with Image.open(file) as image:  # reads its header alone
        return image.mode not in ("1", "L", "LA", "I;16")


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (size - CROP) // 2) for size in image.shape[1:])
    cut = image[:, top : top + CROP, left : left + CROP]
    return cut[None].astype(np.float32) / 255


def noisy(graph: PriorGraph, clean: np.ndarray, level: int, seed: int) -> dict[str, np.ndarray]:
    """A graph's inputs: an image with noise, and its level."""
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    inputs = {"x": (clean + level / 255 * noise).astype(np.float32)}
    if graph.form is not None:
        size = (1,) if graph.form == "level" else (1, 1, *clean.shape[2:])
        inputs["sigma"] = np.full(size, level / 255, np.float32)
    return inputs


def quantised(
    model: onnx.ModelProto, graph: PriorGraph, images: list[np.ndarray]
) -> onnx.ModelProto:
    """The model with its networks in int8.

    :param images: clean, ``[1, C, H, W]``; they get noise of all levels in turn.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    levels = levels_of(graph)
    problems = [
        noisy(graph, images[number % len(images)], levels[number % len(levels)], number)
        for number in range(max(len(images), len(levels)))
    ]
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for number, node in enumerate(named.graph.node):
        node.name = f"node_{number}"  # by which the quantiser is told what is its business
    convolutions = [node.name for node in named.graph.node if node.op_type == "Conv"]
    activations = [node.name for node in named.graph.node if node.op_type == "Relu"]
    with TemporaryDirectory() as temporary, _silenced():
        source, result = (Path(temporary) / name for name in ("float32.onnx", "int8.onnx"))
        onnx.save(named, source)
        quantize_static(
            source,
            result,
            _Reader(problems),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            op_types_to_quantize=["Conv", "Relu"],
            nodes_to_quantize=[*convolutions[1:-1], *activations],
            extra_options={
                "ActivationSymmetric": False,
                "WeightSymmetric": True,
                "CalibPercentile": graph.percentile,
            },
        )
        found = onnx.load(result)
    return _plain(found, model)


def psnr_difference(
    model: onnx.ModelProto, plain: onnx.ModelProto, graph: PriorGraph, images: list[np.ndarray]
) -> dict[str, float]:
    """Mean PSNR of the quantised model minus that of the one in float32, in dB, by level."""
    sessions = [session_of(serialised(one)) for one in (model, plain)]
    found = {}
    for level in levels_of(graph):
        differences = []
        for number, clean in enumerate(images):
            inputs = noisy(graph, clean, level, CALIBRATED + number)
            ours, exact = (psnr(one.run(None, inputs)[0], clean) for one in sessions)
            differences.append(ours - exact)
        found[str(level)] = round(float(np.mean(differences)), 2)
    return found


class _Reader:
    """What the quantiser calls a data reader."""

    def __init__(self, problems: list[dict[str, np.ndarray]]) -> None:
        self._problems = iter(problems)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._problems, None)

    def __iter__(self) -> Iterator[Any]:
        return self._problems


def _plain(found: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Without names of nodes, versions and operator sets that are not used."""
    for node in found.graph.node:
        node.name = ""
    del found.graph.value_info[:], found.opset_import[:]
    found.opset_import.extend(model.opset_import)
    found.ir_version = model.ir_version
    return found


@contextmanager
def _silenced() -> Iterator[None]:
    """The quantiser prints its progress, and advises what is not for these graphs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(before)
