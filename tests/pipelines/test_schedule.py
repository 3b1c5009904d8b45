"""Presets of one's own in pipelines: used, and refused where they are for something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pnp_priors import images, pipelines, registry
from pnp_priors.errors import ConfigError
from pnp_priors.pipelines import build, files, schedule
from pnp_priors.pipelines.schema import json_schema
from pnp_priors.solvers.presets import at
from pnp_priors.tuning.schema import PRESETS, read

KNOTS = {
    "deconvolution": {"start": 0.3, "end": 2.0, "weight": 0.7},
    "jpeg-deblocking": {"first": 3.0, "last": 0.7, "width": 0.4},
    "super-resolution": {"start": 0.3, "end": 0.9, "weight": 0.7},
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """``written("p.yaml", task, prior="genericdp")``: a preset's file, in the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, task: str = "deconvolution", **changes: Any) -> Path:
        knot = {"level": 2.55, "noise": 0.01, "psnr": 30.0, "default_psnr": 29.0, **KNOTS[task]}
        origin = {"data": "d", "images": ["a.png"], "side": 96, "seed": 0, "evaluations": 3}
        origin |= {"finished": True, "weights": "0" * 64, "date": "2026-11-21"}
        content = {"task": task, "prior": "genericdp", "solver": "hqs", "iterations": 2}
        content |= {"knots": [knot], "tuned": {**origin, "version": "0.1.0", "command": "tune"}}
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content | changes))
        return path

    return write


def loaded(task, **settings):
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    return pipelines.load(task, {"prior.name": "genericdp", **overrides})


@pytest.mark.parametrize("task", PRESETS)
def test_its_schedule_is_used_and_said(smoother, written, task):
    own = read(written("p.yaml", task))
    restorer = loaded(task, solver__preset="p.yaml")
    assert restorer.iterations == 2
    assert schedule.words(restorer.pipeline) == "schedule of p.yaml"
    if task == "super-resolution":
        found = schedule.enlarging(restorer.pipeline, 0.0, 2.0)
        assert found == at(own, 2 / 255).schedule
    else:
        assert schedule.chosen(restorer.pipeline, 0.02) == at(own, 0.02)
    assert loaded(task, solver__preset="p.yaml", solver__iterations=5).iterations == 5


def test_photos_are_restored_with_it(smoother, written, photo):
    written("p.yaml")
    part = images.Image(photo[:1])
    settings = {"boundary": "circular", "noise__sigma": 0.02}
    restorer = loaded("deconvolution", solver__preset="p.yaml", **settings)
    kernel = np.zeros((3, 3), np.float32)
    kernel[1] = 1 / 3
    restorer.kernel = torch.from_numpy(kernel)
    found, used = restorer.restore_image(part)
    assert used.words.endswith("; schedule of p.yaml")
    # Read once: what becomes of the file changes nothing, and another pipeline is not concerned.
    written("p.yaml", knots=[{**yaml.safe_load(Path("p.yaml").read_text())["knots"][0], "end": 9}])
    np.testing.assert_array_equal(restorer.restore_image(part)[0].pixels, found.pixels)
    other = loaded("deconvolution", solver__preset="p.yaml", **settings)
    other.kernel = restorer.kernel
    assert np.abs(other.restore_image(part)[0].pixels - found.pixels).max() > 1e-3


def test_a_path_in_a_file_is_relative_to_it(smoother, written, tmp_path, monkeypatch):
    written("there/p.yaml", "jpeg-deblocking")
    content = {"task": "jpeg-deblocking", "solver": {"preset": "p.yaml"}}
    (tmp_path / "there" / "pipeline.yaml").write_text(yaml.safe_dump(content))
    restorer = pipelines.load(tmp_path / "there" / "pipeline.yaml")
    assert restorer.pipeline.solver.preset == str(tmp_path / "there" / "p.yaml")
    assert restorer.iterations == 2


