"""Exported pipelines restore as the torch engine does."""

import json

import numpy as np
import onnx
import pytest
import torch

from pnp_priors.errors import InputError
from pnp_priors.export.restorations import export_pipeline
from pnp_priors.export.tasks.deconvolution import blurred, kernel
from pnp_priors.pipelines import load
from pnp_priors.pipelines.tasks.deconvolution import DeconvolutionRestorer
from pnp_priors.runtime.passport import read_passport
from pnp_priors.runtime.reference import read_reference

ort = pytest.importorskip("onnxruntime")
KERNEL = {"kernel.file": "pipelines/examples/deconvolution_kernel.png"}

#: pipeline, its settings
CASES = [
    ("deconvolution", {}),
    ("deconvolution", {"solver.name": "admm", "color": "per-channel"}),
    ("deconvolution", {"solver.name": "drs", "boundary": "circular", "strength": 0.7}),
    ("deconvolution", {"solver.name": "pgd", "solver.schedule": "genericdp"}),
    ("deconvolution", {"solver.name": "red", "boundary": "taper"}),
    ("deconvolution", {"prior.name": "ffdnet-color", "solver.iterations": 3}),
    ("super_resolution", {"solver.iterations": 4}),
    ("super_resolution", {"factor": 1.5, "color": "per-channel", "solver.iterations": 3}),
    ("super_resolution", {"factor": 3, "kernel": True, "solver.iterations": 4}),
    ("super_resolution", {"alignment": "first", "kernel": True, "solver.iterations": 4}),
    ("super_resolution", {"prior.name": "dncnn-3", "factor": 4}),
    ("jpeg_deblocking", {"solver.iterations": 3}),
    ("jpeg_deblocking", {"subsampling": "4:4:4", "solver.name": "admm", "solver.iterations": 2}),
    ("jpeg_deblocking", {"prior.name": "dncnn-3"}),
    ("denoising", {"strength": 0.5}),
]


@pytest.fixture(scope="module")
def kernel_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernel") / "kernel.npy"
    np.save(path, kernel())
    return str(path)


def session(path):
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def settings(overrides, kernel_file):
    """With a real file in place of ``kernel``."""
    found = dict(overrides)
    if found.pop("kernel", False):
        found["kernel.file"] = kernel_file
    return found


@pytest.mark.parametrize(("name", "overrides"), CASES)
def test_its_reference_is_met(exported, kernel_file, name, overrides):
    path = exported(name, settings(overrides, kernel_file))
    reference, running = read_reference(path), session(path)
    assert len(reference.cases) >= 2
    for case in reference.cases:
        (found,) = running.run(None, case.inputs)
        assert found.shape == case.restored.shape
        assert np.abs(found - case.restored).max() <= reference.tolerance


def test_whole_jpeg_blocks_are_closer_than_cut_ones(exported):
    path = exported("jpeg_deblocking", {"solver.iterations": 3})
    case, running = read_reference(path).cases[0], session(path)
    assert case.restored.shape[-2] % 16 == case.restored.shape[-1] % 16 == 0
    assert np.abs(running.run(None, case.inputs)[0] - case.restored).max() <= 4e-6


def test_gray_jpeg_photos_have_a_graph_of_their_own(exported):
    path = exported("jpeg_deblocking", {"solver.iterations": 3}, channels=1)
    reference, running = read_reference(path), session(path)
    for case in reference.cases:
        assert case.inputs["table"].shape == (8, 8)
        found = running.run(None, case.inputs)[0]
        assert np.abs(found - case.restored).max() <= reference.tolerance


def test_iterations_and_noise_are_inputs(exported):
    path = exported("deconvolution", {}, iterations="input")
    running, blur = session(path), kernel()
    x = blurred((1, 1, 29, 26), blur)
    for iterations, noise in ((1, 0.01), (3, 0.05)):
        restorer = load("deconvolution", {"prior.name": "ffdnet-gray"})
        pipeline = restorer.pipeline.model_copy(
            update={
                "solver": restorer.pipeline.solver.model_copy(update={"iterations": iterations})
            }
        )
        own = DeconvolutionRestorer(pipeline, restorer.prior, blur)
        expected = own(torch.from_numpy(x), noise=noise).numpy()
        given = {
            "x": x,
            "kernel": 7 * blur,  # of any scale
            "noise": np.array([noise], np.float32),
            "iterations": np.array(iterations),
        }
        assert np.abs(running.run(None, given)[0] - expected).max() < 3e-5


def test_the_file_states_what_it_is(exported):
    path = exported("deconvolution")
    passport = read_passport(path)
    assert (passport.kind, passport.task, passport.prior) == (
        "restoration",
        "deconvolution",
        "ffdnet-gray",
    )
    assert passport.settings is not None
    assert passport.settings["boundary"] == "extend"
    assert "/" not in json.dumps(passport.settings).replace("</", "")  # no path
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["x", "kernel", "noise"]
    assert [d.dim_param for d in model.graph.output[0].type.tensor_type.shape.dim] == [
        "batch",
        "channels",
        "height",
        "width",
    ]


def test_weights_are_there_once(exported):
    path = exported("deconvolution")
    weights = sum(
        p.numel() for p in load("deconvolution", {"prior.name": "ffdnet-gray"}).prior.parameters()
    )
    assert path.stat().st_size <= 1.1 * 4 * weights + 200_000


def test_exports_are_the_same_bytes(exported, tmp_path):
    path = exported("super_resolution", {"solver.iterations": 4})
    again = export_pipeline(
        "super_resolution",
        tmp_path / "again.onnx",
        {"prior.name": "ffdnet-gray", "solver.iterations": 4},
    )
    assert again.read_bytes() == path.read_bytes()


def test_what_is_refused(tmp_path):
    out = tmp_path / "x.onnx"
    with pytest.raises(InputError, match="cannot be exported; those that can: deconvolution"):
        export_pipeline("demosaicing", out)
    with pytest.raises(InputError, match=r"ends in \.onnx"):
        export_pipeline("deconvolution", tmp_path / "x.bin")
    with pytest.raises(InputError, match="'fixed' or 'input'"):
        export_pipeline("deconvolution", out, {"prior.name": "ffdnet-gray"}, iterations="9")
    with pytest.raises(InputError, match="no iterations"):
        export_pipeline("super_resolution", out, {"prior.name": "dncnn-3"}, iterations="input")
    with pytest.raises(InputError, match="jpeg-deblocking alone"):
        export_pipeline("deconvolution", out, {"prior.name": "ffdnet-gray"}, channels=1)
    with pytest.raises(InputError, match="one noise level"):
        export_pipeline(
            "denoising",
            out,
            {"noise.model": "poisson-gaussian", "noise.gain": 0.01, "noise.sigma": 0},
        )
    assert not out.exists()
