"""Pipeline files: found, changed by --set, checked, with errors that name file and key."""

import pytest
import yaml

from pnp_priors.errors import ConfigError, MissingFileError, UnknownNameError
from pnp_priors.pipelines import files

GOOD = {"task": "deconvolution", "kernel": {"file": "k.npy"}}


def written(tmp_path, content):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_shipped_pipelines_are_valid_and_their_files_exist():
    from pathlib import Path

    assert "deconvolution" in files.available()
    for name in files.available():
        pipeline = files.read(files.find(name))
        assert pipeline.example is not None
        assert Path(pipeline.example.input).is_file()
        assert Path(pipeline.example.truth).is_file()
    assert Path(files.read(files.find("deconvolution")).kernel.file).is_file()


def test_paths_are_relative_to_the_file_and_overrides_to_the_current_folder(tmp_path, monkeypatch):
    path = written(tmp_path, {**GOOD, "input": ["photos"], "prior": {"weights": "w.pth"}})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    pipeline = files.read(path)
    assert pipeline.kernel.file == str(tmp_path / "k.npy")
    assert pipeline.input == [str(tmp_path / "photos")]
    assert pipeline.prior.weights == str(tmp_path / "w.pth")
    changed = files.read(path, {"kernel.file": "other.npy"})
    assert changed.kernel.file == str(elsewhere / "other.npy")


def test_a_task_finds_its_pipeline_too():
    assert files.find("jpeg-deblocking") == files.find("jpeg_deblocking")


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown pipeline 'deconvolutoin': nearest: decon"):
        files.find("deconvolutoin")
    with pytest.raises(MissingFileError, match=r"no such file: .*none\.yaml"):
        files.find(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernle": 1}, "unknown key 'kernle'; nearest: kernel; allowed: task"),
        (
            {"solver": {"iteration": 3}},
            "'solver.iteration'; nearest: solver.iterations; allowed: name",
        ),
        ({"solver": {"iterations": "8"}}, "solver.iterations: .*integer.*'8'"),
        ({"solver": {"iterations": 0}}, "solver.iterations: .*greater"),
        ({"solver": {"name": "hqss"}}, "solver.name: .*'hqs', 'admm'"),
        ({"noise": {"sigma": 25}}, r"noise.sigma: 25 looks like 0..255 units.*write 25/255"),
        ({"noise": {"sigma": "25"}}, r"noise.sigma: 25 looks like 0..255 units"),
        ({"noise": {"sigma": 0}}, "noise.sigma: expected a noise level above 0"),
        ({"noise": {"sigma": -0.1}}, "noise.sigma: expected a noise level above 0"),
        ({"noise": {"sigma": float("nan")}}, "noise.sigma: expected a number .* or auto, got nan"),
        ({"noise": {"sigma": float("inf")}}, "noise.sigma: expected a number .* or auto, got inf"),
        (
            {"noise": {"sigma": 1000}},
            r"noise.sigma: expected a number .*, such as 2\.55/255, got 1",
        ),
        ({"strength": float("nan")}, "strength: .*nan"),
        ({"input": 3}, r"input: .* valid list \(got 3\)"),
        ({"noise": {"sigma": "loud"}}, "noise.sigma: expected a number .* or auto, got 'loud'"),
        ({"noise": {"sigma": True}}, "noise.sigma: expected a number"),
        ({"noise": {"sigma": "1/0"}}, "noise.sigma: expected a number"),
        ({"noise": 0.1}, r"noise: expected keys below it: sigma \(got 0\.1\)"),
        ({"kernel": {}}, "missing key 'kernel.file'"),
        ({"task": "debluring"}, "task: expected one of deconvolution, .*'debluring'"),
        ({"task": None}, "missing key 'task', one of deconvolution, .*"),
        ({"boundary": "none"}, "boundary: .*'extend', 'taper'"),
    ],
)
def test_wrong_content_is_one_line_with_file_and_key(tmp_path, change, message):
    path = written(tmp_path, {**GOOD, **change})
    with pytest.raises(ConfigError, match=message) as caught:
        files.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "level"), [(0.02, 0.02), ("2.55/255", 0.01), ("0.5", 0.5), ("auto", "auto"), (1, 1.0)]
)
def test_forms_of_the_noise_level(tmp_path, given, level):
    pipeline = files.read(written(tmp_path, {**GOOD, "noise": {"sigma": given}}))
    assert pipeline.noise.sigma == (level if level == "auto" else pytest.approx(level))


def test_settings_are_yaml():
    parsed = files.parse_settings(["solver.iterations=3", "prior.name=x", "input=[a, b]"])
    assert parsed == {"solver.iterations": 3, "prior.name": "x", "input": ["a", "b"]}


@pytest.mark.parametrize("setting", ["solver", "=3", "a..b=1", "a=[1"])
def test_bad_settings_are_named(setting):
    with pytest.raises(ConfigError, match="--set"):
        files.parse_settings([setting])


def test_a_setting_that_is_not_yaml_says_why():
    with pytest.raises(ConfigError, match=r"--set a=\[1: .* \(.* expected ',' or '\]'"):
        files.parse_settings(["a=[1"])


def test_overrides_change_and_are_named_in_errors(tmp_path):
    path = written(tmp_path, GOOD)
    assert files.read(path, {"solver.iterations": 3}).solver.iterations == 3
    for settings in ({"noise.sigma": 25}, {"solver.iterations": 3, "noise": {"sigma": 25}}):
        with pytest.raises(ConfigError, match=r"^--set noise\S*=.*25.*: noise.sigma: 25 looks"):
            files.read(path, settings)
    # What the file itself says is its own mistake, whatever else is set.
    wrong = written(tmp_path, {**GOOD, "boundary": "none"})
    with pytest.raises(ConfigError, match=r"p\.yaml: boundary: "):
        files.read(wrong, {"noise.sigma": 0.1})
    with pytest.raises(ConfigError, match="'task' is a value"):
        files.read(path, {"task.name": 1})


def test_keys_that_do_not_go_together_are_said_of_what_was_set():
    denoising, enlarging = files.find("denoising"), files.find("super-resolution")
    with pytest.raises(
        ConfigError, match=r"yaml with --set noise\.sigma=0: noise: sigma: expected"
    ):
        files.read(denoising, {"strength": 1, "noise.sigma": 0})
    with pytest.raises(ConfigError, match=r"yaml with --set factor=2\.5 .*: factor: .* got 2\.5"):
        files.read(enlarging, {"factor": 2.5, "kernel.file": "k.png"})
