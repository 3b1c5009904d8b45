"""Deconvolution as one graph: photo, kernel and noise level in, the restored photo out."""

from __future__ import annotations

import numpy as np

from pnp_priors.export.graphs.restorations import boundary, schedules
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.export.graphs.restorations.dft import power, product
from pnp_priors.export.graphs.restorations.solvers import PriorModel, blended, solve
from pnp_priors.pipelines.colour import _CHROMA_GRADIENT
from pnp_priors.pipelines.schedule import preset_of
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution


class Blurred:
    """Half the squared distance to a circularly blurred image, in closed form.

    The correction that a step makes is transformed back and added to the image itself, so that
    what it leaves alone keeps all its digits.

    :param y: ``[n, channels, H, W]`` on a canvas.
    """

    def __init__(self, y: Value, canvas: boundary.Canvas) -> None:
        self.y, self.canvas = y, canvas
        # A kernel of sum 1 leaves a constant alone: all is done around the measurement's mean.
        self.mean = y.mean(2, 3)
        spectrum = canvas.fourier.forward(y - self.mean)
        self.adjoint = product(y.graph, canvas.transfer, spectrum, conjugate=True)
        self.squared = power(canvas.transfer)

    def start(self) -> Value:
        return self._image(self.adjoint) + self.mean

    def prox(self, x: Value, inverse_step: Value) -> Value:
        spectrum = self.canvas.fourier.forward(x - self.mean)
        step = (self.adjoint - self.squared * spectrum) / (self.squared + inverse_step)
        return x + self._image(step)

    def gradient(self, x: Value) -> Value:
        spectrum = self.canvas.fourier.forward(x - self.mean)
        return self._image(self.squared * spectrum - self.adjoint)

    def wiener(self, noise: Value) -> Value:
        """The estimate that expects small gradients, :func:`pnp_priors.pipelines.colour.wiener`."""
        ratio = noise / _CHROMA_GRADIENT
        penalty = self.canvas.fourier.laplacian() * (ratio * ratio)
        return self._image(self.adjoint / (self.squared + penalty)) + self.mean

    def _image(self, spectrum: Value) -> Value:
        image = self.canvas.fourier.inverse(spectrum)
        graph = image.graph
        return graph.op("Reshape", image, graph.op("Shape", self.y, dtype=np.int64))


def deconvolution(
    pipeline: Deconvolution,
    prior: PriorModel,
    count: Value | int,
    x: Value,
    kernel: Value,
    noise: Value,
) -> Value:
    """The restored photo.

    :param x: ``[B, C, H, W]``; C is 1 or 3, and 3 for a colour prior.
    :param kernel: ``[h, w]``, of any scale.
    :param noise: noise level in [0, 1] units, ``[1]``.
    :param count: iterations.
    """
    graph = x.graph
    batch, channels = x.size(0), x.size(1)
    noise = noise.reshape([])
    photos = x.reshape([-1, x.size(2), x.size(3)])
    canvas = boundary.MODES[pipeline.boundary](photos, boundary.checked_kernel(kernel))
    rows, columns = canvas.fourier.height, canvas.fourier.width
    y = canvas.y.reshape([batch, channels, rows, columns])
    if prior.channels != 1:
        colours = canvas.y.reshape([-1, prior.channels, rows, columns])
        found = _solved(pipeline, prior, colours, canvas, noise, count)
    elif pipeline.color == "luminance":
        # Of n channels: their mean, whose noise is lower by the root of n, and the differences from
        # it. Of a gray photo these are nothing.
        gray = y.mean(1)
        root = graph.op("Sqrt", channels.cast(np.float32))
        luminance = _solved(pipeline, prior, gray, canvas, noise / root, count)
        found = luminance + Blurred(y - gray, canvas).wiener(noise)
    else:
        each = canvas.y.reshape([-1, 1, rows, columns])
        found = _solved(pipeline, prior, each, canvas, noise, count)
        found = found.reshape([batch, channels, rows, columns])
    return blended(pipeline.strength, x, canvas.crop(found))


def _solved(
    pipeline: Deconvolution,
    prior: PriorModel,
    y: Value,
    canvas: boundary.Canvas,
    noise: Value,
    count: Value | int,
) -> Value:
    name, chosen = pipeline.solver.name, pipeline.solver.schedule
    if chosen in schedules.FIXED:
        schedule = schedules.FIXED[chosen](noise, count)
    else:
        given = schedules.parameters(noise, preset_of(pipeline), pipeline.task, name)
        schedule = schedules.dpir(noise, count, given)
    return solve(name, Blurred(y, canvas), prior, schedule, pipeline.solver.mirror)
