"""Deconvolution in tiles and at part of its strength; the rest is in tests/pipelines/test_build."""

import numpy as np
import pytest

from pnp_priors import images, pipelines
from pnp_priors.errors import InputError
from pnp_priors.pipelines.files import folder as shipped


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


def test_what_cannot_be_cut(blurred):
    with pytest.raises(InputError, match="boundary is circular cannot be cut"):
        load(tiles=160, boundary="circular")(blurred)
    with pytest.raises(InputError, match="tiles: 64: too small here; at least 101"):
        load(tiles=64)(blurred)


def test_strength(blurred):
    part = blurred[:1, :64, :64]
    full, none, most = (load(strength=s)(part) for s in (1, 0, 0.75))
    np.testing.assert_array_equal(none, part)
    np.testing.assert_allclose(most, 0.75 * full + 0.25 * part, atol=1e-6)


def test_a_blind_prior_is_said_once_and_not_warned_of(blurred):
    restorer = load(prior__name="bf-dncnn", solver__iterations=1)
    _, used = restorer.restore_image(images.Image(blurred[:1, :48, :48]))
    (note,) = used.notes
    assert note.startswith("bf-dncnn is blind: it ignores the solver's sigma")
