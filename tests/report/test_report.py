"""Reports of restored files: their numbers, their warnings, and where references are found."""

import json
import math

import deepinv
import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy.signal import fftconvolve

from pnp_priors import images
from pnp_priors.errors import MissingFileError
from pnp_priors.pipelines.inputs import Job
from pnp_priors.pipelines.outcome import Prediction, Used
from pnp_priors.pipelines.restorer import Restorer
from pnp_priors.pipelines.run import Done
from pnp_priors.pipelines.schemas.deconvolution import Deconvolution
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.report import checks, files
from pnp_priors.report.review import Review

SIGMA = 0.02


class Identity(deepinv.models.Denoiser):
    def forward(self, x, sigma, **_):
        return x


class Known(Restorer):
    """A denoising task whose results are given, so that every number has a known value."""

    def predict(self, x, window):
        return Prediction(x[:, window[0], window[1]])


@pytest.fixture
def restorer():
    return Known(Pipeline(task="denoising"), Identity())


@pytest.fixture
def scene():
    y, x = np.mgrid[:60, :64] / 64
    return np.stack([0.3 + 0.4 * x, 0.7 - 0.4 * y, 0.5 + 0.1 * np.sin(6 * x)]).astype(np.float32)


@pytest.fixture
def done(tmp_path, scene):
    noise = SIGMA * np.random.default_rng(0).normal(size=scene.shape).astype(np.float32)
    before = images.Image(scene + noise, "float32")
    after = images.Image(scene + 0.1 * noise, "float32")
    job = Job(tmp_path / "in" / "deep" / "a.tif", tmp_path / "out" / "a.tif")
    used = Used(SIGMA, "noise level 5.10/255, as given", ("a note",))
    return Done(job, used=(used,), seconds=2.5, before=(before,), after=(after,))


def read(path):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_numbers_of_a_report(restorer, done, scene, tmp_path, capsys):
    images.write(tmp_path / "originals" / "a.tif", images.Image(scene, "float32"))
    Review(restorer, True, tmp_path / "originals").add(done)
    assert capsys.readouterr().err == ""
    found = read(tmp_path / "out" / "a.tif.report.json")
    assert found["noise"]["sigma"] == SIGMA
    assert found["noise"]["estimate"]["sigma"] == pytest.approx(SIGMA, rel=0.15)
    assert found["residual"]["ratio"] == pytest.approx(0.9, abs=0.02)
    assert found["residual"]["std"] == pytest.approx(0.9 * SIGMA, rel=0.03)
    assert found["seconds"] == 2.5
    for name, image in (("input", done.before[0]), ("restored", done.after[0])):
        expected = -10 * math.log10(((image.pixels - scene).astype(np.float64) ** 2).mean())
        assert found["scores"]["psnr"][name] == pytest.approx(expected, abs=1e-3)
    assert 0 < found["scores"]["ssim"]["input"] < found["scores"]["ssim"]["restored"] <= 1
    assert found["notes"] == ["a note"]
    assert found["warnings"] == []
    assert found["pipeline"]["prior"]["name"] == "genericdp"
    with Pillow.open(tmp_path / "out" / found["picture"]) as picture:
        assert picture.width > 3 * 60


def test_no_report_unless_asked_for(restorer, done, tmp_path):
    Review(restorer, False).add(done)
    assert not (tmp_path / "out").exists()


def test_warnings_are_said_and_written(restorer, done, tmp_path, capsys):
    half = Used(SIGMA / 255, "noise level 0.02/255, as given")
    wrong = Done(done.job, used=(half,), before=done.before, after=done.after)
    Review(restorer, True).add(wrong)
    said = capsys.readouterr().err.splitlines()
    found = read(tmp_path / "out" / "a.tif.report.json")
    assert [f"warning: {done.job.source}: {line}" for line in found["warnings"]] == said
    assert any("too low" in line for line in said)
    assert found["scores"] is None


@pytest.mark.parametrize("broken", ["missing", "size", "text"])
def test_a_reference_that_cannot_be_used_is_said(restorer, done, tmp_path, capsys, broken):
    folder = tmp_path / "originals"
    folder.mkdir()
    if broken == "size":
        images.write(folder / "a.tif", images.Image(np.zeros((3, 9, 9), np.float32), "float32"))
    elif broken == "text":
        (folder / "a.tif").write_text("no image")
    Review(restorer, True, folder).add(done)
    assert "not measured" in capsys.readouterr().err
    found = read(tmp_path / "out" / "a.tif.report.json")
    assert found["scores"] is None
    assert "not measured" in found["warnings"][0]


def test_pages_have_a_report_each(restorer, done, tmp_path):
    two = Done(
        done.job, used=done.used * 2, seconds=3, before=done.before * 2, after=done.after * 2
    )
    Review(restorer, True).add(two)
    second = read(tmp_path / "out" / "a.tif.page2.report.json")
    assert (second["page"], second["seconds"]) == (2, 1.5)
    assert (tmp_path / "out" / second["picture"]).is_file()


