"""Small graphs made by hand, and the consumers as commands where their tools are installed.

`export/runtimes/check` installs what they need into a folder and names it in the environment
variable PNP_PRIORS_CONSUMERS; without it, a test whose tools are missing is skipped and says so.
With it, the tests of every consumer that ran there must run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the package onnx to make graphs")
pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

RUNTIMES = Path(__file__).parents[2] / "export" / "runtimes"
TOOLS = os.environ.get("PNP_PRIORS_CONSUMERS")

PASSPORT = {
    "passport": "1",
    "kind": "prior",
    "name": "tiny",
    "prior": "tiny",
    "title": "Tiny, σ of two levels",
    "task": "gaussian",
    "prior_version": "0" * 12,
    "package": "pnp_priors",
    "package_version": "0.1.0",
    "channels": "any",
    "channel_order": "any",
    "value_range": "[0, 1]",
    "sigma_range": "[0.0, 0.2]",
    "sigma_unit": "standard deviation, image in [0, 1]",
    "sigma_outside": "rescaled",
    "receptive_field": "3",
    "halo": "1",
    "size_multiple": "1",
    "licence": "MIT",
    "training_data": '["none"]',
    "weights_sha256": "0" * 64,
    "psnr": '{"none": {"25": 30.0}}',
    "tolerance": "2e-06",
    "opset": "18",
    "precision": "float32",
    "lipschitz_lower_bound": "",
    "settings": "",
}


def write_graph(
    path: Path, nodes: list, inputs: dict[str, tuple], passport: dict[str, str] | None
) -> Path:
    """A graph of nodes; `inputs` holds the axes of each, int64 for one of no axes."""
    tensor = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto
    taken = [tensor(n, kind.FLOAT if axes else kind.INT64, axes) for n, axes in inputs.items()]
    made = tensor("restored", kind.FLOAT, ("batch", "channels", "height", "width"))
    graph = onnx.helper.make_graph(nodes, "tiny", taken, [made])
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    for key, value in (passport or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


IMAGE = ("batch", "channels", "height", "width")


def tiny_prior(path: Path, passport: dict[str, str] | None) -> Path:
    """restored = x - sigma (x - mean of 3x3 neighbours inside the image), channel by channel."""
    node = onnx.helper.make_node
    one = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [3], [1, 2, 3])
    nodes = [
        node("Constant", [], ["axes"], value=one),
        node("Unsqueeze", ["sigma", "axes"], ["level"]),
        node("AveragePool", ["x"], ["mean"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Sub", ["x", "mean"], ["detail"]),
        node("Mul", ["level", "detail"], ["part"]),
        node("Sub", ["x", "part"], ["restored"]),
    ]
    return write_graph(path, nodes, {"x": IMAGE, "sigma": ("batch",)}, passport)


def tiny_restoration(path: Path, passport: dict[str, str]) -> Path:
    """restored = x sum(kernel) + noise + iterations / 8."""
    node = onnx.helper.make_node
    eighth = onnx.helper.make_tensor("eighth", onnx.TensorProto.FLOAT, [], [0.125])
    nodes = [
        node("Constant", [], ["eighth"], value=eighth),
        node("ReduceSum", ["kernel"], ["gain"], keepdims=0),
        node("Mul", ["x", "gain"], ["bright"]),
        node("Cast", ["iterations"], ["count"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["count", "eighth"], ["steps"]),
        node("Add", ["bright", "steps"], ["more"]),
        node("Add", ["more", "noise"], ["restored"]),
    ]
    inputs = {"x": IMAGE, "kernel": ("kh", "kw"), "noise": (1,), "iterations": ()}
    return write_graph(path, nodes, inputs, passport)


def tiny_jpeg(path: Path, passport: dict[str, str]) -> Path:
    """restored = x + table[1, 0] / 256, for a test that tables arrive row by row."""
    return _shifted(path, passport, "table", [1, 0], (8, 8))


def tiny_tables(path: Path, passport: dict[str, str]) -> Path:
    """restored = x + tables[2, 1, 0] / 256, for a test that tables arrive one by one."""
    return _shifted(path, passport, "tables", [2, 1, 0], (3, 8, 8))


def _shifted(
    path: Path, passport: dict[str, str], name: str, place: list[int], axes: tuple[int, ...]
) -> Path:
    node = onnx.helper.make_node
    integers = onnx.TensorProto.INT64
    picked = onnx.helper.make_tensor("picked", integers, [len(place)], place)
    scale = onnx.helper.make_tensor("scale", onnx.TensorProto.FLOAT, [], [1 / 256])
    nodes = [
        node("Constant", [], ["picked"], value=picked),
        node("Constant", [], ["scale"], value=scale),
        node("GatherND", [name, "picked"], ["step"]),
        node("Mul", ["step", "scale"], ["shift"]),
        node("Add", ["x", "shift"], ["restored"]),
    ]
    return write_graph(path, nodes, {"x": IMAGE, name: axes}, passport)


def write_reference(model: Path, tensors: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    path = model.with_suffix(".reference.safetensors")
    save_file(tensors, path, {"model_sha256": digest, "tolerance": "2e-06"})


def smoothed(x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """What `tiny_prior` computes, by numpy in float64."""
    height, width = x.shape[2:]
    total, count = np.zeros(x.shape), np.zeros((height, width))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows = slice(max(0, -dy), height - max(0, dy))
            columns = slice(max(0, -dx), width - max(0, dx))
            moved = (
                slice(rows.start + dy, rows.stop + dy),
                slice(columns.start + dx, columns.stop + dx),
            )
            total[..., rows, columns] += x[(..., *moved)]
            count[rows, columns] += 1
    restored = x - sigma[:, None, None, None] * (x - total / count)
    return restored.astype(np.float32)


def cases(seed: int = 0, channels: int = 1) -> dict[str, np.ndarray]:
    """Reference cases of `tiny_prior`."""
    random = np.random.default_rng(seed)
    tensors = {}
    for number, (batch, height, width) in enumerate([(1, 12, 9), (1, 1, 1), (2, 5, 7)]):
        x = random.random((batch, channels, height, width), np.float32)
        sigma = random.uniform(0, 0.2, batch).astype(np.float32)
        tensors[f"{number}/x"], tensors[f"{number}/sigma"] = x, sigma
        tensors[f"{number}/restored"] = smoothed(x.astype(np.float64), sigma.astype(np.float64))
    return tensors


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A file as the exporter writes it, with its reference."""
    model = tiny_prior(tmp_path / "tiny.onnx", PASSPORT)
    write_reference(model, cases())
    return model


