"""What may go into a graph, what runs it, and what each mistake answers."""

import numpy as np
import onnx
import pytest

from pnp_priors.errors import InputError, MissingFileError, PnpPriorsError, UnknownNameError
from pnp_priors.export.graphs.restorations.builder import Graph
from pnp_priors.runtime import session
from pnp_priors.runtime.session import open_session

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 1, 3, 4)
SIGMA = np.array([10, 20], np.float32) / 255


def test_it_runs_what_the_graph_says(toy):
    opened = open_session(toy, threads=1)
    expected = X + SIGMA.reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(opened({"x": X, "sigma": SIGMA}), expected)
    assert opened.provider == "cpu"
    assert opened.passport.name == "toy"
    assert opened.inputs["sigma"].shape == ("batch",)
    # Any order in memory and any float; the graph's own is float32.
    given = {"x": np.asfortranarray(X.astype(np.float64)), "sigma": SIGMA.astype(np.float16)}
    np.testing.assert_allclose(opened(given), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": X[0]}, r"toy\.onnx: x: expected float32 \[batch, .*\], got shape \[1, 3, 4\]"),
        ({"x": X[:, :, :0]}, r"x: expected .*, got shape \[2, 1, 0, 4\]"),
        ({"x": (255 * X).astype(np.uint8)}, "x: expected .*, got uint8; divide 8-bit values by"),
        ({"x": np.where(X > 0.9, np.nan, X)}, "x: it has values that are NaN or infinite"),
        ({"sigma": SIGMA[:, None]}, r"sigma: expected .*, got shape \[2, 1\]"),
        ({"sigma": np.array([1, 2])}, "sigma: expected .*, got int64"),
        (
            {"sigma": SIGMA / 4},
            r"sigma 0\.009804 \(2\.5/255\) is outside its range, 5/255 to 50/255",
        ),
        ({"sigma": 255 * SIGMA}, r"sigma 20 \(5100/255\) is outside its range"),
        ({"table": X}, "unknown input of toy.onnx 'table'.*known: sigma, x"),
        (
            {"sigma": SIGMA[[0, 1, 1]]},
            r"toy\.onnx: sigma: expected float32 \[batch\] of shape \[2\], which fits the other "
            r"inputs, got shape \[3\]",
        ),
    ],
)
def test_wrong_inputs_are_one_line_with_their_name(toy, changes, message):
    opened = open_session(toy, threads=1)
    with pytest.raises(InputError if "unknown" not in message else UnknownNameError) as caught:
        opened({"x": X, "sigma": SIGMA} | changes)
    caught.match(message)
    assert "\n" not in str(caught.value)


@pytest.fixture
def blurring(tmp_path, make_passport):
    """A graph with the inputs of deconvolution, and a map; it returns the image."""
    graph = Graph()
    image = graph.input("x", ["batch", "channels", "height", "width"])
    graph.input("map", ["batch", 1, "height", "width"])
    graph.input("kernel", ["kernel_height", "kernel_width"])
    graph.input("iterations", [], "int64")
    model = graph.model("toy", "restored", image * 1.0, ["batch", "channels", "height", "width"])
    onnx.helper.set_model_props(model, make_passport(sigma_range=None).metadata())
    onnx.save(model, tmp_path / "toy.onnx")
    given = {"x": X, "map": X, "kernel": np.ones((3, 5), np.float32), "iterations": np.array(2)}
    return open_session(tmp_path / "toy.onnx", threads=1), given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": X[:1]}, r"map: expected .* of shape \[2, 1, 3, 4\], .* got shape \[1, 1, 3, 4\]"),
        ({"map": X[:, :, 1:]}, r"map: .* of shape \[2, 1, 3, 4\], .* got shape \[2, 1, 2, 4\]"),
        ({"kernel": np.zeros((3, 3), np.float32)}, "kernel: the kernel is zero everywhere"),
        ({"kernel": -np.ones((3, 3), np.float32)}, "kernel: the kernel has negative values"),
        ({"kernel": np.full((3, 3), np.nan, np.float32)}, "kernel: it has values that are NaN"),
        ({"iterations": np.array(0)}, "iterations: expected 1 or more, got 0"),
        ({"iterations": np.array(-3)}, "iterations: expected 1 or more, got -3"),
    ],
)
def test_inputs_of_restorations_are_checked(blurring, changes, message):
    session, given = blurring
    np.testing.assert_array_equal(session(given), X)
    with pytest.raises(InputError, match=rf"^toy\.onnx: {message}") as caught:
        session(given | changes)
    assert "\n" not in str(caught.value)


def test_a_missing_input_is_named(toy):
    with pytest.raises(InputError, match="its input sigma is missing"):
        open_session(toy)({"x": X})


def test_levels_outside_run_where_the_caller_wants_them(toy):
    found = open_session(toy)({"x": X, "sigma": 10 * SIGMA}, outside=True)
    np.testing.assert_allclose(found, X + 10 * SIGMA.reshape(2, 1, 1, 1), atol=1e-7)


def test_the_ends_of_the_range_are_inside(toy):
    """Also where float32 rounds them away."""
    opened = open_session(toy)
    for level in opened.passport.sigma_range:
        opened({"x": X[:1], "sigma": np.array([level], np.float32)})


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08\x12\xff"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.onnx: ONNX Runtime cannot open it") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_breaks_off_is_one_line(toy):
    toy.write_bytes(toy.read_bytes()[:-200])
    with pytest.raises(PnpPriorsError, match=r"toy\.onnx"):
        open_session(toy)


def test_no_file_and_no_passport(tmp_path, write_toy):
    with pytest.raises(MissingFileError, match=r"no such file: .*none\.onnx"):
        open_session(tmp_path / "none.onnx")
    write_toy(tmp_path / "bare.onnx", metadata={})
    with pytest.raises(InputError, match=r"bare\.onnx: no passport"):
        open_session(tmp_path / "bare.onnx")


def test_an_unknown_provider_and_one_that_is_not_there(toy, monkeypatch):
    import onnxruntime

    with pytest.raises(UnknownNameError, match=r"unknown provider 'tpu'.*known: cpu, cuda, tens"):
        open_session(toy, "tpu")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InputError, match=r"provider cuda is not there \(this .* has cpu\)"):
        open_session(toy, "cuda")


def test_a_provider_that_could_not_be_loaded_does_not_become_the_cpu(toy, monkeypatch):
    """ONNX Runtime itself goes on with what is left."""
    import onnxruntime

    left = [("CPUExecutionProvider", {})]
    monkeypatch.setattr(
        session, "providers_for", lambda name: [("CUDAExecutionProvider", {}), *left]
    )
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options, left)
    )
    with pytest.raises(InputError, match=r"provider cuda: .*would use CPUExecutionProvider"):
        open_session(toy, "cuda")


def test_threads_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert session._threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert session._threads() == 0
