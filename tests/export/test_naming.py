"""Values get short names, and what is computed stays the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from pnp_priors.export.graphs.restorations.builder import Graph
from pnp_priors.export.naming import shorten


def nested() -> onnx.ModelProto:
    """``a`` (an input that already has a short name) times 2, thrice, plus what is outside."""
    graph = Graph()
    x = graph.input("a", ["n"])
    outside = x + 5.0

    def outer(_: object, state: object) -> list[object]:
        return [graph.loop(1, [state], lambda _, inner: [inner * 2.0 + outside], ranks=[1])[0]]

    (found,) = graph.loop(3, [x], outer, ranks=[1])  # type: ignore[arg-type]
    return graph.model("nested", "restored", found, ["n"])


def run(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"a": np.array([1, 2], np.float32)})[0]


def names(graph: onnx.GraphProto) -> set[str]:
    """Of all values, in the graphs inside it as well."""
    found = {value.name for value in [*graph.input, *graph.output, *graph.initializer]}
    for node in graph.node:
        found.update(node.input, node.output)
        for attribute in node.attribute:
            found |= names(attribute.g) if attribute.HasField("g") else set()
    return found - {""}


def test_loops_within_loops_compute_the_same() -> None:
    model = nested()
    before, count = run(model), len(names(model.graph))
    shorten(model.graph)
    np.testing.assert_array_equal(run(model), before)
    assert len(names(model.graph)) == count
    assert max(map(len, names(model.graph) - {"restored"})) == 1
    (given,), (output,) = model.graph.input, model.graph.output
    assert (given.name, output.name) == ("a", "restored")


def test_the_same_names_every_time() -> None:
    first, second = nested(), nested()
    for model in (first, second):
        shorten(model.graph)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
    again = onnx.ModelProto.FromString(first.SerializeToString())
    shorten(again.graph)
    assert again.SerializeToString(deterministic=True) == first.SerializeToString(
        deterministic=True
    )


def test_files_have_them(exported: Callable[..., Path]) -> None:
    graph = onnx.load(exported("genericdp")).graph
    ours = names(graph) - {"x", "sigma", "restored"}
    assert len(ours) > 1000
    assert max(map(len, ours)) == 2
    assert all(name.isidentifier() for name in ours)
