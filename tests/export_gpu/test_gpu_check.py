"""export/gpu_check.py on the processor: the table, its faults, and what it says without a card."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="needs the package onnx to export")

from pnp_priors.export import export, export_pipeline
from pnp_priors.runtime.reference import Case, read_reference, write_reference

SCRIPT = Path(__file__).parents[2] / "export" / "gpu_check.py"
#: the smallest and quickest of the released ones
PRIOR = "foe-d-s15"
RESTORATIONS = ("deconvolution", "denoising", "jpeg_deblocking", "super_resolution")

without_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")


@pytest.fixture(scope="module")
def gpu_check():
    spec = importlib.util.spec_from_file_location("_gpu_check", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A prior and one whole restoration of each kind."""
    folder = tmp_path_factory.mktemp("exports")
    export(PRIOR, folder / "prior.onnx")
    for name in RESTORATIONS:
        few = {} if name == "denoising" else {"solver.iterations": 1}
        export_pipeline(name, folder / f"{name}.onnx", {"prior.name": PRIOR, **few})
    return folder


def run(gpu_check, *words):
    return gpu_check.main([*map(str, words), "--side", "24", "--repeats", "1"])


def test_table_of_all_kinds(gpu_check, folder, tmp_path, capsys):
    out = tmp_path / "table.md"
    assert run(gpu_check, folder, "--provider", "cpu", "--out", out) == 0
    text = out.read_text(encoding="utf-8")
    assert "CPUExecutionProvider" in text
    assert "5 files, 0 with a fault" in text
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if ".onnx" in line]
    assert [row[0] for row in rows] == sorted(f"{name}.onnx" for name in (*RESTORATIONS, "prior"))
    printed = capsys.readouterr().out.splitlines()
    assert printed == [" | ".join(row) for row in rows]
    for row in rows:
        assert row[1].endswith("×24×24")
        found, allowed = row[2].rstrip(")").split(" (")
        assert float(found) <= float(allowed)
        found, allowed = row[3].rstrip(")").split(" (")  # to torch in float64
        assert float(found) <= float(allowed)
        assert abs(float(row[4])) < 0.001
        others, kernels = map(int, row[8].split(" of "))
        assert others == 0
        assert kernels > 5  # the profile was read


def test_a_wrong_result_is_a_fault(gpu_check, folder, tmp_path, capsys):
    copied(folder, tmp_path)
    model = tmp_path / "prior.onnx"
    stored = read_reference(model)
    cases = [Case(case.inputs, case.restored + np.float32(1e-3)) for case in stored.cases]
    write_reference(model, cases, stored.tolerance)
    assert run(gpu_check, tmp_path, "--provider", "cpu") == 1
    assert "1.0e-03 from its reference" in capsys.readouterr().out


def row(gpu_check, **changes):
    figures = {"to_reference": 1e-7, "allowed": 2e-6, "to_torch": 1e-7, "torch_allowed": 2e-6}
    gain = {"psnr": 0.0, "psnr_stated": 0.0, "psnr_allowed": 0.001}
    times = {"torch_seconds": 0.002, "onnx_seconds": 0.001, "kernels": 40, "elsewhere": {}}
    return gpu_check.Row("a.onnx", "1×1×8×8", **{**figures, **gain, **times, **changes})


def test_faults(gpu_check):
    assert row(gpu_check).faults == []
    assert row(gpu_check, elsewhere={"Shape": 3, "Concat": 1}).faults == []
    assert row(gpu_check, elsewhere={"Shape": 3, "Conv": 1}).faults == ["ran elsewhere: Conv"]
    assert len(row(gpu_check, to_reference=math.nan).faults) == 1
    cells = row(gpu_check, elsewhere={"Shape": 3, "Concat": 1}).cells()
    assert cells[5:9] == ["2.00", "1.00", "0.50", "4 of 40"]
    assert len(cells) == len(gpu_check.COLUMNS)


def test_differences_to_torch_and_of_psnr_are_faults(gpu_check):
    assert row(gpu_check, to_torch=3e-6).faults == ["3.0e-06 from torch, 2e-06 allowed"]
    assert len(row(gpu_check, to_torch=math.nan).faults) == 1
    for psnr in (0.002, -0.002, math.nan):
        assert len(row(gpu_check, psnr=psnr).faults) == 1
    assert row(gpu_check, psnr=0.002, psnr_allowed=0.01).faults == []
    assert row(gpu_check, psnr=0.002, psnr_allowed=None).faults == []
    # Of int8, what its passport states.
    assert row(gpu_check, psnr=-0.6, psnr_stated=-0.3, psnr_allowed=0.5).faults == []
    (fault,) = row(gpu_check, psnr=0.3, psnr_stated=-0.3, psnr_allowed=0.5).faults
    assert fault == "PSNR 0.6000 dB from what it should be, 0.5 allowed"


