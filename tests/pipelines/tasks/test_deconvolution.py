"""Deconvolution in tiles and at part of its strength; the rest is in tests/pipelines/test_build."""

import re

import numpy as np
import pytest
import torch

from pnp_priors import images, pipelines
from pnp_priors.errors import InputError
from pnp_priors.physics.blur import Blur
from pnp_priors.pipelines import files, schedule
from pnp_priors.pipelines.files import folder as shipped
from pnp_priors.solvers import dpir, solver
from pnp_priors.solvers.presets import preset


@pytest.fixture
def blurred():
    photo = images.read(shipped() / "examples" / "deconvolution_blurred.png").pixels
    return photo[:, 120:200, 100:292]


def load(**settings):
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    usual = {"prior.name": "trd-5x5-s15", "noise.sigma": 0.01, "solver.iterations": 4}
    return pipelines.load("deconvolution", {**usual, **dotted})


def test_tiles_are_close_to_the_whole(blurred):
    """As docs/large-images.md has it; away from the borders, beyond which all is made up."""
    seen = []
    whole = load()(blurred)
    cut = load(tiles=160)(blurred, progress=lambda *done: seen.append(done))
    assert seen[-1] == (8, 8), "two tiles, four iterations"
    difference = 255 * np.abs(cut - whole)[:, 24:-24, 72:-72]
    assert difference.max() < 3
    assert np.sqrt(np.square(difference).mean()) < 0.5


def test_the_noise_is_estimated_once(blurred):
    blurred = blurred.copy()
    blurred[..., :96] += 0.03 * np.random.default_rng(0).normal(size=blurred[..., :96].shape)
    restorer = load(noise__sigma="auto", tiles=160)
    level = restorer.noise_level(blurred)
    np.testing.assert_array_equal(restorer(blurred), restorer(blurred, noise=level))


def test_tiles_that_no_photo_can_be_cut_into_are_refused_before_any_is():
    """When the pipeline is built: the priors' halos are known, photos are not."""
    with pytest.raises(InputError, match="tiles: 64: too small here; at least 101"):
        load(tiles=64)
    with pytest.raises(InputError, match="boundary is circular cannot be cut"):
        load(tiles=160, boundary="circular")


@pytest.mark.parametrize(("name", "halo"), [("pgd", 45), ("red", 41)])
def test_tiles_of_solvers_with_a_strict_halo_equal_the_whole(name, halo, tmp_path):
    """Seams included; not beside the borders, beyond which the photo is made up for each tile."""
    photo = np.random.default_rng(0).random((1, 70, 150)).astype(np.float32)
    np.save(tmp_path / "kernel.npy", np.float32([[0, 0, 0], [0.2, 0.5, 0.3], [0, 0, 0]]))
    settings = {"kernel__file": str(tmp_path / "kernel.npy"), "solver__iterations": 2}
    seen = []
    whole = load(solver__name=name, **settings)(photo)
    restorer = load(tiles=2 * halo + 18, solver__name=name, **settings)
    cut = restorer(photo, progress=lambda *done: seen.append(done))
    assert seen[-1][0] == seen[-1][1] >= 6, "three tiles or more, two iterations"
    inside = (slice(None), slice(20, -20), slice(30, -30))
    assert np.abs(whole - photo)[inside].max() > 0.05
    np.testing.assert_allclose(cut[inside], whole[inside], atol=1e-5)


def test_each_photo_of_a_batch_has_the_traces_of_its_own_tiles(blurred):
    restorer = load(tiles=160, solver__iterations=2)
    photos = [images.Image(np.ascontiguousarray(p[:1])) for p in (blurred, 0.5 * blurred[:, ::-1])]
    together = restorer.restore_images(photos, [None, None])
    for photo, (restored, used) in zip(photos, together, strict=True):
        ((alone, own),) = restorer.restore_images([photo], [None])
        np.testing.assert_allclose(restored.pixels, alone.pixels, atol=1e-5)
        assert len(used.traces) == len(own.traces) == 2, "one for each tile"
        for trace, expected in zip(used.traces, own.traces, strict=True):
            np.testing.assert_allclose(trace.change, expected.change, rtol=1e-4)
    first, second = (used.traces for _, used in together)
    assert first[0].residual[0] != pytest.approx(second[0].residual[0], rel=0.01)


def test_strength(blurred):
    part = blurred[:1, :64, :64]
    full, none, most = (load(strength=s)(part) for s in (1, 0, 0.75))
    np.testing.assert_array_equal(none, part)
    np.testing.assert_allclose(most, 0.75 * full + 0.25 * part, atol=1e-6)


@pytest.mark.parametrize("name", ["ffdnet-gray", "trd-5x5-s15"])
def test_the_tuned_schedule_is_used_where_there_is_one(blurred, name):
    part = blurred[:1, :48, :48]
    settings = {"prior.name": name, "noise.sigma": 0.02, "boundary": "circular"}
    restorer = pipelines.load("deconvolution", settings)
    found, used = restorer.restore_image(images.Image(part))
    tuned = preset("deconvolution", name, 0.02)
    assert restorer.iterations == len(tuned.schedule)
    y = torch.from_numpy(part.copy())[None]
    blur = Blur(img_size=(1, 48, 48), filter=restorer.kernel[None, None])
    with torch.no_grad():
        expected = solver("hqs", restorer.prior, tuned.schedule)(y, blur)[0].numpy()
    np.testing.assert_allclose(found.pixels, expected, atol=1e-5)
    how = {
        "ffdnet-gray": "schedule tuned for ffdnet-gray",
        "trd-5x5-s15": "default schedule, none is tuned for trd-5x5-s15 with hqs",
    }[name]
    assert used.words == f"noise level 5.10/255, as given; {how}"


def test_presets_are_for_the_released_weights_and_for_solvers_that_were_tuned(tmp_path):
    pipeline = files.read(files.find("deconvolution"), {"prior.name": "ffdnet-gray"})
    assert schedule.preset_of(pipeline) is not None
    for change in ({"solver.name": "red"}, {"prior.weights": str(tmp_path / "mine.pth")}):
        settings = {"prior.name": "ffdnet-gray", "solver.iterations": 3, **change}
        pipeline = files.read(files.find("deconvolution"), settings)
        assert schedule.preset_of(pipeline) is None
        assert schedule.chosen(pipeline, 0.02).schedule == dpir(0.02, 3)
        assert "none is tuned for ffdnet-gray" in schedule.words(pipeline)


def test_an_estimate_is_said_with_its_uncertainty(blurred):
    """Where the photo is large enough for blocks."""
    restorer = load(noise__sigma="auto", solver__iterations=1)
    level = restorer.noise_level(blurred)
    words = restorer.describe(level, images.Image(blurred)).words
    assert words.startswith(f"noise level {255 * level:.2f}/255, estimated; ")
    larger = images.Image(np.concatenate([blurred, blurred[:, ::-1]], axis=1))
    used = restorer.describe(restorer.noise_level(larger.pixels), larger)
    assert re.match(r"noise level \d+\.\d\d ± \d+\.\d\d /255, estimated; ", used.words)


def test_a_blind_prior_is_said_once_and_not_warned_of(blurred):
    restorer = load(prior__name="bf-dncnn", solver__iterations=1)
    _, used = restorer.restore_image(images.Image(blurred[:1, :48, :48]))
    (note,) = used.notes
    assert note.startswith("bf-dncnn is blind: it ignores the solver's sigma")
