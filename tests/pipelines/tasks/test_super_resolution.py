"""Super-resolution from YAML: sizes, colours, both models of the reduction, one pass, tiles."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from deepinv.physics import Blur, Downsampling

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.decimation import Decimation, placed
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.pipelines import files, schedule
from pnp_priors.report.checks import check
from pnp_priors.solvers.schedules import super_resolution
from pnp_priors.solvers.super_resolution import LUMA, enlarge
from pnp_priors.tuning.schema import parse


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A super-resolution with these settings, with ffdnet-gray and two iterations otherwise."""
    monkeypatch.chdir(tmp_path)
    settings = {"task": "super-resolution", "solver": {"iterations": 2}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))

    def make(**settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return pipelines.load("p.yaml", {"prior.name": "ffdnet-gray", **dotted})

    return make


@pytest.fixture
def small(scene):
    """``[3, 32, 36]``, half of a part of the photo, 8 bit."""
    part = torch.from_numpy(scene[:, 16:80, 12:84])
    return ((255 * resize(part, 32, 36)).round() / 255).numpy()


def test_the_shipped_pipeline_restores_its_example(psnr):
    restorer = pipelines.load("super-resolution")
    example = restorer.pipeline.example
    given = images.read(Path(example.input)).pixels[:, 40:80, 44:92]
    truth = images.read(Path(example.truth)).pixels[:, 80:160, 88:184]
    result, used = restorer.restore_image(images.Image(given))
    assert result.pixels.shape == truth.shape
    assert used.words == (
        f"48x40 to 96x80, no noise, as given; {schedule.words(restorer.pipeline)}"
    )
    before = enlarge(torch.from_numpy(given), 2)
    inside = (slice(None), slice(4, -4), slice(4, -4))
    after = psnr(result.pixels[inside], truth[inside])
    assert after > psnr(before.numpy()[inside], truth[inside]) + 0.5


def test_a_preset_goes_by_the_scale(load, small, monkeypatch, tmp_path):
    """Its knots; the noise of the small photo is its own. Not with a kernel, nor when told not."""
    knots = [
        {"level": s, "noise": s / 255, "start": 0.1 * s, "end": 1 / s, "weight": 0.5}
        | {"psnr": 30.0, "default_psnr": 29.0}
        for s in (2, 4)
    ]
    origin = {"data": "d", "images": ["a"], "side": 9, "seed": 0, "evaluations": 1, "date": ""}
    origin |= {"finished": True, "weights": "0", "version": "1", "command": "c"}
    found = parse(
        {"task": "super-resolution", "prior": "ffdnet-gray", "solver": "admm", "iterations": 5}
        | {"knots": knots, "tuned": origin},
        "here",
    )
    monkeypatch.setattr(schedule, "find", lambda task, prior, name: found)
    given = {"task": "super-resolution", "solver": {"name": "admm"}}
    (tmp_path / "q.yaml").write_text(yaml.safe_dump(given))
    pipeline = files.read(tmp_path / "q.yaml")
    assert schedule.words(pipeline) == "schedule tuned for ffdnet-gray"
    for noise, scale in ((0.0, 2), (0.02, 4)):
        expected = super_resolution(noise, scale, 5, 0.1 * scale, 1 / scale, 0.5)
        made = schedule.enlarging(pipeline, noise, scale)
        np.testing.assert_allclose(made.sigma, expected.sigma)
        np.testing.assert_allclose(made.stepsize, expected.stepsize)
    for change in ({"solver.schedule": "default"}, {"kernel.file": "k.npy"}):
        pipeline = files.read(tmp_path / "q.yaml", change)
        assert schedule.enlarging(pipeline, 0.0, 2) == super_resolution(0.0, 2, 16)
        assert "default" in schedule.words(pipeline)


def test_sizes_and_kinds(load, smoother, small):
    restorer = load(factor=1.5)
    assert restorer(small[0]).shape == (48, 54)
    assert restorer(small[:, :31, :33]).shape == (3, 47, 50)
    both = restorer(torch.from_numpy(np.stack([small, small[::-1]])).double())
    assert both.dtype == torch.float64
    np.testing.assert_allclose(both[0].numpy(), restorer(small), atol=1e-5)


def test_strength_blends_with_the_bicubic_enlargement(load, smoother, small):
    whole, half, none = (load(strength=s)(small) for s in (1, 0.5, 0))
    np.testing.assert_allclose(none, enlarge(torch.from_numpy(small), 2).numpy(), atol=1e-6)
    np.testing.assert_allclose(half, (whole + none) / 2, atol=1e-5)


def test_a_gray_prior_restores_the_luminance(load, smoother, small):
    found = load()(small)
    luma = np.tensordot([0.299, 0.587, 0.114], small, 1).astype(np.float32)
    restored = np.tensordot([0.299, 0.587, 0.114], found, 1)
    np.testing.assert_allclose(restored, load()(luma), atol=1e-5)
    rest = resize(torch.from_numpy(small - luma), 64, 72).numpy()
    np.testing.assert_allclose(found - restored, rest, atol=1e-5)
    each = load(color="per-channel")(small)
    np.testing.assert_allclose(each[1], load()(small[1]), atol=1e-5)
    assert np.abs(each - found).max() > 1e-3


def test_noise_may_be_stated_or_estimated_and_none_is_the_default(load, smoother, small):
    noisy = small + np.random.default_rng(0).normal(scale=0.05, size=small.shape)
    noisy = noisy.astype(np.float32)
    level = load(noise__sigma="auto").noise_level(noisy)
    assert level == pytest.approx(0.05, rel=0.3)
    found = load(noise__sigma="auto")(noisy)
    np.testing.assert_allclose(found, load()(noisy, noise=level), atol=1e-6)
    assert np.abs(found - load()(noisy)).max() > 1e-3


@pytest.mark.parametrize("alignment", ["centre", "first"])
def test_a_kernel(load, smoother, kernel, small, alignment):
    np.save("k.npy", kernel)
    restorer = load(kernel__file="k.npy", alignment=alignment)
    assert restorer.kernel.shape == (5, 5)
    found = restorer(small)
    assert found.shape == (3, 64, 72)
    # Gray pixels stay gray: luminance and the rest lie in the same place.
    gray = np.repeat(small[:1], 3, axis=0)
    again = restorer(gray)
    np.testing.assert_allclose(again[0], again[2], atol=1e-5)
    other = load(kernel__file="k.npy", alignment={"centre": "first", "first": "centre"}[alignment])
    assert np.abs(other(small) - found).max() > 1e-3
    with pytest.raises(ConfigError, match=r"factor: with a kernel, a whole number; got 1\.5"):
        load(kernel__file="k.npy", factor=1.5)


def test_one_pass(load, small):
    restorer = load(prior__name="dncnn-3")
    assert restorer.iterations == 1
    steps = []
    result, used = restorer.restore_image(images.Image(small), progress=lambda *n: steps.append(n))
    assert steps == [(1, 1)]
    assert used.noise is None
    assert used.notes == ()
    luma = torch.from_numpy(np.tensordot([0.299, 0.587, 0.114], small, 1)).float()[None, None]
    expected = restorer.prior(enlarge(luma, 2), None)[0, 0].numpy()
    restored = np.tensordot([0.299, 0.587, 0.114], result.pixels, 1)
    np.testing.assert_allclose(restored, expected, atol=1e-5)
    _, used = load(prior__name="dncnn-3", factor=2.5).restore_image(images.Image(small))
    assert used.notes == ("factor 2.5 is not among 2, 3, 4, for which dncnn-3 is trained",)


@pytest.mark.parametrize(("factor", "color"), [(2, "luminance"), (1.5, "per-channel")])
def test_the_residual_of_a_bicubic_reduction(load, scene, factor, color):
    restorer = load(factor=factor, color=color)
    size = (48, 52) if factor == 2 else (64, 69)
    reduced = resize(torch.from_numpy(scene), *size).numpy()
    noise = 0.02 * np.random.default_rng(0).normal(size=reduced.shape)
    found = check(reduced + noise, scene, 0.02, predict=restorer.predict, clipped=False).residual
    assert found.pixels == (1 if factor == 2 else 3) * (size[0] - 6) * (size[1] - 6)
    assert found.ratio == pytest.approx(1, abs=0.06)
    assert not found.whiteness_rejected
    # A part of the photo, where it can be told which large pixels belong to it.
    part = restorer.predict(scene, (slice(8, 40), slice(12, 44)))
    if factor != 2:
        assert part is None
        return
    luma = np.tensordot(LUMA, reduced, 1)[8:40, 12:44]
    np.testing.assert_allclose(part.values[0, 3:-3, 3:-3], luma[3:-3, 3:-3], atol=1e-5)


@pytest.mark.parametrize("alignment", ["centre", "first"])
def test_the_residual_of_a_decimation(load, scene, kernel, alignment):
    np.save("k.npy", kernel)
    restorer = load(kernel__file="k.npy", alignment=alignment, factor=2)
    gray = scene[:1]
    decimated = Decimation(
        (1, 96, 104), placed(torch.from_numpy(kernel).float(), 2, alignment), 2
    ).A(torch.from_numpy(gray)[None])[0]
    whole = restorer.predict(gray, (slice(0, 48), slice(0, 52)))
    inside = (slice(None), *(slice(whole.border, -whole.border),) * 2)
    np.testing.assert_allclose(whole.values[inside], decimated.numpy()[inside], atol=1e-5)
    part = restorer.predict(gray, (slice(8, 40), slice(12, 44)))
    expected = decimated[:, 8:40, 12:44].numpy()
    np.testing.assert_allclose(part.values[inside], expected[inside], atol=1e-5)


def test_tiles_change_nothing(load, smoother, small, monkeypatch):
    monkeypatch.setattr(type(smoother), "receptive_field", 3)
    steps = []
    found = load(tiles=32)(small, progress=lambda *n: steps.append(n))
    np.testing.assert_allclose(found, load(tiles="none")(small), atol=1e-5)
    assert steps[-1] == (2, 2)


def test_a_physics_instead_of_the_pipelines_own(load, smoother, small):
    y = torch.from_numpy(small)[None]
    found = load(color="per-channel")(y, physics=BicubicReduction((3, 64, 72), (32, 36)))
    np.testing.assert_allclose(found.numpy(), load(color="per-channel")(y).numpy(), atol=1e-5)
    filter_ = torch.ones(1, 1, 3, 3) / 9
    circular = Downsampling((3, 64, 72), filter_, 2, padding="circular")
    assert load()(y, physics=circular).shape == (1, 3, 64, 72)
    for wrong in (Blur(filter_), Downsampling((3, 64, 72), filter_, 2, padding="reflect")):
        with pytest.raises(InputError, match="BicubicReduction or a circular Downsampling"):
            load()(y, physics=wrong)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"factor": 0.5}, "factor"),
        ({"factor": 9}, "factor"),
        ({"noise.sigma": 5}, "noise.sigma: .*5/255"),
        ({"noise.sigma": -0.1}, "noise.sigma: .*0 or more"),
        ({"solver.name": "pgd"}, "solver.name"),
        ({"alignment": "top"}, "alignment"),
        ({"kernel.name": "k"}, "kernel"),
    ],
)
def test_settings_that_are_refused(load, settings, words):
    with pytest.raises(ConfigError, match=words):
        pipelines.load("p.yaml", settings)