@pytest.mark.parametrize(
    ("task", "preset", "settings", "message"),
    [
        ("deconvolution", {"prior": "ffdnet-gray"}, {}, "tuned for the prior ffdnet-gray; prior"),
        ("deconvolution", {"solver": "drs"}, {}, "tuned for the solver drs; solver.name is hqs"),
        ("deconvolution", {}, {"solver.name": "pgd"}, "the solver hqs; solver.name is pgd"),
        ("deconvolution", {"task": "jpeg-deblocking"}, {}, "is for jpeg-deblocking, the pipeline"),
        ("jpeg-deblocking", {"task": "super-resolution"}, {}, "is for super-resolution, the pipel"),
        ("super-resolution", {}, {"kernel.file": "k.npy"}, "reduced bicubically, and kernel.file"),
    ],
)
def test_one_for_something_else_is_refused(written, command, task, preset, settings, message):
    path = written("p.yaml", **{"task": task, **preset})
    words = {"prior.name": "genericdp", "solver.preset": "p.yaml", **settings}
    sets = [word for key, value in words.items() for word in ("--set", f"{key}={value}")]
    for engine in ("torch", "onnxruntime"):
        code, out, err = command("run", task, *sets, "--engine", engine, "-o", "out")
        assert (code, out) == (2, "")
        assert err.startswith(f"error: solver.preset: {path.resolve()}: it ")
        assert message in err
        assert err.count("\n") == 1
    assert [p.name for p in Path().iterdir()] == ["p.yaml"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("solver.preset=none.yaml", "solver.preset: no such file: {here}/none.yaml"),
        ("solver.preset=.", "solver.preset: {here}: a folder, not the file of a preset"),
        ("solver.preset=list.yaml", "solver.preset: {here}/list.yaml: not a preset, it has no key"),
        ("solver.preset=bad.yaml", "solver.preset: {here}/bad.yaml: solver: Input should be 'hqs'"),
        ("solver.schedule=p.yaml", "solver.schedule: the key of a preset's file is solver.preset"),
    ],
)
def test_what_is_no_preset_is_one_line(written, command, tmp_path, setting, message):
    Path("list.yaml").write_text("[1, 2]")
    written("bad.yaml", solver="pgd")
    code, out, err = command("run", "deconvolution", "--set", setting, "-o", "out")
    assert (code, out) == (2, "")
    assert message.format(here=tmp_path) in err
    assert err.count("\n") == 1


def test_a_file_and_another_schedule_do_not_go_together(written):
    settings = {"solver.preset": str(written("p.yaml")), "solver.schedule": "dpir"}
    with pytest.raises(ConfigError, match=r"p\.yaml is not used with schedule: dpir; leave out"):
        files.read(files.find("deconvolution"), settings)


def test_the_same_weights_under_another_name_and_own_weights_fit(written, smoother):
    same = registry.fingerprint(registry.describe("genericdp"))
    origin = yaml.safe_load(written("p.yaml").read_text())["tuned"]
    written("p.yaml", prior="mine", tuned={**origin, "weights": same})
    assert loaded("deconvolution", solver__preset="p.yaml").iterations == 2
    written("other.yaml", prior="mine")
    settings = {"prior.weights": "w.pth", "solver.preset": "other.yaml"}
    pipeline = files.read(files.find("deconvolution"), settings)
    restorer = build.build(pipeline)
    assert schedule.words(restorer.pipeline) == "schedule of other.yaml"
    assert schedule.preset_of(pipeline) == read(Path("other.yaml"))


def test_settings_have_what_is_in_it_and_not_where_it_is(written):
    def said(path: Path) -> dict[str, Any]:
        settings = {"solver.preset": str(path)}
        return schedule.settings(files.read(files.find("deconvolution"), settings))["solver"]

    first = said(written("p.yaml"))
    assert len(first["preset"]) == 12
    knot = yaml.safe_load(Path("p.yaml").read_text())["knots"][0]
    assert said(written("elsewhere/q.yaml", knots=[knot | {"psnr": 31.0}])) == first
    for change in ({"knots": [knot | {"end": 2.5}]}, {"iterations": 3}, {"solver": "drs"}):
        assert said(written("q.yaml", **change)) != first
    plain = files.read(files.find("deconvolution"))
    assert schedule.settings(plain) == plain.model_dump(mode="json")


def test_editors_know_the_key():
    for task in PRESETS:
        schema = json.dumps(json_schema(task))
        assert "file that `pnp-priors tune` wrote" in schema
