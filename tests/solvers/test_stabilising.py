"""The variance-stabilising transform: unbiased on constants, of one variance, finite everywhere."""

import math

import pytest
import torch
from deepinv.models import generalized_anscombe_transform

from pnp_priors.errors import InputError
from pnp_priors.solvers.stabilising import stabilised, unbiased_inverse

GAIN, SIGMA = 1 / 60, 0.02


def noisy(clean, gain=GAIN, sigma=SIGMA, seed=0):
    generator = torch.Generator().manual_seed(seed)
    photons = torch.poisson(clean / gain, generator=generator)
    return gain * photons + sigma * torch.randn(clean.shape, generator=generator)


@pytest.mark.parametrize("level", [0.05, 0.2, 0.5, 0.9])
def test_a_constant_comes_back_unbiased(level):
    """A denoiser that finds the mean of the transform: the plain inverse would be off."""
    y = noisy(torch.full((1, 1, 500, 500), level, dtype=torch.float64))
    error = math.sqrt((GAIN * level + SIGMA**2) / y.numel())

    def mean(z, _):
        return z.mean().expand_as(z)

    found = stabilised(mean, y, GAIN, SIGMA).mean().item()
    z = generalized_anscombe_transform(y, GAIN, SIGMA).mean().item()
    algebraic = (z**2 / 4 - 3 / 8 * GAIN**2 - SIGMA**2) / GAIN
    assert abs(found - level) < 4 * error + 1e-4
    assert abs(algebraic - level) > 3 * abs(found - level)


def test_the_denoiser_gets_unit_contrast_and_the_level_it_is_told():
    seen = []

    def denoise(z, sigma):
        seen.append((z, sigma))
        return z

    ends = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    stabilised(denoise, ends, GAIN, SIGMA)
    torch.testing.assert_close(seen[0][0], ends)
    for level in (0.1, 0.4, 0.8):
        y = noisy(torch.full((1, 1, 300, 300), level))
        stabilised(denoise, y, GAIN, SIGMA)
        z, sigma = seen[-1]
        assert z.std().item() == pytest.approx(sigma, rel=0.05)


def test_the_inverse_is_monotone_and_finite():
    z = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    found = unbiased_inverse(z, GAIN, SIGMA)
    assert torch.isfinite(found).all()
    assert found.min() == 0
    assert (found.diff() >= 0).all()


@pytest.mark.parametrize(("gain", "sigma"), [(0, 0), (2, 0), (0.1, -1), (0.1, 2)])
def test_impossible_noise(gain, sigma):
    with pytest.raises(InputError, match="gain is in"):
        stabilised(lambda z, _: z, torch.zeros(1, 1, 4, 4), gain, sigma)
