"""The estimate of the noise level is deepinv's, without torch."""

import math

import numpy as np
import pytest
import torch
from deepinv.models import PatchCovarianceNoiseEstimator

from pnp_priors.errors import InputError
from pnp_priors.monitoring.noise_level import estimated_noise, patch_covariance_level


def noisy(sigma, channels=1, size=72, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    scene = np.stack([0.3 + 0.3 * x * y + 0.1 * np.sin(c + 9 * x) for c in range(channels)])
    return (scene + sigma * rng.normal(size=scene.shape))[None]


@pytest.fixture
def double():
    """deepinv makes its result in torch's default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("sigma", [1 / 255, 10 / 255, 50 / 255])
@pytest.mark.parametrize(("channels", "patch", "stride"), [(1, 8, 1), (3, 4, 1), (3, 8, 3)])
@pytest.mark.usefixtures("double")
def test_it_is_deepinvs(sigma, channels, patch, stride):
    image = noisy(sigma, channels)
    expected = PatchCovarianceNoiseEstimator.estimate_noise(torch.from_numpy(image), patch, stride)
    found = patch_covariance_level(image[0], patch, stride)
    assert found == pytest.approx(float(expected), rel=1e-9)


def test_in_float32_deepinvs_is_near():
    """What the level was computed with before; the rest is its rounding."""
    image = noisy(15 / 255).astype(np.float32)
    expected = PatchCovarianceNoiseEstimator.estimate_noise(torch.from_numpy(image), 8, 1)
    assert estimated_noise(image) == pytest.approx(float(expected), rel=1e-5)


def test_planes_and_photos_give_the_root_of_the_mean_variance():
    both = np.concatenate([noisy(0.02, 3), noisy(0.08, 3, seed=1)])
    single = [estimated_noise(plane[None, None]) for photo in both for plane in photo]
    assert estimated_noise(both) == pytest.approx(math.hypot(*single) / math.sqrt(6))


def test_arrays_tensors_and_types_are_one():
    image = noisy(0.05, 3).astype(np.float32)
    level = estimated_noise(image, sharp=True)
    assert estimated_noise(torch.from_numpy(image).requires_grad_(), sharp=True) == level
    assert estimated_noise(image.astype(np.float64), sharp=True) == level


def test_the_middle_of_a_large_photo_counts():
    image = noisy(0.05, size=400)
    image[..., :8, :] = 1e3
    assert estimated_noise(image) == pytest.approx(0.05, rel=0.1)


def test_a_photo_smaller_than_a_patch_has_no_level():
    with pytest.raises(InputError, match=r"set noise\.sigma"):
        estimated_noise(np.zeros((1, 1, 7, 30)))
