"""``verify`` of a restoration: against torch in float64, rebuilt from the passport alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from pnp_priors.errors import PnpPriorsError
from pnp_priors.export import comparisons
from pnp_priors.export.inputs import scene
from pnp_priors.export.problems import of_restoration
from pnp_priors.export.restorations import TASKS
from pnp_priors.export.tasks import (
    deconvolution,
    denoising,
    jpeg_deblocking,
    super_resolution,
)
from pnp_priors.pipelines import load
from pnp_priors.runtime.reference import read_reference, write_reference
from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import against_reference, verify

#: one that is not a network, and quick
PRIOR = "foe-d-s15"
#: pipeline, its settings, choices of its export
FILES = [
    ("deconvolution", {"solver.iterations": 3}, {}),
    ("deconvolution", {"solver.iterations": 3, "boundary": "taper"}, {"iterations": "input"}),
    ("super_resolution", {"factor": 3, "solver.iterations": 3}, {}),
    ("super_resolution", {"kernel": True, "solver.iterations": 3}, {}),
    ("super_resolution", {"prior.name": "dncnn-3"}, {}),
    ("jpeg_deblocking", {"solver.iterations": 2}, {}),
    ("jpeg_deblocking", {"solver.iterations": 2}, {"channels": 1}),
    ("jpeg_deblocking", {"prior.name": "trd-jpeg-q10"}, {}),
    ("denoising", {"strength": 0.5}, {}),
    ("denoising", {"prior.name": "dncnn-color-b"}, {}),
]
MODULES = (deconvolution, denoising, jpeg_deblocking, super_resolution)
NAMES = [module.__name__.rpartition(".")[2] for module in MODULES]


@pytest.fixture(scope="module")
def kernel_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernel") / "kernel.npy"
    np.save(path, deconvolution.kernel())
    return str(path)


@pytest.mark.parametrize(("name", "settings", "choices"), FILES)
def test_verified_against_torch(exported, kernel_file, name, settings, choices):
    given = {"prior.name": PRIOR, **settings}
    if given.pop("kernel", False):
        given["kernel.file"] = kernel_file
    path = exported(name, given, **choices)
    verdict = verify(path, threads=1)
    assert verdict.against == "torch"
    assert verdict.passed, str(verdict)
    assert len(verdict.rows) == 4
    # Far within what is allowed: it is the same computation.
    assert verdict.largest.difference < 3e-6
    assert all(row.torch_seconds is not None for row in verdict.rows)
    assert sum(row.psnr_allowed is not None for row in verdict.rows) >= 1


def spoilt(source, target):
    """Without its restoration: it returns the photo, and its reference says that this is right."""
    model = onnx.load(source)
    del model.graph.node[:]  # initializers stay: an optional input has its value there
    model.graph.node.append(onnx.helper.make_node("Identity", ["x"], ["restored"]))
    onnx.save(model, target)
    stored = read_reference(source)
    cases = [case.__class__(case.inputs, case.inputs["x"]) for case in stored.cases]
    write_reference(target, cases, stored.tolerance)
    return target


@pytest.mark.parametrize("name", ["deconvolution", "jpeg_deblocking", "denoising"])
def test_what_its_own_reference_passes_torch_does_not(exported, tmp_path, name):
    few = {"prior.name": PRIOR} | ({} if name == "denoising" else {"solver.iterations": 1})
    path = spoilt(exported(name, few), tmp_path / "spoilt.onnx")
    assert against_reference(open_session(path, threads=1)).passed
    verdict = verify(path, threads=1)
    assert verdict.against == "torch"
    assert not verdict.passed


def test_the_command_prints_sizes_levels_and_times(exported, command):
    path = exported("denoising", {"prior.name": PRIOR})
    code, out, err = command("verify", path)
    assert (code, err) == (0, "")
    assert "2×1×17×23, noise 10/255" in out
    assert out.splitlines()[-1].startswith("largest difference to torch: ")


def test_exact_is_float64_throughout(exported):
    """Also the data steps: their physics has matrices and tables of its own."""
    for name in ("deconvolution", "super_resolution", "jpeg_deblocking"):
        session = open_session(exported(name, {"prior.name": PRIOR, "solver.iterations": 1}))
        problem = next(iter(of_restoration(session)))
        exact = problem.exact()
        assert exact.dtype == np.float64
        assert np.array_equal(exact, problem.exact())
        # One that float32 can hold was computed in it, or rounded to it.
        assert not np.array_equal(exact, exact.astype(np.float32))


@pytest.mark.parametrize("module", MODULES, ids=NAMES)
def test_priors_are_given_float64(module):
    name = module.__name__.rpartition(".")[2]
    few = {} if name == "denoising" else {"solver.iterations": 1}
    restorer, seen = load(name, {"prior.name": PRIOR, **few}), set()

    def watch(_, given, found):
        seen.update((given[0].dtype, found.dtype))

    restorer.prior.register_forward_hook(watch)
    module.example(restorer, (1, 3, 19, 23), module.LEVEL).in_float64()
    assert seen == {torch.float64}


def test_cases_are_examples(exported):
    """What is stored beside a file is what its task draws."""
    restorer = load("denoising", {"prior.name": PRIOR})
    (first, _) = denoising.cases(restorer)
    again = denoising.example(load("denoising", {"prior.name": PRIOR}), (1, 3, 40, 36))
    for name, value in first.inputs.items():
        assert np.array_equal(value, again.inputs[name])
    assert np.array_equal(first.restored, again.in_float64().astype(np.float32))


def test_every_task_with_a_graph_has_examples(exported):
    modules = {module.__name__ for module in MODULES}
    assert {where.partition(":")[0] for where in TASKS.values()} == modules
    for module in MODULES:
        sizes = [size for size, _ in module.VERIFIED]
        assert any(size[2] % 2 and size[3] % 2 for size in sizes)
        assert any(size[2] * size[3] < 100 for size in sizes)
        assert any(size[0] == 2 for size in sizes) or module is jpeg_deblocking
        assert len({level for _, level in module.VERIFIED}) > 1


@pytest.mark.parametrize("size", [(1, 1), (17, 23), (35, 27), (8, 41), (48, 32)])
def test_jpeg_meets_its_goal_of_any_size_and_of_noise(exported, size):
    session = open_session(exported("jpeg_deblocking", {"solver.iterations": 3}), threads=1)
    exact = comparisons.restorer_of(session)
    noise = np.random.default_rng(0).random((1, 3, *size))
    for clean in (scene((1, 3, *size)), noise):
        photo = torch.from_numpy(clean).float().clamp(0, 1)
        for quality in (5, 50, 90):
            example = jpeg_deblocking.compressed(exact, photo, quality)
            assert np.abs(session(example.inputs) - example.in_float64()).max() <= 4e-6
    assert jpeg_deblocking.TOLERANCE == 4e-6


def changed(source, target, **entries):
    """With other entries in its passport."""
    model = onnx.load(source)
    for entry in model.metadata_props:
        entry.value = entries.get(entry.key, entry.value)
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"weights_sha256": "0" * 64},
            rf"other\.onnx: exported from weights 0{{12}}…, {PRIOR} has",
        ),
        ({"prior": "no-such"}, "its prior 'no-such' is not installed"),
        ({"task": "demosaicing"}, "nothing to compare the task demosaicing with"),
        ({"settings": ""}, "no settings to restore by"),
        ({"settings": '{"solver": {"preset": "tuned"}}'}, "preset's file, .* --reference"),
        ({"settings": '{"unknown": 1}'}, "unknown"),
    ],
)
def test_what_cannot_be_rebuilt_is_one_line(exported, command, tmp_path, entries, message):
    path = changed(exported("denoising", {"prior.name": PRIOR}), tmp_path / "other.onnx", **entries)
    with pytest.raises(PnpPriorsError, match=message):
        verify(path)
    code, out, err = command("verify", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