def test_equal_to_the_reference_is_null_not_infinity(restorer, done, scene, tmp_path):
    images.write(tmp_path / "a.tif", images.Image(scene, "float32"))
    exact = images.Image(scene, "float32")
    Review(restorer, True, tmp_path / "a.tif").add(
        Done(done.job, used=done.used, before=done.before, after=(exact,))
    )
    assert read(tmp_path / "out" / "a.tif.report.json")["scores"]["psnr"]["restored"] is None


@pytest.mark.parametrize(
    ("one_pass", "iterations", "words"),
    [
        (False, 1, "deconvolution, prior genericdp, hqs, 1 iteration; "),
        (False, 2, "deconvolution, prior genericdp, hqs, 2 iterations; "),
        (True, 1, "deconvolution, prior genericdp; "),
    ],
)
def test_the_picture_says_what_was_done(done, scene, monkeypatch, one_pass, iterations, words):
    solved = Deconvolution(
        task="deconvolution", kernel={"file": "k.npy"}, solver={"iterations": iterations}
    )
    restorer = Known(solved, Identity())
    monkeypatch.setattr(Known, "one_pass", one_pass)
    drawn = []

    def draw(panels, where, captions):
        drawn.append((panels, captions))
        return Pillow.new("RGB", (8, 8))

    monkeypatch.setattr("pnp_priors.report.picture.draw", draw)
    images.write(done.job.source, images.Image(scene, "float32"))
    exact = images.Image(scene, "float32")
    again = Done(done.job, used=done.used, before=(exact,), after=(exact,))
    Review(restorer, True, done.job.source).add(again)
    ((panels, captions),) = drawn
    assert captions[0].startswith(words)
    assert [text for text, _ in panels[:2]] == [
        ["input", "PSNR identical, SSIM 1.0000"],
        ["restored", "PSNR identical, SSIM 1.0000"],
    ]


def test_the_nearest_reference_is_found(tmp_path):
    from pathlib import Path

    folder = tmp_path / "originals"
    tiny = images.Image(np.zeros((1, 2, 2), np.float32))
    for name in ("b.png", "deep/b.tif", "other/b.png"):
        images.write(folder / name, tiny)
    assert files.find_reference(folder, Path("in/deep/b.jpg")) == folder / "deep" / "b.tif"
    assert files.find_reference(folder, Path("in/b.jpg")) == folder / "b.png"
    assert files.find_reference(folder, tmp_path / "in" / "b.jpg") == folder / "b.png"
    assert files.find_reference(folder, Path("in/c.jpg")) is None
    assert files.find_reference(folder / "b.png", Path("in/c.jpg")) == folder / "b.png"
    with pytest.raises(MissingFileError):
        files.find_reference(tmp_path / "nowhere", Path("b.jpg"))


def test_checks_of_a_blur(scene):
    kernel = np.zeros((5, 5), np.float32)
    kernel[2] = [0.1, 0.2, 0.4, 0.2, 0.1]
    gray = scene[:1]

    def blur(x, window=(slice(None), slice(None))):
        part = x[:, window[0], window[1]]
        return Prediction(fftconvolve(part, kernel[None], mode="same", axes=(1, 2)), 2)

    noise = SIGMA * np.random.default_rng(1).normal(size=gray.shape)
    before = blur(gray).values + noise
    good = checks.check(before, gray, SIGMA, predict=blur, kernel=kernel)
    assert good.residual.ratio == pytest.approx(1, abs=0.05)
    assert good.residual.pixels == 56 * 60
    assert good.kernel.warnings == []
    bad = checks.check(before, gray + 0.1, SIGMA, predict=blur, kernel=kernel)
    assert any("level" in line for line in bad.warnings)
    # Clipped pixels tell nothing of the noise.
    before[0, :20] = 1
    assert checks.check(before, gray, SIGMA, predict=blur).residual.pixels < 56 * 42


def test_a_diverging_solver_gives_its_trace(scene):
    from pnp_priors.monitoring import iterates
    from pnp_priors.monitoring.traces import collected, of_image
    from pnp_priors.solvers import Schedule, solver

    class Expand(Identity):
        def forward(self, x, sigma, **_):
            return 3 * x

    physics = deepinv.physics.Denoising()
    y = torch.from_numpy(scene[:1])[None]
    with collected() as runs:
        schedule = Schedule((0.1,) * 30, (0.1,) * 30)
        x = iterates.solve(solver("hqs", Expand(), schedule), y, physics)
    traces = of_image(runs, 0, 1)
    found = checks.check(scene[:1], x[0].numpy(), SIGMA, traces=traces)
    assert any("diverged in iteration" in line for line in found.warnings)
    with pytest.warns(match="diverged"):
        iterates.solve(solver("hqs", Expand(), schedule), y, physics)