def tool_folder(name: str) -> Path | None:
    """What `export/runtimes/check` has installed for a consumer."""
    folder = Path(TOOLS or "/nowhere") / name
    return folder if folder.is_dir() else None


def missing(consumer: str, reason: str) -> NoReturn:
    """Skip, unless `export/runtimes/check` has just run that consumer here: then it is there."""
    ran = Path(TOOLS or "/nowhere") / "ran"
    if ran.is_file() and consumer in ran.read_text().split():
        pytest.fail(f"{consumer} ran in export/runtimes/check, and here: {reason}")
    pytest.skip(f"{consumer} not run: {reason}")


@pytest.fixture(scope="session")
def node_json() -> Callable[[str], object]:
    """Runs JavaScript that prints JSON; `RUNTIMES/` in it is the folder of the consumers."""
    program = shutil.which("node")
    if program is None:
        missing("node", "node is not installed")

    def run(code: str) -> object:
        code = code.replace("RUNTIMES/", f"{RUNTIMES.as_uri()}/")
        arguments = [program, "--input-type=module", "-"]
        done = subprocess.run(arguments, input=code, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    import onnxruntime

    if shutil.which("make") is None or shutil.which("g++") is None:
        missing("c", "no make or no g++")
    folder = Path(onnxruntime.__file__).parent / "capi"
    libraries = sorted(folder.glob("libonnxruntime.so.*"))
    if not libraries:
        missing("c", f"no libonnxruntime.so in {folder}")
    build = tmp_path_factory.mktemp("c")
    arguments = ["make", "-s", f"ORT_LIB={libraries[0]}", f"BUILD={build}", "CXXFLAGS=-O1 -Werror"]
    done = subprocess.run(
        arguments, cwd=RUNTIMES / "c", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [str(build / "restore")]


def python_program() -> list[str]:
    return [sys.executable, str(RUNTIMES / "python" / "restore.py")]


def openvino_program() -> list[str]:
    folder = tool_folder("python")
    if folder is None and importlib.util.find_spec("openvino") is None:
        missing("openvino", "the package openvino is not installed")
    program = sys.executable if folder is None else str(folder / "bin" / "python")
    return [program, str(RUNTIMES / "openvino" / "restore.py")]


def in_this_process(words: list[str]) -> subprocess.CompletedProcess:
    """A Python program as `python FILE …` runs it, without starting an interpreter each time."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv, path = sys.argv, list(sys.path)
    sys.argv, sys.path[:0] = words[1:], [str(Path(words[1]).parent)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(words[1], run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv, sys.path[:] = argv, path
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def node_program() -> list[str]:
    program = shutil.which("node")
    folder = tool_folder("node") or RUNTIMES / "node"
    if program is None or not (folder / "node_modules" / "onnxruntime-node").is_dir():
        missing("node", "node or its package onnxruntime-node is not installed")
    return [program, str(folder / "restore.mjs")]


@pytest.fixture(params=["python", "node", "c", "openvino"])
def consumer(request: pytest.FixtureRequest) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a consumer with arguments; `consumer.suffix` is of the pictures that it reads."""
    if request.param == "c":
        command = request.getfixturevalue("c_program")
    else:
        programs = {"python": python_program, "node": node_program, "openvino": openvino_program}
        command = programs[request.param]()

    def run(*arguments: object) -> subprocess.CompletedProcess:
        words = [*command, *map(str, arguments)]
        if words[0] == sys.executable:
            return in_this_process(words)
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)

    run.suffix = ".ppm" if request.param == "c" else ".png"  # type: ignore[attr-defined]
    return run


@pytest.fixture(scope="session")
def ffdnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released prior, by the exporter; or what `export/runtimes/check` exported already."""
    folder = tool_folder("models")
    if folder is not None:
        return folder / "ffdnet-gray.onnx"
    pytest.importorskip("onnx", reason="exporting needs the package onnx")
    from pnp_priors.export import export

    path = tmp_path_factory.mktemp("ffdnet") / "ffdnet-gray.onnx"
    export("ffdnet-gray", path)
    return path
