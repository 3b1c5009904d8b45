"""The list of operators is kept."""

import pytest
from onnx import TensorProto, helper

from pnp_priors.errors import InputError
from pnp_priors.export.operators import TARGETS, check_operators, operators


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
