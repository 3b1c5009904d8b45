"""Estimated noise levels and stated ones that cannot be right."""

import math

import pytest
import torch

from pnp_priors.errors import InputError
from pnp_priors.monitoring import noise
from pnp_priors.monitoring.noise import Estimate


def photo(level, size=150, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0, 1, size)
    scene = 0.5 + 0.3 * torch.sin(6 * ramp[:, None] + 4 * ramp)
    return scene + level * torch.randn(1, channels, size, size, generator=generator)


@pytest.mark.parametrize(("level", "channels"), [(2.55 / 255, 1), (10 / 255, 3)])
def test_the_level_is_within_two_spreads(level, channels):
    found = noise.estimate(photo(level, channels=channels))
    assert abs(found.sigma - level) < 2 * found.spread
    assert found.spread < 0.2 * level


def test_noise_that_differs_within_the_photo_widens_the_spread():
    even = photo(5 / 255)
    uneven = photo(2 / 255)
    uneven[..., :75] = photo(7 / 255, seed=1)[..., :75]
    assert noise.estimate(uneven).spread > 3 * noise.estimate(even).spread


def test_colours_tell_texture_from_noise_unless_they_share_it():
    texture = 0.05 * torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    level = 0.03
    noisy = photo(level, 96, channels=3) + texture
    alone = noise.estimate(noisy).sigma
    assert alone == pytest.approx(math.hypot(level, 0.05), rel=0.1)
    assert noise.estimate(noisy, sharp=True).sigma == pytest.approx(level, rel=0.1)
    gray = photo(level, 96).expand(-1, 3, -1, -1)
    assert noise.estimate(gray, sharp=True).sigma == pytest.approx(level, rel=0.1)
    # Chroma that was halved has no noise of its own left.
    chroma = torch.nn.functional.interpolate(photo(level, 12, channels=3), 96, mode="bilinear")
    shared = gray + 0.2 * (chroma - chroma.mean(1, keepdim=True))
    assert noise.estimate(shared, sharp=True).sigma == pytest.approx(level, rel=0.15)


def test_small_photos_have_no_spread_and_tiny_ones_no_estimate():
    assert noise.estimate(photo(0.02, size=60)).spread is None
    with pytest.raises(InputError, match=r"set noise\.sigma"):
        noise.estimate(torch.zeros(1, 1, 7, 7))


def test_words():
    assert str(Estimate(2.6 / 255, 0.1 / 255)) == "2.60 ± 0.10 /255"
    assert str(Estimate(2.6 / 255, None)) == "2.60/255"


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (10 / 255 / 255, "too low (as if it had been divided by 255 twice)"),
        (1.0, "too high"),
        (0.0, None),
        (0.02, None),
        (0.05, None),
        (0.2, "too high"),
    ],
)
def test_stated_levels(stated, words):
    found = Estimate(10 / 255, 0.5 / 255)
    lines = noise.stated_warnings(stated, found)
    if words is None:
        assert lines == []
    else:
        (line,) = lines
        assert words in line
        assert "10.00 ± 0.50 /255" in line


def test_a_level_in_255_units_is_recognised_on_a_real_estimate():
    level = 0.9 / 255
    (line,) = noise.stated_warnings(0.9, noise.estimate(photo(level)))
    assert "0..255 units" in line
