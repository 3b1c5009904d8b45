"""int8: calibrated on scenes drawn here, refused for weak noise, its cost stated by level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from pnp_priors import registry
from pnp_priors.errors import InputError, MissingFileError, PnpPriorsError
from pnp_priors.export import export, int8
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.inputs import inputs_of, scene
from pnp_priors.export.operators import TARGETS, operators
from pnp_priors.export.prior import reference_cases
from pnp_priors.runtime.passport import read_passport
from pnp_priors.runtime.reference import read_reference, write_reference
from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import against_reference, against_torch

NAME = "ffdnet-gray"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three small pictures, gray, of which two are calibrated on."""
    folder = tmp_path_factory.mktemp("clean")
    for number in range(3):
        picture = np.roll(scene((1, 1, 48, 56))[0, 0], 9 * number, axis=1)
        Image.fromarray((255 * picture).round().astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def quantised(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "prior.onnx"
    return export(NAME, path, precision="int8", calibration=images)


def test_passport_and_size(quantised: Path) -> None:
    passport = read_passport(quantised)
    assert passport.precision == "int8"
    assert passport.sigma_range == (10 / 255, 75 / 255)
    assert "int8 is not for noise below 10/255" in passport.sigma_outside
    assert passport.psnr_difference is not None
    assert list(passport.psnr_difference) == ["10", "15", "25", "50", "75"]
    assert all(-3 < value < 0.1 for value in passport.psnr_difference.values())
    assert "dB by level" in str(passport)
    assert quantised.stat().st_size < 1.1 * registry.describe(NAME).parameters + 60_000


def test_the_graph(quantised: Path) -> None:
    model = onnx.load(quantised)
    for known in TARGETS.values():
        assert operators(model) <= known
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert [value.name for value in model.graph.input] == ["x", "sigma"]
    names = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= names
    scales = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    weights = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    large = [tensor for tensor in weights if len(tensor.dims) == 4]
    depth = sum(node.op_type == "Conv" for node in model.graph.node)
    assert len(large) == depth - 2  # all but the first and the last
    by_weight = {n.input[0]: n.input[1] for n in model.graph.node if "Dequant" in n.op_type}
    assert all(scales[by_weight[tensor.name]] == [tensor.dims[0]] for tensor in large)


def test_verified(quantised: Path) -> None:
    session = open_session(quantised, threads=1)
    # Tolerances of the table are for calibration on photographs; three drawn scenes do, too.
    for verdict in (against_torch(session), against_reference(session)):
        assert verdict.passed, str(verdict)
    shown = str(against_torch(session))
    assert "sigma 13/255" in shown
    assert "sigma 5/255" not in shown


def test_its_reference_refuses_the_noisy_image(quantised: Path, tmp_path: Path) -> None:
    """The passport's tolerance, of the worst pixel at the strongest noise, would let it pass."""
    stored = read_reference(quantised)
    untouched = max(np.abs(one.inputs["x"] - one.restored).max() for one in stored.cases)
    assert stored.tolerance < untouched / 2
    assert stored.tolerance < read_passport(quantised).tolerance
    model = onnx.load(quantised)
    del model.graph.node[:], model.graph.initializer[:]
    nothing = onnx.helper.make_node("Identity", ["x"], ["restored"])
    model.graph.node.append(nothing)
    path = tmp_path / "nothing.onnx"
    onnx.save(model, path)
    write_reference(path, stored.cases, stored.tolerance)
    assert not against_reference(open_session(path, threads=1)).passed


def test_references_stay_in_the_trained_range() -> None:
    """Below it contrast is stretched, and clipped by the scales of int8."""
    graph, exact = graph_of(registry.load("dncnn-s50")), registry.load("dncnn-s50").double()
    levels = [
        [case.inputs["sigma"].min() for case in reference_cases(exact, graph, inside)]
        for inside in (False, True)
    ]
    assert min(levels[0]) == pytest.approx(40 / 255)
    assert min(levels[1]) == pytest.approx(50 / 255)


@pytest.mark.parametrize("outside", [False, True])
def test_weak_noise_is_refused(quantised: Path, outside: bool) -> None:
    session = open_session(quantised, threads=1)
    graph = graph_of(registry.load(NAME))
    inputs = inputs_of(graph, (1, 1, 9, 8), 0, 9 / 255)
    with pytest.raises(InputError, match=r"sigma 0\.03529 \(9/255\) is outside its range, 10/255"):
        session(inputs, outside=outside)
    inputs["sigma"][:] = 10 / 255
    session(inputs, outside=outside)
    inputs["sigma"][:] = 90 / 255
    if outside:
        session(inputs, outside=True)
    else:
        with pytest.raises(InputError, match="to 75/255"):
            session(inputs)


def test_the_same_bytes_again(quantised: Path, images: Path, tmp_path: Path) -> None:
    again = export(NAME, tmp_path / "again.onnx", precision="int8", calibration=images)
    assert again.read_bytes() == quantised.read_bytes()


def test_crops_are_apart(images: Path) -> None:
    calibrated, measured = int8.crops(images, 1)
    assert (len(calibrated), len(measured)) == (2, 1)
    assert all(image.shape == (1, 1, 48, 56) for image in [*calibrated, *measured])
    assert not any(np.array_equal(a, b) for a in calibrated for b in measured)
    with pytest.raises(InputError, match="takes 2 colour images or more, 0 there"):
        int8.crops(images, 3)


def test_levels_are_those_trained_for() -> None:
    levels = {n: int8.levels_of(graph_of(registry.load(n))) for n in ("dncnn-s25", "dncnn-b")}
    assert levels == {"dncnn-s25": [25], "dncnn-b": [10, 15, 25, 50]}


@pytest.mark.parametrize("name", ["genericdp", "bf-dncnn-narrow", "cbdnet", "foe-s-s15"])
def test_not_for_every_prior(images: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: int8 is for chains of convolutions"):
        export(name, tmp_path / "a.onnx", precision="int8", calibration=images)
    assert list(tmp_path.iterdir()) == []


def test_calibration_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: Path
) -> None:
    monkeypatch.delenv("PNP_PRIORS_DATA", raising=False)
    with pytest.raises(MissingFileError, match="give --calibration FOLDER or set PNP_PRIORS_DATA"):
        int8.crops(None, 1)
    monkeypatch.setenv("PNP_PRIORS_DATA", str(tmp_path))
    for folder, message in (
        (None, "no such folder"),
        (tmp_path / "eval" / "BSD68", "images of eval/ are for measuring"),
        (tmp_path, "no images"),
    ):
        with pytest.raises(PnpPriorsError, match=message):
            int8.crops(folder, 1)
    (tmp_path / "one.png").write_bytes((images / "0.png").read_bytes())
    with pytest.raises(InputError, match="takes 2 images or more, 1 there"):
        int8.crops(tmp_path, 1)
