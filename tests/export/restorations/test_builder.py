"""Graphs written node by node."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pnp_priors.export.graphs.restorations.builder import Graph


def test_arithmetic_is_numpys(compute):
    x = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    found = compute(lambda v: 2.0 - (v * v + 1.0) / (v + 0.5).clip(0.6, 1.2), x)
    np.testing.assert_allclose(found, 2 - (x * x + 1) / np.clip(x + 0.5, 0.6, 1.2), rtol=1e-6)


def test_whole_numbers_divide_without_remainder(compute):
    n = np.arange(20, dtype=np.int64)
    np.testing.assert_array_equal(compute(lambda v: v / 3 * 10 + v % 3, n), n // 3 * 10 + n % 3)


def test_slices_and_sums(compute):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        compute(lambda v: v.slice(1, -2).slice(2, 0, None, 2).sum(0), x),
        x[:, -2:, ::2].sum(0, keepdims=True),
    )


def test_equal_nodes_are_written_once():
    graph = Graph()
    x = graph.input("x", ["n"])
    first, second = x * 2.0 + 1.0, x * 2.0 + 1.0
    assert first.name == second.name
    model = graph.model("test", "y", first + second, ["n"])
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add", "Add", "Identity"]
    assert len(model.graph.initializer) == 2


def test_a_loop_carries_its_state(compute):
    x = np.array([1.0, 3.0], np.float32)
    found = compute(
        lambda v: v.graph.loop(
            5, [v, v * 0.0], lambda i, a, b: [a * 0.5 + b, b + i.cast(np.float32)], [1, 1]
        )[0],
        x,
    )
    a, b = x, 0 * x
    for i in range(5):
        a, b = a * 0.5 + b, b + i
    np.testing.assert_allclose(found, a)


def test_a_loop_ends_early(compute):
    x = np.array([100.0], np.float32)

    def halve(v):
        goes_on = v.graph.constant(True, np.bool_)
        body = lambda _, a: [(a * 0.5).max(0, keep=False) > 10.0, a * 0.5]  # noqa: E731
        return v.graph.loop(50, [v], body, [1], goes_on=goes_on)[0]

    assert compute(halve, x) == 6.25


def tripled():
    """``y = 3 x`` with a weight."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in ("x", "y"))
    weight = numpy_helper.from_array(np.array([3], np.float32), "weight")
    node = helper.make_node("Mul", ["x", "weight"], ["y"])
    graph = helper.make_graph([node], "inner", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_another_graph_is_put_in_with_its_weights_once(compute):
    x = np.array([1.0, 2.0], np.float32)
    found = compute(
        lambda v: v.graph.loop(3, [v], lambda _, a: [a.graph.inline(tripled(), x=a)], [1])[0], x
    )
    np.testing.assert_array_equal(found, 27 * x)
    graph = Graph()
    v = graph.input("x", ["n"])
    (out,) = graph.loop(3, [v], lambda _, a: [graph.inline(tripled(), x=a)], [1])
    content = graph.model("test", "y", out, ["n"]).SerializeToString()
    assert content.count(np.array([3], np.float32).tobytes()) == 1


def test_the_same_graph_is_the_same_bytes():
    def written() -> bytes:
        graph = Graph()
        x = graph.input("x", ["n", 3])
        y = graph.loop(2, [x], lambda i, a: [a @ np.eye(3, dtype=np.float32)], [2])[0]
        return graph.model("test", "y", y, ["n", 3]).SerializeToString(deterministic=True)

    assert written() == written()
    onnx.load_from_string(written())
