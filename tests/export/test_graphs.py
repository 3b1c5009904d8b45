"""Every released prior as a graph: equal to torch in ONNX Runtime, valid, named, small."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.graphs.priors import GRAPHS, PriorGraph, graph_of
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.inputs import in_torch, inputs_of
from pnp_priors.export.operators import TARGETS, operators
from pnp_priors.export.prior import prior_passport
from pnp_priors.export.writer import serialised, to_model
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.priors.influence import InfluenceBasis
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion

#: sizes, and the noise level of each in 1/255, from none to beyond every trained range
PROBLEMS = [((1, 1, 19, 26), 25), ((2, 2, 7, 5), 0), ((1, 1, 1, 1), 50), ((2, 1, 12, 13), 100)]


def forms(name: str) -> list[str | None]:
    card = registry.describe(name)
    if card.system == "jpeg-reaction-diffusion" or card.blind:
        return [None]
    return [None, "level", "map"] if card.estimates_sigma else ["level", "map"]


def exportable() -> list[str]:
    systems = {name: registry.describe(name).system for name in registry.available()}
    return [n for n, system in systems.items() if registry.system_class(system).__name__ in GRAPHS]


def run(content: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def built(graph: PriorGraph) -> onnx.ModelProto:
    """The model of a prior that was never released, with the passport of one that was."""
    released = registry.load("foe-s-s15")
    return to_model(graph, prior_passport(registry.describe("foe-s-s15"), released, graph))


@pytest.mark.parametrize(("name", "form"), [(n, f) for n in exportable() for f in forms(n)])
def test_graph_is_the_prior(name: str, form: str | None) -> None:
    card, prior = registry.describe(name), registry.load(name)
    exact = registry.load(name, dtype=torch.float64)
    graph = graph_of(prior, form)
    model = to_model(graph, prior_passport(card, prior, graph))
    content = serialised(model)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    for seed, (size, level) in enumerate(PROBLEMS):
        size = (size[0], size[1] if prior.channels == 1 else prior.channels, *size[2:])
        inputs = inputs_of(graph, size, seed, level / 255)
        (found,) = session.run(None, inputs)
        assert found.shape == size
        # Beyond the range contrast is compressed, and rounding stretched with it.
        stretch = max(1.0, level / 255 / prior.sigma_range[1])
        difference = abs(found - in_torch(exact, inputs)).max()
        assert difference <= graph.tolerance * stretch, (size, level)

    assert len(content) <= 1.1 * 4 * card.parameters + 200_000
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    for known in TARGETS.values():
        assert operators(model) <= known
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    _check_names(model, graph, form)


def _check_names(model: onnx.ModelProto, graph: PriorGraph, form: str | None) -> None:
    image = ["batch", "channels" if graph.channels == 1 else 3, "height", "width"]
    expected = {"x": image}
    if form is not None:
        expected["sigma"] = ["batch"] if form == "level" else ["batch", 1, "height", "width"]
    if "table" in graph.inputs:
        expected["table"] = [8, 8]
    assert {value.name: _dimensions(value) for value in model.graph.input} == expected
    (restored,) = model.graph.output
    assert (restored.name, _dimensions(restored)) == ("restored", image)


def _dimensions(value: onnx.ValueInfoProto) -> list[str | int]:
    tensor = value.type.tensor_type
    assert tensor.elem_type == onnx.TensorProto.FLOAT
    return [d.dim_param or d.dim_value for d in tensor.shape.dim]


def test_no_noise_returns_the_image_of_priors_that_fade() -> None:
    for name in ("genericdp", "dncnn-s25", "foe-s-s15"):
        graph = graph_of(registry.load(name))
        inputs = inputs_of(graph, (1, 1, 9, 11), seed=0, level=0.1)
        inputs["sigma"][:] = 0
        np.testing.assert_array_equal(run(serialised(built(graph)), inputs), inputs["x"])


@pytest.mark.parametrize("classes", [["one"], ["one", "two", "three"]])
def test_class_aware_of_any_number_of_classes(classes: list[str]) -> None:
    torch.manual_seed(0)
    prior = ClassAware(classes, depth=4, width=5).eval().requires_grad_(False)
    for network in prior.networks:
        for layer in network.layers:
            torch.nn.init.normal_(layer.weight, std=0.2)
    images = torch.cat([torch.rand(3, 1, 13, 9), torch.zeros(1, 1, 13, 9)])
    found = run(serialised(built(graph_of(prior))), {"x": images.numpy()})
    np.testing.assert_allclose(found, prior(images).numpy(), atol=2e-6)


@pytest.mark.parametrize("arguments", [{"basis": "triangular"}, {"centres": 21}, {"channels": 3}])
def test_reaction_diffusion_of_other_settings(arguments: dict[str, object]) -> None:
    torch.manual_seed(0)
    prior = ReactionDiffusion(
        stages=3, filter_size=5, levels=4, sigma_range=(0.01, 0.02), **arguments
    )
    prior.grow(2)
    torch.nn.init.normal_(prior.weights, std=0.1)
    torch.nn.init.uniform_(prior.reaction_weights)
    prior.eval().requires_grad_(False)
    x = 0.5 + torch.randn(2, 3, 14, 17)
    sigma = torch.tensor([0.013, 0.0171])
    found = run(serialised(built(graph_of(prior))), {"x": x.numpy(), "sigma": sigma.numpy()})
    np.testing.assert_allclose(found, prior.double()(x.double(), sigma.double()), atol=2e-6)


def test_tables_are_those_of_the_basis() -> None:
    from pnp_priors.export.graphs.priors.reaction_diffusion import DiffusionStages

    prior = registry.load("trd-5x5-s25")
    basis: InfluenceBasis = prior.basis
    graph = Graph()
    zero: Value = graph.input("x", [1])
    table = DiffusionStages(prior).tables(graph)[2]
    both = graph.concat([table.intercepts, table.slopes], axis=0)
    model = graph.model("tables", "restored", both + zero, [48, table.entries])
    found = run(model.SerializeToString(), {"x": np.zeros(1, np.float32)}) / basis.table_step
    values, steps = (part[2].numpy() for part in basis.table(prior.weights))
    entry = np.arange(table.entries)
    np.testing.assert_allclose(found[:24] + entry * found[24:], values, atol=2e-5)
    np.testing.assert_allclose(found[24:], steps, atol=4e-6)


@pytest.mark.parametrize("base", ["trd-5x5-s25", "bf-dncnn", "ffdnet-color"])
def test_nn3d_around_other_priors(base: str) -> None:
    prior = registry.load("nn3d", base=base)
    graph = graph_of(prior)
    for size in ((1, 3, 16, 23), (2, 3, 10, 9)):
        inputs = inputs_of(graph, size, seed=1, level=25 / 255)
        found = run(serialised(built(graph)), inputs)
        np.testing.assert_allclose(found, in_torch(prior, inputs), atol=1e-5)


@pytest.mark.parametrize("name", ["dncnn-b", "trd-jpeg-q10"])
def test_no_sigma_for_what_takes_none(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} takes no sigma"):
        graph_of(registry.load(name), "level")
