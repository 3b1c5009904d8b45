"""Readers of passports and references, in Python and JavaScript, against onnx and safetensors."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import onnx
import pytest
from safetensors.numpy import save

from .conftest import PASSPORT, RUNTIMES, cases, tiny_prior


@pytest.fixture(scope="module")
def graph_file():
    path = RUNTIMES / "python" / "graph_file.py"
    spec = importlib.util.spec_from_file_location("_graph_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READ = """
import { readFileSync } from 'node:fs';
import { metadata, readPassport, readSafetensors, Refused } from 'RUNTIMES/node/exported.mjs';
const attempt = (read) => {
  try { return read(); } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
};
"""


def damaged(data, count=60):
    """Every kind of harm: cut short at many places, and single bytes changed."""
    random = np.random.default_rng(0)
    found = [data[:end] for end in range(0, len(data), max(1, len(data) // count))]
    for _ in range(count):
        copy = bytearray(data)
        copy[random.integers(len(copy))] = random.integers(256)
        found.append(bytes(copy))
    return found


def test_metadata_as_onnx_reads_it(graph_file, node_json, tmp_path):
    long = {
        **PASSPORT,
        "psnr": "x" * 70_000,
        "title": "σ ≤ 75/255 — größer",
        "": "",
        "settings": "",
    }
    files = []
    for number, passport in enumerate([PASSPORT, long, None]):
        path = tiny_prior(tmp_path / f"{number}.onnx", passport)
        model = onnx.load(path)
        model.functions.clear()
        model.doc_string, model.model_version = "text", 2**40  # varints of many bytes before it
        path.write_bytes(model.SerializeToString())
        files.append(path)
    names = json.dumps([str(path) for path in files])
    found = node_json(
        READ + f"console.log(JSON.stringify({names}.map((f) => metadata(readFileSync(f)))))"
    )
    for path, by_js in zip(files, found, strict=True):
        wanted = {each.key: each.value for each in onnx.load(path).metadata_props}
        assert graph_file.metadata(path.read_bytes()) == wanted
        assert by_js == wanted


def test_damage_is_refused_or_harmless_and_both_readers_agree(
    graph_file, node_json, tiny, tmp_path
):
    contents = damaged(tiny.read_bytes(), 150)
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.bin").write_bytes(content)
    found = node_json(
        READ
        + f"""
        const all = Array.from({{ length: {len(contents)} }}, (_, i) =>
          attempt(() => readPassport(readFileSync(`{tmp_path}/${{i}}.bin`))));
        console.log(JSON.stringify(all));"""
    )
    assert None in found
    for content, by_js in zip(contents, found, strict=True):
        try:
            by_python = graph_file.read_passport(content)
        except graph_file.RefusedError:
            by_python = None
        assert by_js == by_python
        if by_js is not None:
            assert by_js.keys() >= {"channels", "sigma_range", "tolerance"}


TENSORS = {
    "0/x": np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 2, 2, 3),
    "0/iterations": np.array(2**40 + 3, np.int64),
    "0/flags": np.array([1, 2, 3], np.uint8),  # what follows starts at an odd place
    "1/double": np.array([[np.pi, -0.0]], np.float64),
    "1/empty": np.zeros((0, 4), np.float32),
}


def test_safetensors_in_python(graph_file, tmp_path):
    path = tmp_path / "reference.safetensors"
    path.write_bytes(save(TENSORS, {"model_sha256": "σ"}))
    found, extra = graph_file.read_safetensors(path)
    assert extra == {"model_sha256": "σ"}
    assert found.keys() == TENSORS.keys()
    for name, wanted in TENSORS.items():
        assert found[name].dtype == wanted.dtype
        assert found[name].shape == wanted.shape
        assert found[name].tobytes() == wanted.tobytes()
    for content in (b"", path.read_bytes()[:20], path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(graph_file.RefusedError):
            graph_file.read_safetensors(path)


def test_safetensors_in_javascript(node_json, tmp_path):
    path = tmp_path / "reference.safetensors"
    path.write_bytes(save(TENSORS, {"model_sha256": "σ"}))
    found = node_json(
        READ
        + f"""
        const bytes = readFileSync('{path}');
        const {{ tensors, extra }} = readSafetensors(bytes);
        const plain = Object.fromEntries(Object.entries(tensors).map(([name, {{ data, dims }}]) =>
          [name, {{ data: [...data].map(String), dims }}]));
        const cuts = [0, 20, bytes.length - 1].map((end) =>
          attempt(() => readSafetensors(bytes.subarray(0, end))));
        console.log(JSON.stringify({{ plain, extra, cuts }}));"""
    )
    assert found["extra"] == {"model_sha256": "σ"}
    assert found["cuts"] == [None, None, None]
    for name, wanted in TENSORS.items():
        assert found["plain"][name]["dims"] == list(wanted.shape)
        values = np.array(found["plain"][name]["data"], wanted.dtype)
        assert (values == wanted.ravel()).all()


def test_reference_cases_in_javascript(node_json, tiny):
    path = tiny.with_suffix(".reference.safetensors")
    found = node_json(
        READ
        + f"""
        import {{ referenceCases, difference, exponential }} from 'RUNTIMES/node/exported.mjs';
        const found = referenceCases(readSafetensors(readFileSync('{path}')));
        const one = {{ data: Float32Array.of(0.5, 1), dims: [2] }};
        const other = {{ data: Float32Array.of(0.25, 1.125), dims: [2] }};
        console.log(JSON.stringify({{
          names: found.map(({{ feeds }}) => Object.keys(feeds).sort()),
          dims: found.map(({{ restored }}) => restored.dims),
          largest: difference(one, other),
          shapes: attempt(() => difference(one, {{ ...other, dims: [1, 2] }})),
          texts: [0, 1.24e-7, 3.1e-12, 4e5].map(exponential),
        }}));"""
    )
    stored = {name: value for name, value in cases().items() if name.endswith("restored")}
    assert found["dims"] == [list(value.shape) for value in stored.values()]
    assert found["names"] == 3 * [["sigma", "x"]]
    assert found["largest"] == 0.25
    assert found["shapes"] is None
    assert found["texts"] == ["0.0e+00", "1.2e-07", "3.1e-12", "4.0e+05"]
