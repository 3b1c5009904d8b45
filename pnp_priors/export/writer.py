"""From nodes to an ONNX file: named, with a passport, checked, the same bytes every time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from pnp_priors import atomic
from pnp_priors.export.graphs.restorations.builder import Graph
from pnp_priors.export.naming import shorten
from pnp_priors.export.operators import check_operators, check_padding
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.reference import RESTORED

if TYPE_CHECKING:
    from pnp_priors.export.graphs.priors import PriorGraph

#: names of dimensions, of an input or of the output: an integer is a fixed size
Axes = tuple[str | int, ...]


def write(model: onnx.ModelProto, path: str | Path) -> Path:
    """Write a finished model; the file appears whole or not at all.

    :returns: the path.
    """
    content = serialised(model)
    path = Path(path)
    atomic.whole(path, lambda part: part.write_bytes(content))
    return path


def to_model(prior: PriorGraph, passport: Passport) -> onnx.ModelProto:
    """A prior's graph as a checked model.

    :raises InputError: an operator that a target lacks.
    """
    return finish(to_graph(prior, passport), passport)


def to_graph(prior: PriorGraph, passport: Passport) -> onnx.ModelProto:
    """A prior's graph, not yet checked; with float16 in it if the passport's precision is that."""
    graph = Graph(half=passport.precision == "float16")
    inputs = {name: graph.input(name, axes) for name, axes in prior.inputs.items()}
    restored = prior.restored(**inputs)
    return graph.model(passport.name, RESTORED, restored, prior.inputs["x"])


def finish(model: onnx.ModelProto, passport: Passport) -> onnx.ModelProto:
    """Remove what is not used, shorten names of values, state the passport, check.

    :raises InputError: an operator, or padding of more dimensions, that a target lacks.
    :raises onnx.checker.ValidationError, onnx.shape_inference.InferenceError: no valid graph.
    """
    _prune(model.graph, {value.name for value in model.graph.output})
    shorten(model.graph)
    model.producer_name, model.producer_version = passport.package, passport.package_version
    model.graph.name = passport.name
    onnx.helper.set_model_props(model, passport.metadata())
    check_operators(model)
    onnx.checker.check_model(model, full_check=True)
    options = {"check_type": True, "strict_mode": True, "data_prop": True}
    check_padding(onnx.shape_inference.infer_shapes(model, **options))
    return model


def serialised(model: onnx.ModelProto) -> bytes:
    """The file's content, the same bytes for the same model."""
    return model.SerializeToString(deterministic=True)


def _prune(graph: onnx.GraphProto, wanted: set[str]) -> None:
    """Keep the nodes and weights that the wanted values depend on."""
    nodes = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            nodes.append(node)
            wanted.update(_read(node))
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(nodes)]
    tensors = [onnx.TensorProto.FromString(one.SerializeToString()) for one in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(tensors)


def _read(node: onnx.NodeProto) -> set[str]:
    """Names of values that a node reads, in the graphs inside it as well."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= _read(inner)
        names.update(value.name for value in attribute.g.output)
    return names
