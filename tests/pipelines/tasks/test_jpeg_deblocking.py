"""JPEG deblocking: of files, of pixels with a quality, in one pass and in a solver."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from deepinv.physics import Blur
from PIL import Image as Pillow

from pnp_priors import images, pipelines
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.physics.jpeg_file import read_file
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_standard import nearest_quality
from pnp_priors.solvers.presets import preset

QUALITY = 20


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A deblocking with these settings; ffdnet-gray and two iterations if they say nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"task": "jpeg-deblocking"}))

    def make(**settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        usual = {"prior.name": "ffdnet-gray", "solver.iterations": 2}
        return pipelines.load("p.yaml", {**usual, **dotted})

    return make


def save(pixels, path, quality=QUALITY, **options):
    stored = images.to_stored(pixels, "uint8").transpose(1, 2, 0).squeeze()
    Pillow.fromarray(stored).save(path, "JPEG", quality=quality, **options)
    return Path(path)


def test_a_colour_file_gets_better_and_stays_in_its_intervals(load, scene, psnr):
    path = save(scene, "a.jpg")
    restorer = load(solver__iterations=4, width=0.998)
    seen = []
    found, used = restorer.restore_file(path, lambda *done: seen.append(done))
    assert psnr(found.pixels) > psnr(images.read(path).pixels) + 0.5
    assert used.words.startswith("quality 20, by its tables, quantisation noise ")
    assert used.noise == pytest.approx(0.025, rel=0.5)
    assert seen == [(k, 4) for k in range(1, 5)]
    file = read_file(path)
    physics = file.physics()
    again = physics.indices(physics.A(torch.from_numpy(found.pixels)[None]))
    for mine, stored, plane in zip(again, file.indices, physics.planes, strict=True):
        whole = 104 // (8 * plane.factors[1])  # columns of blocks, of which the border cuts none
        torch.testing.assert_close(mine[:, :, :, :whole], stored[:, :, :, :whole], rtol=0, atol=0)


def test_a_preset_is_used_where_there_is_one(load, scene):
    """Its schedule and width; both may be replaced, and without one the default is said."""
    path = save(scene[:, :32, :32], "a.jpg")
    tuned, used = load().restore_file(path)
    assert used.words.endswith("; schedule tuned for ffdnet-gray")
    settings = preset("jpeg-deblocking", "ffdnet-gray", used.noise)
    same, _ = load(width=settings.width).restore_file(path)
    np.testing.assert_array_equal(same.pixels, tuned.pixels)
    plain, used = load(solver__schedule="default").restore_file(path)
    assert used.words.endswith("; schedule default")
    assert np.abs(plain.pixels - tuned.pixels).max() > 1e-3
    half, _ = load(solver__schedule="default", width=0.5).restore_file(path)
    np.testing.assert_array_equal(half.pixels, plain.pixels)
    none, used = load(solver__name="drs").restore_file(path)
    assert used.words.endswith("; default schedule, none is tuned for ffdnet-gray with drs")
    default, _ = load(solver__name="drs", solver__schedule="default").restore_file(path)
    np.testing.assert_array_equal(none.pixels, default.pixels)
    assert load(solver__iterations=None).iterations == len(settings.schedule)


@pytest.mark.parametrize("name", ["dncnn-3", "trd-jpeg-q20"])
def test_a_prior_for_jpeg_needs_no_solver(load, scene, psnr, name):
    path = save(scene, "a.jpg")
    restorer = load(prior__name=name)
    assert restorer.iterations == 1
    seen = []
    found, used = restorer.restore_file(path, lambda *done: seen.append(done))
    assert seen == [(1, 1)]
    assert used.noise is None
    assert used.notes == ()
    decoded = images.read(path).pixels
    assert psnr(found.pixels) > psnr(decoded) + 0.25
    # The colours are as they were decoded.
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    for one, other in ((0, 1), (2, 1)):
        np.testing.assert_allclose(
            found.pixels[one] - found.pixels[other], decoded[one] - decoded[other], atol=1e-5
        )
    luma = (weights * (found.pixels - decoded)).sum(axis=0)
    assert np.abs(luma).max() > 0.02


def test_pixels_with_a_stated_quality_equal_the_gray_file(load, scene):
    gray = scene[1:2]
    path = save(gray, "a.jpg")
    from_file, _ = load().restore_file(path)
    images.write(Path("a.png"), images.read(path))
    found, used = load(quality=QUALITY).restore_file("a.png")
    assert used.words.startswith("quality 20, as given")
    # Of a few blocks pixels were clipped, so that their coefficients are guesses.
    assert np.mean(np.abs(found.pixels - from_file.pixels) > 1e-3) < 0.05
    array = load(quality=QUALITY)(images.read(path).pixels[0])
    np.testing.assert_allclose(array, found.pixels[0], atol=1e-6)
    batch = np.stack([images.read(path).pixels] * 2)
    np.testing.assert_allclose(load(quality=QUALITY)(batch)[1, 0], array, atol=1e-6)


def test_a_physics_has_the_tables(load, scene):
    decoded = torch.from_numpy(images.read(save(scene, "a.jpg")).pixels)[None]
    size = (3, 96, 104)
    stated = load(quality=QUALITY)(decoded)
    torch.testing.assert_close(load()(decoded, JPEG(size, quality=QUALITY)), stated)
    other = load()(decoded, JPEG(size, quality=50, subsampling="4:4:4"))
    assert (other - stated).abs().max() > 0.01
    with pytest.raises(InputError, match="needs a JPEG physics, got Blur"):
        load()(decoded, Blur(filter=torch.ones(1, 1, 3, 3) / 9))


def test_what_is_no_jpeg_file_is_one_line(load, scene):
    images.write(Path("a.png"), images.Image(scene))
    with pytest.raises(InputError, match=r"a\.png: not a JPEG file.*state quality") as caught:
        load().restore_file("a.png")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="pixels do not say how they were compressed"):
        load()(scene)
    with pytest.raises(MissingFileError, match=r"none\.jpg"):
        load().restore_file("none.jpg")


def test_saved_twice_is_said(load):
    from pnp_priors.pipelines.files import folder

    pytest.importorskip("jpeglib")
    photo = images.read(folder() / "examples" / "deconvolution_sharp.png").pixels.mean(axis=0)[None]
    once = save(photo, "once.jpg", quality=50)
    twice = save(images.read(once).pixels, "twice.jpg", quality=80)
    restorer = load(solver__iterations=1)
    assert restorer.restore_file(once)[1].notes == ()
    (note,) = restorer.restore_file(twice)[1].notes
    assert note.startswith("saved twice as JPEG, the first time at about quality 50: ")


def test_a_quality_that_the_prior_is_not_for_is_said(load, scene):
    path = save(scene, "a.jpg", quality=60)
    (note,) = load(prior__name="trd-jpeg-q20").restore_file(path)[1].notes
    assert note == "quality 60 is outside 20..20, for which trd-jpeg-q20 is trained"


def test_strength_and_tiles(load, scene):
    path = save(scene, "a.jpg")
    decoded = images.read(path).pixels
    whole = load().restore_file(path)[0].pixels
    half = load(strength=0.5).restore_file(path)[0].pixels
    np.testing.assert_allclose(half, (whole + decoded) / 2, atol=1e-6)
    tiles = load(tiles=88).restore_file(path)[0].pixels
    np.testing.assert_allclose(tiles, whole, atol=2e-5)
    one, cut = (
        load(prior__name="dncnn-3", tiles=t).restore_file(path)[0].pixels for t in ("none", 72)
    )
    np.testing.assert_allclose(cut, one, atol=1e-5)


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 77, 100])
def test_the_nearest_quality(scene, quality):
    from pnp_priors.physics.jpeg import luminance_table

    table = luminance_table(quality)
    found = nearest_quality(table.numpy())
    # The coarsest ones share tables, cut at 255.
    torch.testing.assert_close(luminance_table(found), table)


def test_a_blind_prior_in_the_solver_is_said_and_not_warned_of(load, scene):
    path = save(scene[:1, :32, :32], "a.jpg")
    (note,) = load(prior__name="dncnn-b", solver__iterations=1).restore_file(path)[1].notes
    assert note.startswith("dncnn-b is blind")
