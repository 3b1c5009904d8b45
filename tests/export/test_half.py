"""float16: smaller files, within the goal where every result is rounded, tables in float32."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export import export
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.half import rounded
from pnp_priors.export.inputs import in_torch, inputs_of, scene
from pnp_priors.export.operators import TARGETS, operators
from pnp_priors.export.precisions import MARGIN, largest_difference, with_margin
from pnp_priors.runtime.passport import read_passport
from pnp_priors.runtime.reference import read_reference, reference_path
from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import against_reference, against_torch, psnr_difference

Exported = Callable[..., Path]
SIZE = (1, 1, 32, 40)
#: networks in float16; tables in float32
NAMES = ["dncnn-s25", "trd-5x5-s25"]


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    content = model.SerializeToString()
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def test_rounded_is_what_numpy_s_float16_is() -> None:
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    factor = np.float16(0.3)
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["half", "factor"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1000]) for n in ("x", "y")]
    weights = [numpy_helper.from_array(np.array(factor), "factor")]
    graph = helper.make_graph(nodes, "toy", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    found = run(rounded(model), {"x": values})
    # Below 6e-5, where float16 has fewer digits, there is nothing here.
    np.testing.assert_array_equal(found, (values.astype(np.float16) * factor).astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_psnr_where_every_result_is_rounded(exported: Exported, name: str) -> None:
    """As on a GPU; what ONNX Runtime's CPU computes is in the next test."""
    path, prior = exported(name, None, "float16"), registry.load(name, dtype=torch.float64)
    model, graph = rounded(onnx.load(path)), graph_of(registry.load(name))
    for level in (5, 25):
        inputs = inputs_of(graph, SIZE, level, level / 255)
        found, exact = run(model, inputs), in_torch(prior, inputs)
        assert exact.dtype == np.float64
        assert abs(psnr_difference(found, exact, scene(SIZE))) < 0.01
        stretch = max(1.0, level / 255 / prior.sigma_range[1])
        assert abs(found - exact).max() <= read_passport(path).tolerance * stretch


@pytest.mark.parametrize("name", ["genericdp", "trd-5x5-s25"])
def test_the_table_states_twice_what_is_measured(exported: Exported, name: str) -> None:
    path, graph = exported(name, None, "float16"), graph_of(registry.load(name))
    model, exact = onnx.load(path), registry.load(name, dtype=torch.float64)
    measured = [largest_difference(one, graph, exact) for one in (model, rounded(model))]
    # A little less: processors differ.
    assert 0.95 * MARGIN * max(measured) <= read_passport(path).tolerance


@pytest.mark.parametrize("name", [*NAMES, "diffusivity-unet-s25"])
def test_verified(exported: Exported, name: str) -> None:
    path = exported(name, None, "float16")
    session = open_session(path, threads=1)
    for verdict in (against_torch(session), against_reference(session)):
        assert verdict.passed, str(verdict)
    passport = read_passport(path)
    assert passport.precision == "float16"
    assert 1e-5 < passport.tolerance < 1e-2
    assert read_reference(path).tolerance == passport.tolerance


@pytest.mark.parametrize("name", NAMES)
def test_the_interface_stays_and_weights_are_smaller(exported: Exported, name: str) -> None:
    path = exported(name, None, "float16")
    model, plain = onnx.load(path), onnx.load(exported(name))
    assert model.graph.input == plain.graph.input
    assert model.graph.output == plain.graph.output
    for known in TARGETS.values():
        assert operators(model) <= known
    parameters = registry.describe(name).parameters
    assert exported(name).stat().st_size - path.stat().st_size > 1.4 * parameters


def test_positions_in_tables_stay_float32(exported: Exported) -> None:
    """In float16 an entry of a table would be missed: 11 digits are too few for a position."""
    model = onnx.load(exported("trd-5x5-s25", None, "float16"))
    typed = onnx.shape_inference.infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in typed.value_info}
    half = TensorProto.FLOAT16
    assert half in {tensor.data_type for tensor in model.graph.initializer}
    computed = {kinds.get(name) for node in model.graph.node for name in node.output}
    assert half not in computed


def test_the_same_bytes_again(exported: Exported, tmp_path: Path) -> None:
    first = exported("dncnn-s25", None, "float16")
    again = export("dncnn-s25", tmp_path / "again.onnx", precision="float16")
    assert again.read_bytes() == first.read_bytes()


def test_a_tolerance_is_measured_where_none_is_stated(tmp_path: Path) -> None:
    """Of a card of one's own: other weights than those in the shipped table."""
    from safetensors.torch import load_file, save_file

    card = registry.describe("trd-5x5-s25")
    source = registry.PACKAGE / "weights" / "trd-5x5-s25.safetensors"
    weights = {name: value.clone() for name, value in load_file(source).items()}
    next(iter(weights.values())).mul_(1.001)
    for folder in ("cards", "weights"):
        (tmp_path / folder).mkdir()
    own = tmp_path / "weights" / "trd-5x5-s25.safetensors"
    save_file(weights, own)
    text = (registry.PACKAGE / "cards" / "trd-5x5-s25.yaml").read_text()
    changed = hashlib.sha256(own.read_bytes()).hexdigest()
    size = own.stat().st_size
    assert card.weights is not None
    text = text.replace(card.weights.sha256, changed).replace(str(card.weights.bytes), str(size))
    (tmp_path / "cards" / "trd-5x5-s25.yaml").write_text(text)
    path = export(
        tmp_path / "cards" / "trd-5x5-s25.yaml", tmp_path / "own.onnx", precision="float16"
    )
    verdict = against_reference(open_session(path, threads=1))
    assert verdict.passed
    assert verdict.worst.difference < read_passport(path).tolerance < 1e-2


def test_margins_have_one_digit_and_are_at_least_twice() -> None:
    for difference in np.geomspace(1e-6, 1e-2, 50):
        tolerance = with_margin(difference)
        assert 2 * difference <= tolerance < 4.1 * difference
        assert float(f"{tolerance:.0e}") == tolerance
        assert 2 * difference <= with_margin(difference, 2) <= 1.1 * 2 * difference


def test_a_margin_of_nothing_is_a_number_and_of_nan_an_error() -> None:
    assert 0 < with_margin(0) <= 1e-9
    for difference in (np.nan, np.inf):
        with pytest.raises(InputError, match="no tolerance allows that"):
            with_margin(difference)


def test_no_use_for_fields_of_experts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="foe-s-s15 has no network to compute in float16"):
        export("foe-s-s15", tmp_path / "a.onnx", precision="float16")
    assert not reference_path(tmp_path / "a.onnx").exists()
    assert list(tmp_path.iterdir()) == []
