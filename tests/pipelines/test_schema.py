"""The schemas of all tasks: one table, common keys, and errors that name what is allowed."""

import json
import subprocess
import sys

import pytest
import yaml

from pnp_priors.errors import ConfigError, UnknownNameError
from pnp_priors.pipelines import files
from pnp_priors.pipelines.build import MODULES
from pnp_priors.pipelines.schema import PATHS, TASKS, json_schema
from pnp_priors.pipelines.schemas.jpeg_deblocking import JpegDeblocking
from pnp_priors.pipelines.settings import Pipeline


def read(tmp_path, content):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content))
    return files.read(path)


def test_a_task_has_a_schema_and_a_module():
    assert set(TASKS) == set(MODULES)
    for task, kind in TASKS.items():
        assert kind.model_json_schema()["properties"]["task"]["const"] == task


@pytest.mark.parametrize("name", files.available())
def test_every_task_has_the_common_keys(tmp_path, name):
    content = yaml.safe_load(files.find(name).read_text())
    common = {"strength": 0.25, "tiles": 256, "input": ["in"], "output": "out", "report": True}
    pipeline = read(tmp_path, {**content, **common})
    assert type(pipeline) is TASKS[content["task"]]
    assert (pipeline.strength, pipeline.tiles, pipeline.report) == (0.25, 256, True)
    assert pipeline.output == str(tmp_path / "out")
    assert set(Pipeline.paths) <= set(PATHS)


def test_a_pipeline_is_shipped_for_every_task():
    assert {files.read(files.find(name)).task for name in files.available()} == set(TASKS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": 1.1}, "strength: .*less than or equal to 1"),
        ({"strength": -0.1}, "strength: .*greater than or equal to 0"),
        ({"tiles": 8}, "tiles: tiles have at least 16 pixels a side, got 8"),
        ({"tiles": "some"}, "tiles: expected auto, none or a side in pixels, got 'some'"),
        ({"tiles": True}, "tiles: expected auto, none or a side in pixels"),
        ({"example": {"blurred": "a.png"}}, "'example"),
        ({"kernel": {"file": "k.npy"}}, "unknown key 'kernel'; allowed: task, prior"),
        ({"noise": {"gain": 0.1}}, "noise: gain is of model poisson-gaussian"),
        ({"noise": {"sigma": 0}}, "noise: sigma: expected a noise level above 0"),
        ({"noise": {"sigma": 25}}, "noise.sigma: 25 looks like 0..255 units.*write 25/255"),
        ({"noise": {"sigma": 0.1, "map": "m.npy"}}, "noise: either sigma or map"),
        ({"noise": {"model": "poisson-gaussian"}}, "noise: model poisson-gaussian needs gain"),
        (
            {"noise": {"model": "poisson-gaussian", "gain": "1/100"}},
            "noise: model poisson-gaussian needs sigma as a number, 0 for photons alone",
        ),
        (
            {"noise": {"model": "poisson-gaussian", "gain": 0, "sigma": 0}},
            "noise.gain: expected a gain above 0",
        ),
        (
            {"noise": {"model": "poisson-gaussian", "gain": 0.1, "sigma": 0, "map": "m.npy"}},
            "noise: a map is of model gaussian",
        ),
        ({"noise": {"model": "poisson"}}, "noise.model: .*'gaussian' or 'poisson-gaussian'"),
    ],
)
def test_wrong_values_are_one_line(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, {"task": "denoising", **change})
    assert "\n" not in str(caught.value)


def test_a_single_input_is_a_list_of_one(tmp_path):
    found = read(tmp_path, {"task": "denoising", "input": "photos"})
    assert found.input == [str(tmp_path / "photos")]
    types = json_schema("denoising")["properties"]["input"]["anyOf"]
    assert [kind["type"] for kind in types] == ["string", "array"]


def test_photons_alone_and_fractions(tmp_path):
    noise = {"model": "poisson-gaussian", "gain": "1/100", "sigma": 0}
    found = read(tmp_path, {"task": "denoising", "noise": noise}).noise
    assert (found.gain, found.sigma) == (0.01, 0.0)


def test_the_task_decides_which_keys_there_are():
    whole = json_schema()
    assert set(whole["discriminator"]["mapping"]) == set(TASKS)
    assert "kernel" in json_schema("deconvolution")["properties"]
    assert "kernel" not in json_schema("denoising")["properties"]
    json.dumps(whole)
    with pytest.raises(UnknownNameError, match=r"known: deconvolution, .*denoising, "):
        json_schema("deblurring")


@pytest.mark.parametrize("task", TASKS)
def test_every_key_is_described(task):
    """An editor shows nothing else."""
    whole = json_schema(task)
    for where in (whole, *whole["$defs"].values()):
        assert where["description"], where["title"]
        for key, value in where["properties"].items():
            assert value.get("description"), f"{where['title']}.{key}"


def test_editors_offer_the_released_priors_and_allow_fractions():
    import re

    from pnp_priors import registry

    schema = json_schema("deconvolution")
    assert schema["$defs"]["PriorChoice"]["properties"]["name"]["examples"] == registry.available()
    for task, model, key in (
        ("deconvolution", "Noise", "sigma"),
        ("denoising", "Noise", "sigma"),
        ("denoising", "Noise", "gain"),
        ("inpainting", "StatedNoise", "sigma"),
        ("super-resolution", "PerhapsNoise", "sigma"),
    ):
        kinds = json_schema(task)["$defs"][model]["properties"][key]["anyOf"]
        (pattern,) = [kind["pattern"] for kind in kinds if "pattern" in kind]
        assert re.search(pattern, "2.55/255")
        assert re.search(pattern, "1e-2")
        assert not re.search(pattern, "loud")


def test_subsamplings_are_those_of_the_physics():
    from pnp_priors.physics.jpeg_standard import SUBSAMPLINGS

    allowed = JpegDeblocking.model_json_schema()["properties"]["subsampling"]["enum"]
    assert list(SUBSAMPLINGS) == allowed


def test_checking_needs_no_torch():
    code = (
        "import sys; from pnp_priors.pipelines import files, schema; "
        "[files.read(files.find(name)) for name in files.available()]; schema.json_schema(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
