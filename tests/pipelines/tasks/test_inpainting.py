"""Inpainting from YAML: the mask's file, and what stays as it is."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from deepinv.physics import Blur
from deepinv.physics import Inpainting as InpaintingPhysics

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError, MissingFileError
from pnp_priors.pipelines.tasks.inpainting import read_mask
from pnp_priors.report.checks import check
from pnp_priors.solvers.inpainting import fill


@pytest.fixture
def missing():
    """``[40, 44]``, true in a cross and where single pixels are missing."""
    mask = np.random.default_rng(0).uniform(size=(40, 44)) < 0.2
    mask[18:22] = mask[:, 20:23] = True
    return mask


@pytest.fixture
def load(tmp_path, monkeypatch, missing):
    """An inpainting with these settings; ffdnet-gray, three iterations, ``mask.png``."""
    monkeypatch.chdir(tmp_path)
    settings = {"task": "inpainting", "mask": {"file": "mask.png"}, "solver": {"iterations": 3}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
    images.write(tmp_path / "mask.png", images.Image(missing[None].astype(np.float32)))

    def make(**settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        return pipelines.load("p.yaml", {"prior.name": "ffdnet-gray", **dotted})

    return make


def test_the_shipped_pipeline_restores_its_example(psnr):
    restorer = pipelines.load("inpainting")
    example = restorer.pipeline.example
    part = (slice(None), slice(100, 164), slice(90, 154))
    given = images.read(Path(example.input)).pixels[part]
    truth = images.read(Path(example.truth)).pixels[part]
    restorer.known = restorer.known[part[1:]]
    found = restorer(given)
    smooth = fill(torch.from_numpy(given)[None], restorer.known)[0].numpy()
    assert psnr(found, truth) > psnr(smooth, truth) + 1
    assert psnr(smooth, truth) > psnr(given, truth) + 5


def test_the_residual_is_of_the_known_pixels(load, scene, missing):
    photo = scene[:, :40, :44]
    noise = 0.02 * np.random.default_rng(0).normal(size=photo.shape)
    damaged = np.where(missing, 0.5, photo + noise)
    found = check(damaged, photo, 0.02, predict=load().predict, clipped=False).residual
    known = noise[:, ~missing]
    assert found.pixels == known.size
    assert found.ratio == pytest.approx(np.sqrt(np.square(known).mean()) / 0.02)
    assert not found.whiteness_rejected


def test_known_pixels_stay_and_others_do_not_depend_on_what_was_there(
    load, smoother, scene, missing
):
    photo = scene[:, :40, :44]
    found = load()(photo)
    np.testing.assert_array_equal(found[:, ~missing], photo[:, ~missing])
    black = np.where(missing, np.float32(0), photo)
    np.testing.assert_array_equal(load()(black), found)
    noisy = load(noise__sigma=0.05)(photo)
    assert np.abs(noisy - photo)[:, ~missing].max() > 1e-3


def test_the_mask_may_name_what_is_known(load, smoother, scene, missing):
    photo = scene[:, :40, :44]
    images.write(Path("other.png"), images.Image(1 - missing[None].astype(np.float32)))
    other = load(mask__file="other.png", mask__missing="black")
    np.testing.assert_array_equal(other(photo), load()(photo))


def test_a_physics_and_tiles(load, smoother, scene, missing, monkeypatch):
    monkeypatch.setattr(type(smoother), "receptive_field", 3)
    photo = torch.from_numpy(scene[:, :40, :44])[None]
    mask = torch.from_numpy(~missing).float().expand(1, 3, 40, 44)
    physics = InpaintingPhysics((3, 40, 44), mask.clone())
    np.testing.assert_array_equal(load()(photo, physics=physics), load()(photo))
    np.testing.assert_allclose(load(tiles=32)(photo), load()(photo), atol=1e-5)
    with pytest.raises(InputError, match="got Blur"):
        load()(photo, physics=Blur(torch.ones(1, 1, 3, 3) / 9))


def test_masks_that_are_refused(load, smoother, scene, tmp_path):
    with pytest.raises(InputError, match=r"mask.png: 44x40 pixels, the image has 104x96"):
        load()(scene)
    with pytest.raises(MissingFileError, match=r"none\.png"):
        load(mask__file="none.png")
    colours = np.zeros((3, 4, 4), np.float32)
    colours[0] = 1
    images.write(tmp_path / "colours.png", images.Image(colours))
    with pytest.raises(InputError, match="black and white"):
        read_mask(tmp_path / "colours.png", "white")
    images.write(tmp_path / "white.png", images.Image(np.ones((1, 4, 4), np.float32)))
    with pytest.raises(InputError, match=r"no known pixel; is mask\.missing white\?"):
        read_mask(tmp_path / "white.png", "white")
    assert read_mask(tmp_path / "white.png", "black").all()
    for settings in ({"mask.missing": "grey"}, {"noise.sigma": "auto"}, {"solver.name": "red"}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            pipelines.load("p.yaml", settings)
