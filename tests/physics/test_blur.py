"""The data step of our blur: deepinv's minimiser, with more of its digits."""

import pytest
import torch
from deepinv.physics import BlurFFT

from pnp_priors.physics.blur import Blur


def case(dtype, total=1.0, size=(2, 3, 22, 25)):
    generator = torch.Generator().manual_seed(0)
    kernel = torch.rand(1, 1, 7, 5, generator=generator, dtype=torch.float64)
    kernel *= total / kernel.sum()
    z, y = (torch.rand(size, generator=generator, dtype=torch.float64) for _ in range(2))
    return kernel.to(dtype), z.to(dtype), y.to(dtype)


@pytest.mark.parametrize("total", [1.0, 0.4])
@pytest.mark.parametrize("gamma", [0.1, 2000.0])
def test_it_is_the_minimiser_of_deepinv(gamma, total):
    kernel, z, y = case(torch.float64, total)
    size = tuple(y.shape[1:])
    found = Blur(size, kernel).prox_l2(z, y, gamma)
    torch.testing.assert_close(found, BlurFFT(size, kernel).prox_l2(z, y, gamma))


def test_each_image_may_have_its_own_step():
    kernel, z, y = case(torch.float64)
    blur = Blur(tuple(y.shape[1:]), kernel)
    together = blur.prox_l2(z, y, torch.tensor([3.0, 500.0]))
    for b, gamma in enumerate((3.0, 500.0)):
        torch.testing.assert_close(together[b : b + 1], blur.prox_l2(z[[b]], y[[b]], gamma))


@pytest.mark.parametrize("z", [None, 0.0, 0.5])
def test_z_may_be_a_number(z):
    kernel, _, y = case(torch.float64)
    blur = Blur(tuple(y.shape[1:]), kernel)
    everywhere = torch.full_like(y, z or 0.0)
    torch.testing.assert_close(blur.prox_l2(z, y, 5.0), blur.prox_l2(everywhere, y, 5.0))


def test_float32_is_as_exact_as_float32_can_be():
    kernel, z, y = case(torch.float32, size=(1, 1, 128, 120))
    kernel[:] = 1 / 35  # passes nothing at some frequencies
    size, gamma = tuple(y.shape[1:]), 2000.0
    exact = BlurFFT(size, kernel.double()).prox_l2(z.double(), y.double(), gamma)
    error = (Blur(size, kernel).prox_l2(z, y, gamma) - exact).abs().max()
    theirs = (BlurFFT(size, kernel).prox_l2(z, y, gamma) - exact).abs().max()
    assert error < 1e-5
    assert error < theirs / 10
