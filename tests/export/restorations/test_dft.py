"""The transform by matrix products against torch's, for sizes of every kind."""

import numpy as np
import pytest
import torch

from pnp_priors.export.graphs.restorations import dft
from pnp_priors.export.graphs.restorations.dft import Fourier

#: one pixel, odd, prime, powers of two, products of 2, 3 and 5, long and narrow, large
SIZES = [(1, 1), (1, 7), (2, 3), (16, 16), (13, 17), (101, 64), (60, 54), (9, 250), (512, 384)]


def image(size, count=1):
    return np.random.default_rng(0).random((count, *size)).astype(np.float32) - np.float32(0.5)


def of(x):
    return Fourier(x.graph, x.size(1), x.size(2))


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(compute, size):
    x = image(size)
    found = compute(lambda v: of(v).inverse(of(v).forward(v)), x)
    assert np.abs(found - x).max() < 2e-6


@pytest.mark.parametrize("size", SIZES)
def test_the_spectrum_is_torchs_one(compute, size):
    """A filter that only the right frequencies in the right places give."""
    x = image(size, count=2)

    def smooth(v):
        fourier = of(v)
        return fourier.inverse(fourier.forward(v) / (fourier.laplacian() + 0.1))

    down, right = (2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(n)) for n in size)
    spectrum = np.fft.fft2(x.astype(np.float64)) / (down[:, None] + right + 0.1)
    assert np.abs(compute(smooth, x) - np.fft.ifft2(spectrum).real).max() < 4e-6


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("size", [(12, 10), (15, 7), (1, 8)])
def test_products_convolve(compute, size, conjugate):
    a, b = image(size, 2)
    found = compute(
        lambda v, w: of(v).inverse(
            dft.product(v.graph, of(v).forward(w), of(v).forward(v), conjugate)
        ),
        a[None],
        b[None],
    )
    spectra = torch.fft.fft2(torch.from_numpy(np.stack([a, b]).astype(np.float64)))
    second = spectra[1].conj() if conjugate else spectra[1]
    expected = torch.fft.ifft2(spectra[0] * second).real.numpy()
    assert np.abs(found[0] - expected).max() < 4e-6


@pytest.mark.parametrize("size", [(12, 10), (15, 7), (4, 9)])
def test_inner_products_of_spectra(compute, size):
    a, b = image(size, 2)
    found = compute(
        lambda v, w: of(v).dot(of(v).forward(v), of(v).forward(w)), a[None], b[None], axes=5
    )
    assert found.ravel() == pytest.approx((a * b).sum() * a.size, abs=1e-3)


@pytest.mark.parametrize("size", [(13, 17), (60, 54)])
def test_in_float64(compute, size):
    x = image(size).astype(np.float64)

    def smooth(v):
        fourier = Fourier(v.graph, v.size(1), v.size(2), np.float64)
        return fourier.inverse(fourier.forward(v) / (fourier.laplacian() + 0.1))

    down, right = (4 * np.sin(np.pi * np.fft.fftfreq(n)) ** 2 for n in size)
    spectrum = np.fft.fft2(x) / (down[:, None] + right + 0.1)
    assert np.abs(compute(smooth, x) - np.fft.ifft2(spectrum).real).max() < 1e-13


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 1.2e-7), (np.float64, 2e-15)])
def test_turns_are_exact_without_cos_and_sin(compute, dtype, error):
    for period in (1, 2, 3, 8, 97, 1024, 6561):
        index = np.arange(3 * period, dtype=np.int64)
        both = compute(
            lambda v, n: v.graph.concat(
                [part.reshape([1, -1]) for part in dft.turn(v.graph, v, n.reshape([]), dtype)],
                axis=0,
            ),
            index,
            np.array([period], np.int64),
            axes=2,
        )
        angle = 2 * np.pi * (index % period) / period
        assert np.abs(both - np.stack([np.cos(angle), np.sin(angle)])).max() < error
