"""The table of targets: every released prior as it should be, its figures those in the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pnp_priors import registry
from pnp_priors.errors import ConfigError, MissingFileError
from pnp_priors.export import everything
from pnp_priors.export.everything import export_all
from pnp_priors.export.graphs.priors import GRAPHS, graph_of
from pnp_priors.export.restorations import restoration_of
from pnp_priors.export.targets import PriorTarget, Targets, read, shipped, stated_tolerance
from pnp_priors.pipelines import files
from pnp_priors.pipelines.build import build
from pnp_priors.runtime.passport import read_passport
from pnp_priors.runtime.reference import reference_path

Command = Callable[..., tuple[int, str, str]]
TABLE = """
priors:
  - {prior: foe-m-s15, precision: float32, opset: 18, tolerance: 2.0e-6}
  - {prior: foe-s-s15, precision: float32, opset: 18, tolerance: 2.0e-6, sigma: map}
  - {prior: foe-s-s15, precision: float16, opset: 18, tolerance: 1.0e-3}
"""


def exportable() -> list[str]:
    systems = {name: registry.describe(name).system for name in registry.available()}
    return [n for n, system in systems.items() if registry.system_class(system).__name__ in GRAPHS]


def test_every_released_prior_is_in_it() -> None:
    rows = read().priors
    for name in exportable():
        graph = graph_of(registry.load(name))
        wanted = {"float32"}
        wanted |= {"float16"} if graph.halves else set()
        wanted |= {"int8"} if graph.percentile else set()
        by_default = [row.precision for row in rows if row.prior == name and row.sigma is None]
        assert sorted(by_default) == sorted(wanted), name
    assert {row.prior for row in rows} == set(exportable())
    with_map = {row.prior for row in rows if row.sigma == "map"}
    assert {"ffdnet-gray", "ffdnet-color", "genericdp", "cbdnet"} <= with_map


def test_tolerances_of_float32_are_those_of_the_graphs() -> None:
    for row in read().priors:
        if row.precision == "float32":
            graph = graph_of(registry.load(row.prior), row.sigma)
            assert row.tolerance == graph.tolerance, row
        else:
            assert 1e-5 < row.tolerance < (1e-2 if row.precision == "float16" else 1), row


def test_restorations_are_those_of_the_pipelines() -> None:
    rows = read().restorations
    assert {row.pipeline for row in rows} >= {
        "deconvolution",
        "super_resolution",
        "jpeg_deblocking",
    }
    for row in rows:
        pipeline = files.read(files.find(row.pipeline), row.set)
        restoration = restoration_of(pipeline, build(pipeline).prior, row.channels)
        assert row.tolerance == restoration.tolerance, row


@pytest.mark.parametrize("name", ["dncnn-s25", "trd-5x5-s25"])
def test_passports_state_what_it_states(exported: Callable[..., Path], name: str) -> None:
    passport = read_passport(exported(name, None, "float16"))
    (row,) = (r for r in read().priors if (r.prior, r.precision) == (name, "float16"))
    assert passport.tolerance == row.tolerance == stated_tolerance(passport)
    assert passport.opset == row.opset
    other = passport.model_copy(update={"weights_sha256": "0" * 64})
    assert stated_tolerance(other) is None


def test_names_of_files() -> None:
    row = PriorTarget(prior="ffdnet-gray", precision="float32", opset=18, tolerance=2e-6)
    assert row.file == "ffdnet-gray.onnx"
    changed = {"precision": "int8", "sigma": "map"}
    assert row.model_copy(update=changed).file == "ffdnet-gray-map-int8.onnx"
    with pytest.raises(ValidationError, match=r"two rows make ffdnet-gray\.onnx"):
        Targets(priors=[row, row])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("opset: 18", "opset: 17", "priors.0.opset: Input should be 18"),
        ("float32", "float8", "'float32', 'float16' or 'int8'"),
        ("foe-m-s15", "foe-m-s16", "priors.0.prior: expected one of bf-dncnn, .*, got 'foe-m-s16'"),
        ("2.0e-6", "0", "priors.0.tolerance: Input should be greater than 0"),
        (
            "sigma: map",
            "form: map",
            "unknown key 'priors.1.form'; allowed: prior, precision, opset",
        ),
        ("sigma: map", "sigma: field", "priors.1.sigma: Input should be 'level' or 'map'"),
        ("priors:", "prior:", "missing key 'priors'|unknown key 'prior'; nearest: priors"),
    ],
)
def test_a_wrong_table_is_one_line(
    command: Command, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(TABLE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read(path)
    code, out, err = command("export", "--all", "-o", tmp_path / "out", "--targets", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "own.yaml" in err
    assert not (tmp_path / "out").exists()


def test_all_of_a_table(command: Command, tmp_path: Path) -> None:
    table, folder = tmp_path / "own.yaml", tmp_path / "out"
    table.write_text(TABLE)
    arguments = ("export", "--all", "-o", folder, "--targets", table)
    code, out, err = command(*arguments)
    assert (code, err) == (1, "")
    # There is no float16 of it; the others are there all the same.
    assert out.splitlines()[-1].startswith("failed: foe-s-s15-float16.onnx: foe-s-s15 has no netw")
    names = [path.name for path in sorted(folder.glob("*.onnx"))]
    assert names == ["foe-m-s15.onnx", "foe-s-s15-map.onnx"]
    code, out, err = command("verify", "--reference", *sorted(folder.glob("*.onnx")))
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["ok", name] for name in names]
    assert out.splitlines()[-1] == "2 of 2 files are within their tolerances"

    written = (folder / "foe-m-s15.onnx").stat().st_mtime_ns
    assert command(*arguments)[1].count("up to date") == 2
    assert (folder / "foe-m-s15.onnx").stat().st_mtime_ns == written
    # What is of other settings, or without its reference, is made anew; of one precision alone.
    table.write_text(TABLE.replace("2.0e-6", "3.0e-6", 1))
    reference_path(folder / "foe-s-s15-map.onnx").unlink()
    code, out, _ = command(*arguments, "--precision", "float32")
    assert (code, out.count("up to date"), out.count("bytes")) == (0, 0, 2)
    assert read_passport(folder / "foe-m-s15.onnx").tolerance == 3e-6


def test_a_graph_with_an_optional_input_is_up_to_date(tmp_path: Path) -> None:
    table = tmp_path / "own.yaml"
    table.write_text("""
