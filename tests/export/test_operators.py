"""The list of operators is kept."""

import pytest
from onnx import TensorProto, helper

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.graphs.restorations.builder import Graph
from pnp_priors.export.operators import TARGETS, check_operators, operators
from pnp_priors.export.prior import prior_passport
from pnp_priors.export.writer import finish


def model(*nodes):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    return helper.make_model(helper.make_graph(list(nodes), "g", [value], [value]))


def test_operators_inside_of_loops_count():
    body = helper.make_graph([helper.make_node("DFT", ["x"], ["y"])], "body", [], [])
    loop = helper.make_node("Loop", ["", ""], [], body=body)
    assert operators(model(loop)) == {"Loop", "DFT"}
    with pytest.raises(InputError, match="lacks: DFT"):
        check_operators(model(loop))


def test_other_domains_are_refused():
    ours = helper.make_node("Conv", ["x"], ["y"], domain="com.microsoft")
    with pytest.raises(InputError, match=r"com\.microsoft::Conv"):
        check_operators(model(ours))


@pytest.mark.parametrize("target", TARGETS)
def test_left_out_on_purpose(target):
    assert not TARGETS[target] & {"DFT", "STFT", "Col2Im", "GridSample", "Unique", "Scan"}


def padded(axes, in_loop):
    """A graph that pads each of its axes, in a loop's body if wanted."""
    graph = Graph()
    x = graph.input("x", [f"d{axis}" for axis in range(axes)])

    def pad(_, value):
        return [graph.pad(value, [1] * axes, [0] * axes)]

    found = graph.loop(1, [x], pad, ranks=[axes])[0] if in_loop else pad(None, x)[0]
    return graph.model("padded", "restored", found, [f"e{axis}" for axis in range(axes)])


@pytest.mark.parametrize("in_loop", [False, True])
def test_padding_has_four_dimensions_at_most(in_loop):
    card, prior = registry.describe("foe-s-s15"), registry.load("foe-s-s15")
    passport = prior_passport(card, prior, graph_of(prior))
    finish(padded(4, in_loop), passport)
    with pytest.raises(InputError, match="Pad of 5 dimensions; targets have it of 4 at most"):
        finish(padded(5, in_loop), passport)


def test_what_is_exported_for_is_listed():
    for word in ("cpu", "cuda", "tensorrt", "node", "-c", "openvino", "wasm", "webgpu"):
        assert any(word in target for target in TARGETS)
