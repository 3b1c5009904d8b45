"""Super-resolution by both engines: the same pixels and words."""

import numpy as np
import pytest

from pnp_priors import images

#: the goal in float32, image in [0, 1]
TOLERANCE = 1e-4


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_and_words_are_torchs(engines, noisy, channels):
    given = {"prior.name": "ffdnet-gray", "solver.iterations": 3}
    in_torch, in_graph = engines("super_resolution", given)
    image = images.Image(noisy(31, 28, channels, sigma=0).clip(0, 1))
    (expected, how), (found, words) = (one.restore_image(image) for one in (in_torch, in_graph))
    assert words == how
    assert found.pixels.shape == (channels, 62, 56)
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=TOLERANCE, rtol=0)
    before = [one.baseline(image.pixels) for one in (in_torch, in_graph)]
    np.testing.assert_allclose(*before, atol=1e-6)
    window = (slice(4, 20), slice(0, 28))
    one, other = (e.predict(expected.pixels, window) for e in (in_torch, in_graph))
    np.testing.assert_array_equal(one.values, other.values)
