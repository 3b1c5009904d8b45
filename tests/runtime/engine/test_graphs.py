"""Which graph a pipeline gets, and what is said where there is none."""

import shutil

import pytest

from pnp_priors import registry
from pnp_priors.errors import InputError, MissingFileError, UnknownNameError
from pnp_priors.pipelines import files
from pnp_priors.runtime.engine import build as engine
from pnp_priors.runtime.engine import graphs as folders
from pnp_priors.runtime.engine.graphs import Graphs, prior_graph

CARD = registry.describe("ffdnet-gray")


def wanted(form="level"):
    return prior_graph(CARD, "ffdnet-gray", form)


def toy_of_ffdnet(write_toy, make_passport, path, **changes):
    """A small graph with the passport of a prior."""
    weights = registry.fingerprint(CARD)
    said = {"name": "ffdnet-gray", "prior": "ffdnet-gray", "weights_sha256": weights} | changes
    return write_toy(path, make_passport(**said).metadata())


@pytest.fixture
def without_exporter(monkeypatch):
    monkeypatch.setattr(folders, "installed", lambda *packages: False)


def test_a_graph_is_found_by_its_passport_not_its_name(tmp_path, write_toy, make_passport):
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    write_toy(tmp_path / "a.onnx")
    half = toy_of_ffdnet(write_toy, make_passport, tmp_path / "b.onnx", precision="float16")
    said = []
    assert Graphs(tmp_path, announce=said.append).open(wanted()).path == half
    toy_of_ffdnet(write_toy, make_passport, tmp_path / "c.onnx")
    assert Graphs(tmp_path, announce=said.append).open(wanted()).path == tmp_path / "c.onnx"
    assert said == [
        f"graph {half}, float16, on cpu",
        f"graph {tmp_path / 'c.onnx'}, float32, on cpu",
    ]


@pytest.mark.usefixtures("without_exporter")
def test_none_there_names_the_command(tmp_path, write_toy, make_passport):
    line = r"pnp-priors export ffdnet-gray --sigma level -o .*ffdnet-gray\.onnx"
    with pytest.raises(MissingFileError, match=line):
        Graphs(tmp_path / "none").open(wanted())
    # That of a level is none of a map, nor is one of other weights.
    toy_of_ffdnet(write_toy, make_passport, tmp_path / "a.onnx")
    with pytest.raises(MissingFileError, match=r"--sigma map -o .*ffdnet-gray-map\.onnx"):
        Graphs(tmp_path).open(wanted("map"))
    toy_of_ffdnet(write_toy, make_passport, tmp_path / "a.onnx", weights_sha256="1" * 64)
    with pytest.raises(MissingFileError, match=line):
        Graphs(tmp_path).open(wanted())


def test_another_graph_of_that_name_is_not_overwritten(tmp_path, write_toy):
    path = write_toy(tmp_path / "ffdnet-gray.onnx")
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"is toy of pnp_priors 1 with weights 0{12}, not ffdnet-"):
        Graphs(tmp_path).open(wanted())
    assert path.read_bytes() == before
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"ffdnet-gray\.onnx: not an ONNX model"):
        Graphs(tmp_path).open(wanted())


def test_a_missing_graph_is_exported_once(tmp_path, exported, monkeypatch):
    import pnp_priors.export

    file, calls = exported("ffdnet-gray", sigma="level"), []

    def export(name, path, sigma):
        calls.append((name, sigma))
        shutil.copy(file, path)

    monkeypatch.setattr(pnp_priors.export, "export", export)
    said = []
    for _ in range(2):
        Graphs(tmp_path / "new", announce=said.append).open(wanted())
    assert calls == [("ffdnet-gray", "level")]
    path = tmp_path / "new" / "ffdnet-gray.onnx"
    assert said[0] == f"exporting ffdnet-gray that takes a sigma level to {path}, once"
    assert said[1:] == [f"graph {path}, float32, on cpu"] * 2


@pytest.mark.parametrize(
    ("name", "overrides", "error", "message"),
    [
        ("inpainting", {}, InputError, r"does not run inpainting; it runs .*denoising, jpeg-d"),
        ("denoising", {"prior.weights": "my.pth"}, InputError, "prior.weights: my.pth"),
        ("denoising", {"prior.name": "trd-jpeg-q10"}, InputError, "prior.name: .* for jpeg; den"),
        ("denoising", {"prior.name": "ffdent"}, UnknownNameError, "prior.name: unknown prior"),
    ],
)
def test_what_this_engine_does_not_run(tmp_path, name, overrides, error, message):
    pipeline = files.read(files.find(name), overrides)
    with pytest.raises(error, match=message):
        engine.build(pipeline, Graphs(tmp_path))


def test_the_command_line_says_which_engines_there_are(command, tmp_path):
    code, _, err = command("run", "denoising", "-o", tmp_path, "--engine", "onnx")
    assert code == 2
    assert "unknown engine 'onnx'" in err
    assert "known: onnxruntime, torch" in err
    code, _, err = command("run", "denoising", "-o", tmp_path, "--device", "tensorrt")
    assert (code, err) == (2, "error: --device tensorrt is of --engine onnxruntime\n")
