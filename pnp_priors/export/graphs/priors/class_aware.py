"""Class-aware denoising as a graph."""

from __future__ import annotations

import numpy as np
from torch import nn

from pnp_priors.export.graphs.layers import array, convolve, halved, layer
from pnp_priors.export.graphs.priors.base import PriorGraph, SigmaForm
from pnp_priors.export.graphs.restorations.builder import Value
from pnp_priors.priors.base import Prior
from pnp_priors.priors.class_aware import (
    ESTIMATE_GAIN,
    LINEAR_LAYERS,
    ClassAware,
    Classifier,
    NoiseEstimates,
)


class ClassAwareGraph(PriorGraph):
    """:class:`pnp_priors.priors.class_aware.ClassAware`.

    The networks of all classes run on every image, and the classifier selects among their results:
    a graph without control flow cannot leave one out.
    """

    def __init__(self, prior: Prior, sigma: SigmaForm | None) -> None:
        super().__init__(prior, sigma)
        assert isinstance(prior, ClassAware)
        self.networks, self.classifier = prior.networks, prior.classifier

    def denoise(self, x: Value, sigma: Value | None) -> Value:
        noise = [_noise(x, network) for network in self.networks]
        if self.classifier is None:
            return x - noise[0]
        chosen = _class(x, self.classifier)
        selected = noise[0]
        for number, estimate in enumerate(noise[1:], start=1):
            selected = x.graph.where(chosen.equals(number), estimate, selected)
        return x - selected


def _noise(x: Value, network: nn.Module) -> Value:
    """The sum of all layers' estimates."""
    assert isinstance(network, NoiseEstimates)
    layers = network.convolutions
    total, features = None, halved(x)
    for left, module in zip(range(len(layers) - 1, -1, -1), layers, strict=True):
        assert module.bias is not None
        weight = array(module.weight)
        if module is not layers[0]:  # the channel before that is an estimate does not go on
            weight = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))
        features = convolve(features, weight, array(module.bias), pads=(1, 1, 1, 1))
        estimate = features.slice(1, module.out_channels - 1, module.out_channels)
        estimate = estimate.cast(np.float32)
        total = estimate if total is None else total + estimate
        if left >= LINEAR_LAYERS:
            features = x.graph.op("Relu", features)
    assert total is not None
    return total * ESTIMATE_GAIN


def _class(x: Value, classifier: Classifier) -> Value:
    """The index of each image's class, ``[N, 1, 1, 1]``."""
    features = x - 0.5
    for module in classifier.body.children():
        # In float32 in every file: what is nearly of two classes must stay of the same one.
        features = layer(features, module)
    features = features.mean(2, 3, keep=False)
    head = classifier.head
    logits = x.graph.op("Gemm", features, array(head.weight), array(head.bias), transB=1)
    chosen = x.graph.op("ArgMax", logits, dtype=np.int64, axis=1, keepdims=1)
    return chosen.reshape([-1, 1, 1, 1])
