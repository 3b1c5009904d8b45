"""Exported pipelines restore as the torch engine does."""

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch

from pnp_priors import registry
from pnp_priors.errors import InputError
from pnp_priors.export.restorations import (
    export_pipeline,
    pipeline_passport,
    restoration_of,
    to_restoration,
)
from pnp_priors.export.tasks.deconvolution import blurred, kernel
from pnp_priors.export.writer import serialised
from pnp_priors.physics.jpeg_standard import CHROMINANCE, LUMINANCE, quality_table
from pnp_priors.pipelines import files, load
from pnp_priors.pipelines.build import build
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
    ("deconvolution", {"prior.name": "genericdp", "solver.iterations": 2}),
    ("super_resolution", {"prior.name": "trd-5x5-s25", "solver.iterations": 2}),
    ("jpeg_deblocking", {"prior.name": "genericdp", "solver.iterations": 2}),
]
#: whose size is tested: those with most text beside few weights
SIZED = [
    ("deconvolution", {}),
    *[case for case in CASES if case[1].get("prior.name") in ("genericdp", "trd-5x5-s25")],
    ("deconvolution", {"prior.name": "trd-5x5-s25", "solver.name": "admm"}),
    ("jpeg_deblocking", {"prior.name": "trd-5x5-s25"}),
    ("jpeg_deblocking", {"prior.name": "genericdp-color"}),
    ("denoising", {"prior.name": "genericdp"}),
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


@pytest.mark.parametrize("size", [(48, 32), (35, 27), (8, 41), (1, 1), (5, 2)])
def test_jpeg_files_of_any_size_even_of_noise(exported, size):
    """Blocks that the border cuts are as close as whole ones."""
    few = {"solver.iterations": 3}
    path = exported("jpeg_deblocking", few)
    restorer = load("jpeg_deblocking", {**few, "prior.name": "ffdnet-gray", "quality": 20})
    luma, chroma = (quality_table(table, 20) for table in (LUMINANCE, CHROMINANCE))
    x = np.random.default_rng(0).random((1, 3, *size), np.float32)
    given = {"x": x, "tables": np.stack([luma, chroma, chroma])}
    running, expected = session(path), restorer(x)
    assert [one.name for one in running.get_inputs()] == ["x", "tables"]
    assert [one.name for one in running.get_overridable_initializers()] == ["size"]
    for more in ({}, {"size": np.zeros(2, np.int64)}, {"size": np.array(size)}):
        assert np.abs(running.run(None, given | more)[0] - expected).max() <= 4e-6


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


@pytest.mark.parametrize(("name", "overrides"), SIZED)
def test_no_larger_than_the_weights_and_200_kb(name, overrides):
    pipeline = files.read(files.find(name), {"prior.name": "ffdnet-gray", **overrides})
    prior = build(pipeline).prior
    restoration = restoration_of(pipeline, prior)
    passport = pipeline_passport(pipeline, prior, restoration)
    size = len(serialised(to_restoration(restoration, prior, passport)))
    weights = sum(parameter.numel() for parameter in prior.parameters())
    assert size <= 1.1 * 4 * weights + 200_000


def test_exports_are_the_same_bytes(exported, tmp_path):
    path = exported("super_resolution", {"solver.iterations": 4})
    again = export_pipeline(
        "super_resolution",
        tmp_path / "again.onnx",
        {"prior.name": "ffdnet-gray", "solver.iterations": 4},
    )
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "overrides", "there", "not_there"),
    [
        ("deconvolution", {}, "levin, hqs-preset", "levin, r-denoise"),
        ("deconvolution", {"solver.name": "admm"}, None, "levin, hqs"),
        ("super_resolution", {}, "Set5, hqs", "BSD68"),
        ("super_resolution", {"prior.name": "dncnn-3"}, "Set5, direct", "LIVE1"),
        ("jpeg_deblocking", {"prior.name": "dncnn-3"}, "LIVE1", "Set5, direct"),
        ("denoising", {}, "BSD68", "Set5, hqs"),
    ],
)
def test_the_passport_has_what_the_card_has_of_this_task(name, overrides, there, not_there):
    pipeline = files.read(files.find(name), {"prior.name": "genericdp", **overrides})
    prior, card = build(pipeline).prior, registry.describe(pipeline.prior.name)
    passport = pipeline_passport(pipeline, prior, restoration_of(pipeline, prior))
    measured = {result.dataset: result.psnr for result in card.results}
    assert passport.psnr.items() <= measured.items()
    assert there in passport.psnr if there else not passport.psnr
    assert not_there in measured
    assert not_there not in passport.psnr
    assert passport.lipschitz_lower_bound == card.assessment.lipschitz.denoiser


def test_of_other_weights_nothing_measured_is_said(tmp_path):
    state = {
        key.removeprefix("network."): value
        for key, value in registry.load("ffdnet-gray").state_dict().items()
    }
    torch.save(state, tmp_path / "own.pth")
    pipeline = files.read(
        files.find("deconvolution"),
        {"prior.name": "ffdnet-gray", "prior.weights": str(tmp_path / "own.pth")},
    )
    prior = build(pipeline).prior
    passport = pipeline_passport(pipeline, prior, restoration_of(pipeline, prior))
    assert not passport.psnr
    assert not passport.training_data
    assert passport.lipschitz_lower_bound is None
    content = (tmp_path / "own.pth").read_bytes()
    assert passport.weights_sha256 == hashlib.sha256(content).hexdigest()


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
