"""``pnp-priors export``, ``verify`` and ``info`` of a file: what they print, how they fail."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from pnp_priors import registry
from pnp_priors.runtime.reference import reference_path, sha256

Command = Callable[..., tuple[int, str, str]]
Exported = Callable[..., Path]
NAME = "dncnn-s15"


@pytest.fixture
def copy(exported: Exported, tmp_path: Path) -> Path:
    """A file of one's own to spoil, with its reference."""
    source = exported(NAME)
    target = tmp_path / source.name
    shutil.copy(source, target)
    shutil.copy(reference_path(source), reference_path(target))
    return target


def changed(path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def test_export_writes_file_and_reference(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "new" / "prior.onnx"
    code, out, err = command("export", NAME, "-o", path)
    assert (code, err) == (0, "")
    assert f"prior.onnx ({path.stat().st_size:,} bytes)" in out
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "prior.onnx",
        "prior.reference.safetensors",
    ]


def test_jpeg_of_gray_photos(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "gray.onnx"
    few = ["--set", "prior.name=foe-d-s15", "--set", "solver.iterations=1"]
    code, _, err = command("export", "jpeg_deblocking", "-o", path, "--channels", "1", *few)
    assert (code, err) == (0, "")
    graph = onnx.load(path).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.input}
    assert shapes == {"x": [1, 1, 0, 0], "table": [8, 8], "size": [2]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dncnn-s15", "-o", "a.pt"], "ends in .onnx"),
        (["dncn-s15", "-o", "a.onnx"], "unknown prior 'dncn-s15': nearest: dncnn-s15"),
        (["dncnn-b", "-o", "a.onnx", "--sigma", "map"], "dncnn-b takes no sigma"),
        (["dncnn-s15", "-o", "a.onnx", "--sigma", "maps"], "'level' or 'map', got 'maps'"),
        (["dncnn-s15", "-o", "a.onnx", "--precision", "int4"], "precision 'int4' cannot be had"),
        (["dncnn-s15", "-o", "a.onnx", "--opset", "17"], "opset 18, got 17"),
        (["dncnn-s15", "-o", "a.onnx", "--set", "a=1"], "dncnn-s15 is a prior"),
        (["dncnn-s15", "-o", "a.onnx", "--channels", "1"], "dncnn-s15 is a prior"),
        (["deconvolution", "-o", "a.onnx", "--channels", "1"], "of jpeg-deblocking alone; got 1"),
        (["deconvolution", "-o", "a.onnx", "--sigma", "map"], "deconvolution is a pipeline"),
        (["deconvolution", "-o", "a.onnx", "--opset", "0"], "opset 18, got 0"),
        (
            ["foe-m-s15", "-o", "a.onnx", "--calibration", "/nonexistent"],
            "calibration is for int8; the precision is float32",
        ),
        (
            ["dncnn-s15", "-o", "a.onnx", "--calibration", "b", "--precision", "float16"],
            "calibration is for int8; the precision is float16",
        ),
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
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_info_prints_the_passport(command: Command, exported: Exported) -> None:
    code, out, _ = command("info", exported(NAME))
    assert code == 0
    card = registry.describe(NAME)
    for text in (card.title, card.licence, card.weights.sha256, "15/255", "35 pixels", "2e-06"):
        assert text in out


def test_verify_against_torch(command: Command, exported: Exported) -> None:
    code, out, _ = command("verify", exported(NAME))
    assert code == 0
    assert "2×3×17×23" in out
    # Beyond the trained range the prior rescales the image, and rounding with it.
    assert re.search(r"largest difference to torch: \S+ \(allowed (2e-06|3\.3e-06|1\.3e-05)\)", out)


@pytest.mark.parametrize("without_torch", [True, False])
def test_verify_against_the_reference(
    command: Command, exported: Exported, monkeypatch: pytest.MonkeyPatch, without_torch: bool
) -> None:
    if without_torch:
        monkeypatch.setattr("pnp_priors.runtime.verify.installed", lambda *names: False)
    code, out, _ = command("verify", exported(NAME), *([] if without_torch else ["--reference"]))
    assert code == 0
    assert "largest difference to the stored reference: " in out


def test_verify_finds_a_changed_weight(command: Command, copy: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        values = numpy_helper.to_array(weight).copy()
        values *= 1.01
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    changed(copy, change)
    code, out, _ = command("verify", copy)
    assert code == 1
    assert re.search(r"more than [23]\.0e-06", out)
    # The reference names the model that it was made with, so that it cannot vouch for another.
    code, _, err = command("verify", copy, "--reference")
    assert code == 2
    assert "belongs to another file" in err


def test_verify_says_that_weights_are_others(command: Command, copy: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == "weights_sha256":
                entry.value = "0" * 64

    code, _, err = command("verify", changed(copy, change))
    assert code == 2
    assert "exported from weights 000000000000…, dncnn-s15 has" in err
    assert err.count("\n") == 1


def test_files_that_are_none(command: Command, copy: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.onnx"
    shutil.copy(copy, bare)
    changed(bare, lambda model: model.ClearField("metadata_props"))
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(copy.read_bytes()[:-2000])
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    for path, message in (
        (bare, "bare.onnx: no passport"),
        (cut, "cut.onnx: "),
        (text, "text.onnx: "),
        (tmp_path / "none.onnx", "no such file"),
    ):
        for verb in ("info", "verify"):
            code, out, err = command(verb, path)
            assert (code, out) == (2, ""), (verb, path)
            assert message in err
            assert err.count("\n") == 1


def test_a_reference_of_another_model_is_refused(
    command: Command, copy: Path, exported: Exported
) -> None:
    shutil.copy(reference_path(exported("ffdnet-gray")), reference_path(copy))
    code, _, err = command("verify", copy, "--reference")
    assert code == 2
    assert "belongs to another file" in err
    reference_path(copy).unlink()
    code, _, err = command("verify", copy, "--reference")
    assert code == 2
    assert "no reference beside" in err
    assert sha256(copy) == sha256(exported(NAME))