priors: []
restorations:
  - name: gray
    pipeline: jpeg_deblocking
    set: {prior.name: foe-d-s15, solver.iterations: 1}
    channels: 1
    precision: float32
    opset: 18
    tolerance: 4.0e-6
""")
    said: list[str] = []
    for _ in range(2):
        assert export_all(read(table), tmp_path / "out", announce=said.append) == []
    assert said[1].endswith("up to date")


def test_a_tolerance_that_is_too_small_leaves_no_file(tmp_path: Path) -> None:
    table = tmp_path / "own.yaml"
    table.write_text("\n".join(TABLE.splitlines()[:3]).replace("2.0e-6", "1.0e-12"))
    said: list[str] = []
    (failed,) = export_all(read(table), tmp_path / "out", announce=said.append)
    assert "foe-m-s15.onnx: " in failed
    assert "the table allows 1e-12" in failed
    assert said[0].endswith("FAILED")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", ["ValidationError", "InferenceError"])
def test_an_invalid_graph_does_not_stop_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    import onnx

    error = {
        "ValidationError": onnx.checker.ValidationError,
        "InferenceError": onnx.shape_inference.InferenceError,
    }[kind]
    proper = everything.export_prior

    def fail(name: str, *choices: object) -> Path:
        if name == "foe-m-s15":
            raise error("no\nvalid graph")
        return proper(name, *choices)

    monkeypatch.setattr(everything, "export_prior", fail)
    table = tmp_path / "own.yaml"
    table.write_text("\n".join(TABLE.splitlines()[:4]))
    failed = export_all(read(table), tmp_path / "out", announce=lambda line: None)
    assert failed == ["foe-m-s15.onnx: no valid graph"]
    assert (tmp_path / "out" / "foe-s-s15-map.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["foe-m-s15"], "-o is missing"),
        (["-o", "a.onnx"], "or --all"),
        (["--all", "foe-m-s15", "-o", "a"], "leave out a name"),
        (["--all", "-o", "a", "--sigma", "map"], "leave out --sigma"),
        (["--all", "-o", "a", "--opset", "17"], "leave out --opset"),
        (["--all", "-o", "a", "--opset", "17", "--targets", "t.yaml"], "leave out --opset"),
        (["--all", "-o", "a", "--channels", "0"], "leave out --channels"),
        (["--all", "-o", "a", "--iterations", ""], "leave out --iterations"),
        (
            ["--all", "-o", "a", "--precision", "float32", "--calibration", "b"],
            "--calibration is for int8; the precision is float32",
        ),
        (["--all", "-o", "a", "--precision", "int4"], "unknown precision 'int4'"),
        (["--all", "-o", "a", "--targets", "none.yaml"], "no such file: none.yaml"),
        (["foe-m-s15", "-o", "a.onnx", "--targets", "a.yaml"], "--targets is for --all"),
    ],
)
def test_mistakes_are_one_line(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command("export", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_table_is_there() -> None:
    assert shipped().is_file()
    with pytest.raises(MissingFileError):
        read(Path("none.yaml"))


def test_verify_of_several(command: Command, exported: Callable[..., Path], tmp_path: Path) -> None:
    good, bad = exported("foe-s-s15"), tmp_path / "bad.onnx"
    bad.write_text("no model")
    code, out, err = command("verify", "--reference", good, bad)
    assert code == 2
    assert "bad.onnx: " in err
    assert out.splitlines()[-1] == "1 of 2 files are within their tolerances"
