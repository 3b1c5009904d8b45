"""Demosaicing from YAML: gray files become colour, by a prior for colours alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from deepinv.physics import Blur, Demosaicing

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.physics.bayer import bayer_mask, interpolate
from pnp_priors.report.checks import check


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A demosaicing with these settings, of two iterations otherwise."""
    monkeypatch.chdir(tmp_path)
    settings = {"task": "demosaicing", "solver": {"iterations": 2}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))

    def make(**settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return pipelines.load("p.yaml", dotted)

    return make


def seen(photo, pattern):
    return (photo * bayer_mask(pattern, *photo.shape[-2:]).numpy()[0]).sum(axis=0, keepdims=True)


def test_the_shipped_pipeline_restores_its_example(psnr):
    restorer = pipelines.load("demosaicing")
    example = restorer.pipeline.example
    part = (slice(None), slice(100, 152), slice(90, 142))
    given = images.read(Path(example.input)).pixels[part]
    truth = images.read(Path(example.truth)).pixels[part]
    result, used = restorer.restore_image(images.Image(given))
    assert used.noise == 0
    assert result.pixels.shape == truth.shape
    linear = interpolate(torch.from_numpy(given)[None], "rggb")[0].numpy()
    assert psnr(result.pixels, truth) > psnr(linear, truth) + 0.2


@pytest.mark.parametrize("pattern", ["rggb", "gbrg"])
def test_the_residual_is_of_what_the_sensor_saw(load, scene, pattern):
    raw = seen(scene, pattern)
    restorer = load(pattern=pattern)
    noise = 0.02 * np.random.default_rng(0).normal(size=raw.shape)
    found = check(raw + noise, scene, 0.02, predict=restorer.predict, clipped=False)
    assert found.residual.ratio == pytest.approx(np.sqrt(np.square(noise).mean()) / 0.02)
    assert not restorer.estimable
    window = (slice(20, 61), slice(8, 41))
    predicted = restorer.predict(scene, window).values
    np.testing.assert_array_equal(predicted, raw[:, window[0], window[1]])


def test_patterns_kinds_and_strength(load, scene):
    photo = scene[:, :24, :27]
    for pattern in ("grbg", "bggr"):
        raw = seen(photo, pattern)
        found = load(pattern=pattern)(raw)
        np.testing.assert_allclose(seen(found, pattern), raw, atol=1e-6)
        assert load(pattern=pattern)(raw[0]).shape == (3, 24, 27)
        linear = interpolate(torch.from_numpy(raw)[None], pattern)[0].numpy()
        np.testing.assert_allclose(load(pattern=pattern, strength=0)(raw), linear, atol=1e-6)


def test_a_physics_of_deepinvs(load, scene):
    photo = torch.from_numpy(scene[None, :, :24, :26])
    physics = Demosaicing((24, 26))
    found = load()(physics.A(photo), physics=physics)
    raw = seen(scene[:, :24, :26], "bggr")
    np.testing.assert_allclose(found[0].numpy(), load(pattern="bggr")(raw), atol=1e-6)
    with pytest.raises(InputError, match="Bayer mask"):
        load()(photo, physics=Blur(torch.ones(1, 1, 3, 3) / 9))


def test_what_is_refused(load, scene):
    with pytest.raises(InputError, match="gray image, this one has colours"):
        load()(scene)
    with pytest.raises(InputError, match="3x3"):
        load()(scene[:1, :2])
    with pytest.raises(InputError, match="for gray images; demosaicing needs"):
        load(prior__name="ffdnet-gray")
    with pytest.raises(InputError, match="tiles: 16: too small here; at least"):
        load(tiles=16)
    for settings in ({"pattern": "rgbg"}, {"noise.sigma": "auto"}, {"solver.name": "red"}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            pipelines.load("p.yaml", settings)