def copied(folder, target, names=("prior",)):
    for name in names:
        for file in folder.glob(f"{name}.*"):
            (target / file.name).write_bytes(file.read_bytes())


def test_an_unfit_file_is_a_fault_and_the_rest_goes_on(gpu_check, folder, tmp_path, capsys):
    given, out = tmp_path / "given", tmp_path / "table.md"
    given.mkdir()
    copied(folder, given)
    (given / "a.onnx").write_text("no | model")
    assert run(gpu_check, given, "--provider", "cpu", "--out", out) == 1
    text = out.read_text(encoding="utf-8")
    assert "2 files, 1 with a fault" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| a.onnx |")
    assert lines[3].endswith("| ok |")
    assert "a.onnx: " in capsys.readouterr().out


def test_an_exception_of_the_runtime_is_a_fault(gpu_check, folder, tmp_path, monkeypatch):
    given, out = tmp_path / "given", tmp_path / "table.md"
    given.mkdir()
    copied(folder, given, ("prior", "super_resolution"))
    proper = gpu_check.comparison

    def fail(session, *choices):
        if session.passport.kind == "prior":
            raise RuntimeError("CUDA error:\nout of memory")
        return proper(session, *choices)

    monkeypatch.setattr(gpu_check, "comparison", fail)
    assert run(gpu_check, given, "--provider", "cpu", "--out", out) == 1
    text = out.read_text(encoding="utf-8")
    assert "CUDA error: out of memory" in text
    assert "2 files, 1 with a fault" in text


def test_what_could_not_be_exported_is_a_fault(gpu_check, folder, tmp_path, monkeypatch):
    def export_all(targets, target):
        copied(folder, target)
        return ["b.onnx: an operator is missing"]

    monkeypatch.setattr(gpu_check, "export_all", export_all)
    out = tmp_path / "table.md"
    assert run(gpu_check, "--provider", "cpu", "--out", out) == 1
    text = out.read_text(encoding="utf-8")
    assert "not exported: an operator is missing" in text
    assert "2 files, 1 with a fault" in text


def test_a_prior_whose_noise_is_not_removed_is_a_fault(gpu_check, folder, tmp_path, capsys):
    """By torch and by PSNR, although its reference says that it is as it should be."""
    import onnx

    copied(folder, tmp_path)
    model, path = onnx.load(tmp_path / "prior.onnx"), tmp_path / "prior.onnx"
    stored = read_reference(path)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.append(onnx.helper.make_node("Identity", ["x"], ["restored"]))
    onnx.save(model, path)
    cases = [Case(case.inputs, case.inputs["x"]) for case in stored.cases]
    write_reference(path, cases, stored.tolerance)
    words = (tmp_path, "--provider", "cpu", "--side", "40", "--repeats", "1")
    assert gpu_check.main([*map(str, words)]) == 1
    said = capsys.readouterr().out
    assert "from torch, 2e-06 allowed" in said
    assert "from what it should be, 0.001 allowed" in said
    assert "from its reference" not in said


def test_kernels_are_counted_by_where_they_ran(gpu_check, folder, tmp_path):
    from pnp_priors.runtime.session import open_session

    session = open_session(folder / "prior.onnx", "cpu", 1)
    inputs = read_reference(session.path).cases[0].inputs
    bound = gpu_check.Bound(session, inputs, 1, str(tmp_path))
    restored, ran = bound.first()
    assert {by for by, _ in ran} == {"CPUExecutionProvider"}
    assert any("Conv" in operator for _, operator in ran)
    assert np.abs(restored - session(inputs)).max() <= 1e-6
    bound.again()


@without_card
def test_another_provider_is_not_taken_silently(gpu_check, folder, tmp_path):
    from pnp_priors.runtime.session import open_session

    session = open_session(folder / "prior.onnx", "cpu", 1)
    inputs = read_reference(session.path).cases[0].inputs
    session.provider = "cuda"
    with pytest.raises(gpu_check.InputError):
        gpu_check.Bound(session, inputs, 1, str(tmp_path))


@without_card
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_no_card(gpu_check, folder, tmp_path, capsys, provider):
    out = tmp_path / "table.md"
    assert run(gpu_check, folder, "--provider", provider, "--out", out) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "no graphics card" in lines[0]
    assert not out.exists()


def test_nothing_to_check(gpu_check, tmp_path, capsys):
    assert run(gpu_check, tmp_path, "--provider", "cpu") == 2
    assert "holds no .onnx file" in capsys.readouterr().err
