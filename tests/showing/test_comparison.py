"""Comparisons: scores and residuals in closed form, and priors as the package runs them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pnp_priors
from pnp_priors import registry
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.showing import comparison
from pnp_priors.showing.comparison import compare, noisy_version, remarks, score


@pytest.fixture(scope="module")
def photo(scene) -> np.ndarray:
    return scene(40, 36)[0].numpy()


def test_noise_is_of_the_level_and_of_the_seed(photo) -> None:
    large = np.zeros((3, 200, 200), np.float32)
    noise = noisy_version(large, 0.1, 0)
    assert noise.dtype == np.float32
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    assert np.array_equal(noise, noisy_version(large, 0.1, 0))
    assert not np.array_equal(noise, noisy_version(large, 0.1, 1))
    torch.testing.assert_close(noisy_version(large, 0.2, 0), 2 * noise)


def test_scores_and_residuals_of_a_known_prior(monkeypatch, photo) -> None:
    monkeypatch.setattr(comparison, "_restorer", lambda name, sigma, device: lambda x: x - sigma)
    noisy = noisy_version(photo, 0.1, 0)
    said: list[str] = []
    found = compare(noisy, ["ffdnet-gray"], 0.1, photo, progress=said.append)
    (result,) = found.results
    assert said == ["ffdnet-gray"]
    assert np.allclose(result.residual, 0.1, atol=1e-6)  # before clipping
    assert np.allclose(result.pixels, (noisy - 0.1).clip(0, 1))
    error = ((result.pixels.astype(np.float64) - photo) ** 2).mean()
    assert result.scores.psnr == pytest.approx(-10 * math.log10(error), abs=1e-4)
    error = ((noisy.astype(np.float64) - photo) ** 2).mean()
    assert found.scores.psnr == pytest.approx(-10 * math.log10(error), abs=1e-4)
    assert result.seconds > 0


def test_priors_are_told_sigma_as_the_package_tells_them(photo) -> None:
    noisy = noisy_version(photo, 25 / 255, 0)
    names = ["ffdnet-gray", "dncnn-b", "trd-5x5-s15", "ffdnet-color"]
    found = compare(noisy, names, 25 / 255)
    x = torch.from_numpy(noisy)[None]
    thrice = x.expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = [pnp_priors.load(name)(x, 25 / 255) for name in names[:3]]
        told = math.sqrt(3) * 25 / 255
        expected.append(pnp_priors.load("ffdnet-color")(thrice, told).mean(dim=1, keepdim=True))
    for result, right in zip(found.results, expected, strict=True):
        assert np.allclose(noisy - result.residual, right[0].numpy(), atol=2e-5), result.name
        assert result.scores is None
    assert found.scores is None
    assert [result.remarks for result in found.results] == [
        (),
        ("blind",),
        ("rescaled: trained for 15",),
        ("colour prior: mean of 3",),
    ]


def test_a_gray_prior_restores_colours_channel_by_channel(scene) -> None:
    noisy = noisy_version(scene(24, 28, 3)[0].numpy(), 0.1, 0)
    (result,) = compare(noisy, ["ffdnet-gray"], 0.1).results
    prior = pnp_priors.load("ffdnet-gray")
    for channel, residual in zip(noisy, result.residual, strict=True):
        with torch.no_grad():
            alone = prior(torch.from_numpy(channel)[None, None], 0.1)[0, 0].numpy()
        assert np.allclose(channel - residual, alone, atol=2e-5)
    assert result.remarks == ("gray: channel by channel",)


@pytest.mark.parametrize(
    ("name", "sigma", "channels", "said"),
    [
        ("ffdnet-gray", 25, 1, ()),
        ("ffdnet-gray", 90, 1, ("outside its 0 to 75",)),
        ("genericdp", 50, 1, ()),
        ("genericdp", 0.5, 1, ("outside its 1 to 50",)),
        ("trd-7x7-s50", 50, 1, ()),
        ("trd-7x7-s50", 49, 1, ("rescaled: trained for 50",)),
        ("dncnn-b", 60, 1, ("blind, trained up to 55",)),
        ("cbdnet", 25, 3, ("trained for camera noise",)),
        ("ka-s15", 15, 3, ("gray: channel by channel",)),
    ],
)
def test_remarks(name, sigma, channels, said) -> None:
    assert remarks(registry.describe(name), sigma / 255, channels) == said


def test_small_photos_have_no_ssim() -> None:
    small = np.zeros((1, 10, 40), np.float32)
    assert score(small + np.float32(0.1), small).ssim is None
    assert score(small + np.float32(0.1), small).psnr == pytest.approx(20, abs=1e-4)
    assert score(small, None) is None


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["genericdp", "ffdnet-gry"], UnknownNameError, "nearest: ffdnet-gray"),
        (["trd-jpeg-q10"], InputError, "trd-jpeg-q10 is trained for jpeg"),
        (["ffdnet-gray", "dncnn-color-b"], InputError, "dncnn-color-b: "),
    ],
)
def test_what_cannot_be_compared(photo, names, error, message) -> None:
    said: list[str] = []
    with pytest.raises(error, match=message):
        compare(photo, names, 0.1, progress=said.append)
    assert said == []  # before any of them ran
