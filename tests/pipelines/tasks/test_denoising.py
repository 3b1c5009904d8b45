"""Denoising: colours, maps, blind priors, signal-dependent noise, tiles."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from deepinv.models import Reconstructor
from deepinv.physics import Denoising, GaussianNoise, PoissonNoise

from pnp_priors import images, pipelines
from pnp_priors.errors import InputError, MissingFileError

SIGMA = 20 / 255


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A denoising with these settings, ffdnet-gray and a stated level if they say nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"task": "denoising"}))

    def make(**settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return pipelines.load("p.yaml", {"prior.name": "ffdnet-gray", **dotted})

    return make


@pytest.fixture
def noisy(scene):
    noise = np.random.default_rng(1).normal(size=scene.shape)
    return (scene + SIGMA * noise).astype(np.float32)


def test_the_shipped_pipeline_restores_its_example():
    restorer = pipelines.load("denoising")
    assert isinstance(restorer, Reconstructor)
    example = restorer.pipeline.example
    part = (slice(None), slice(100, 196), slice(100, 196))
    clean = images.read(Path(example.truth)).pixels[part]
    dirty = images.read(Path(example.input)).pixels[part]
    x, used = restorer.restore_image(images.Image(dirty))
    assert used.words.startswith("noise level 2")
    assert used.words.endswith("/255, estimated")
    before, after = (np.square(p - clean).mean() for p in (dirty, x.pixels))
    assert after < before / 5


def test_a_gray_prior_restores_channels_one_by_one(load, noisy):
    restorer = load(noise__sigma=SIGMA)
    whole = restorer(noisy)
    alone = np.stack([restorer(channel) for channel in noisy])
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    tensor = restorer(torch.from_numpy(noisy)[None].double())
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor[0].numpy(), whole, atol=1e-5)


def test_a_gray_photo_with_a_colour_prior(load, noisy, scene, psnr):
    """It is nearly as good as a gray prior, and says so; blind ones cannot be told."""
    gray, truth = noisy[:1], scene[:1]
    colour = load(prior__name="ffdnet-color", noise__sigma=SIGMA)
    image, used = colour.restore_image(images.Image(gray))
    assert image.pixels.shape == gray.shape
    assert "a gray prior suits it better" in used.notes[0]
    own = load(noise__sigma=SIGMA)(gray)
    assert psnr(image.pixels, truth) > psnr(own, truth) - 0.7
    assert psnr(image.pixels, truth) > psnr(gray, truth) + 5
    blind = load(prior__name="dncnn-color-b")
    with pytest.raises(InputError, match="dncnn-color-b is for 3 channels, the image has 1"):
        blind(gray)


def test_a_map_of_noise_levels(load, scene, psnr):
    levels = np.full((96, 104), 8 / 255, np.float32)
    levels[:, 52:] = 40 / 255
    noise = np.random.default_rng(2).normal(size=(96, 104)).astype(np.float32)
    y, truth = scene[1] + levels * noise, scene[1]
    np.save("map.npy", levels)
    restorer = load(noise__map="map.npy")
    image, used = restorer.restore_image(images.Image(y[None]))
    assert used.noise is None
    assert used.words.endswith("map.npy")
    one = load(noise__sigma=float(np.sqrt(np.square(levels).mean())))(y)
    assert psnr(image.pixels[0], truth) > psnr(one, truth) + 1
    images.write(Path("map.tif"), images.Image(levels[None], "float32"))
    np.testing.assert_allclose(load(noise__map="map.tif")(y), image.pixels[0], atol=1e-6)
    with pytest.raises(InputError, match=r"map\.npy: 104x96 pixels, the image has 96x96"):
        restorer(y[:, :96])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), 25.0), r"25 looks like 0\.\.255 units"),
        (np.zeros((4, 4)), "not all 0"),
        (np.full((4, 4), -0.1), "none below 0"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((1, 4, 4), 0.1), r"expected numbers \[H, W\], got float64 \[1, 4, 4\]"),
        (np.full((4, 4), "a"), r"expected numbers \[H, W\]"),
    ],
)
def test_maps_that_cannot_be_used(load, values, message):
    np.save("m.npy", values)
    with pytest.raises(InputError, match=message):
        load(noise__map="m.npy")


def test_a_map_that_is_missing_damaged_or_for_a_blind_prior(load):
    with pytest.raises(MissingFileError, match=r"noise\.map: no such file: .*none\.npy"):
        load(noise__map="none.npy")
    Path("bad.npy").write_text("no numbers")
    with pytest.raises(InputError, match=r"bad\.npy: damaged"):
        load(noise__map="bad.npy")
    np.save("m.npy", np.full((4, 4), 0.1))
    with pytest.raises(InputError, match=r"noise\.map: bf-dncnn is blind and takes no map"):
        load(prior__name="bf-dncnn", noise__map="m.npy")


def test_a_blind_prior_is_told_nothing(load, noisy):
    restorer = load(prior__name="bf-dncnn")
    x, used = restorer.restore_image(images.Image(noisy))
    assert (used.noise, used.words, used.notes) == (None, "blind prior", ())
    stated = load(prior__name="bf-dncnn", noise__sigma=0.3)
    y, used = stated.restore_image(images.Image(noisy))
    assert used.notes == ("noise.sigma is ignored: bf-dncnn is blind",)
    np.testing.assert_array_equal(x.pixels, y.pixels)


def test_signal_dependent_noise_on_a_gradient(load):
    """Better than the same prior at the mean level, and unbiased on constants."""
    ramp = np.linspace(0.02, 0.98, 128, dtype=np.float32)
    clean = np.broadcast_to(ramp, (96, 128)).copy()
    clean[24:72, 30:40] = 0.5
    gain, sigma = 1 / 40, 0.01
    rng = np.random.default_rng(3)
    y = gain * rng.poisson(clean / gain) + sigma * rng.normal(size=clean.shape)
    y = y.astype(np.float32)
    noise = {"noise__gain": gain, "noise__sigma": sigma, "noise__model": "poisson-gaussian"}
    found = load(**noise)(y)
    mean = float(np.sqrt(gain * clean.mean() + sigma**2))
    plain = load(noise__sigma=mean)(y)
    error, other = (np.square(x - clean).mean() for x in (found, plain))
    assert 10 * np.log10(other / error) > 0.5
    assert load(**noise).restore_image(images.Image(y[None]))[1].words.startswith("gain 6.38/255")


def test_strength_blends(load, noisy):
    full = load(noise__sigma=SIGMA)(noisy)
    half = load(noise__sigma=SIGMA, strength=0.5)(noisy)
    np.testing.assert_allclose(half, (full + noisy) / 2, atol=1e-6)
    np.testing.assert_array_equal(load(noise__sigma=SIGMA, strength=0)(noisy), noisy)


def test_tiles_equal_the_whole_with_one_estimate(load):
    """The noise of one half is tripled: a level per tile would differ."""
    rng = np.random.default_rng(4)
    y = 0.5 + 0.05 * rng.normal(size=(1, 72, 240)).astype(np.float32)
    y[..., 120:] += 0.1 * rng.normal(size=(1, 72, 120)).astype(np.float32)
    seen = []
    whole = load(tiles="none")(y)
    cut = load(tiles=140)(y, progress=lambda *done: seen.append(done))
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    assert seen[-1][0] == seen[-1][1] > 1
    with pytest.raises(InputError, match="tiles: 64: too small here; at least 66"):
        load(tiles=64)(y)


def test_tiles_of_a_map_and_of_signal_dependent_noise(load):
    rng = np.random.default_rng(5)
    y = rng.uniform(size=(1, 60, 200)).astype(np.float32)
    np.save("m.npy", rng.uniform(0.01, 0.2, size=(60, 200)))
    noises = [
        {"noise__map": "m.npy"},
        {"noise__model": "poisson-gaussian", "noise__gain": 0.02, "noise__sigma": 0.01},
    ]
    for noise in noises:
        cut, whole = (load(tiles=tiles, **noise)(y) for tiles in (136, "none"))
        np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_a_prior_that_cannot_be_tiled(load):
    y = np.full((40, 80), 0.5, np.float32)
    with pytest.raises(InputError, match="tiles: 64: this prior looks at the whole photo"):
        load(prior__name="diffusivity-unet-s25", noise__sigma=0.1, tiles=64)(y)


def test_physics_states_the_noise(load, noisy):
    restorer = load(noise__sigma=0.3)
    told = restorer(torch.from_numpy(noisy)[None], Denoising(GaussianNoise(SIGMA)))
    np.testing.assert_allclose(told[0].numpy(), load(noise__sigma=SIGMA)(noisy), atol=1e-6)
    with pytest.raises(InputError, match="needs deepinv's Denoising with GaussianNoise"):
        restorer(torch.from_numpy(noisy)[None], Denoising(PoissonNoise(0.1)))


def test_a_prior_for_jpeg_alone_is_refused(load):
    with pytest.raises(
        InputError, match=r"q10 is trained for jpeg; denoising needs .* gaussian or camera"
    ):
        load(prior__name="trd-jpeg-q10")
