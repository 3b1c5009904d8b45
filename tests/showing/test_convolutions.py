"""Gains against brute force, filters of pixels, what is removed, in closed form."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import pnp_priors
from pnp_priors.errors import InputError
from pnp_priors.showing.convolutions import (
    estimated,
    gain,
    networks,
    pixel_filter,
    places,
    removed,
    rising,
)


def test_gains_known_in_closed_form() -> None:
    identity = torch.zeros(1, 1, 3, 3)
    identity[..., 1, 1] = 3
    assert gain(identity) == pytest.approx(3)
    assert gain(torch.full((1, 1, 3, 3), 1 / 9)) == pytest.approx(1)
    difference = torch.tensor([[[[1.0, -1.0]]]])  # doubles the highest frequency
    assert gain(difference) == pytest.approx(2)


@pytest.mark.parametrize("shape", [(3, 2, 3, 3), (2, 3, 3, 3)])
def test_gain_is_the_norm_of_the_whole_matrix(shape) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    size = 16
    units = torch.eye(shape[1] * size**2, dtype=torch.float64)
    units = units.reshape(-1, shape[1], size, size)
    columns = F.conv2d(F.pad(units, (1, 1, 1, 1), mode="circular"), weight).flatten(1)
    assert gain(weight) == pytest.approx(float(torch.linalg.matrix_norm(columns, 2)), rel=1e-6)


def test_ffdnets_first_filters_lie_on_the_image() -> None:
    prior = pnp_priors.load("ffdnet-color")
    (network,) = networks(prior)
    first = prior.body[0]
    image = torch.rand(1, 3, 12, 14)
    cells = torch.cat([F.pixel_unshuffle(image, 2), torch.zeros(1, 1, 6, 7)], dim=1)
    expected = first(cells) - first.bias[:, None, None]
    padded = F.pad(image, (2, 2, 2, 2))
    norms = first.weight[:, :12].flatten(1).norm(dim=1)
    order = norms.argsort(descending=True, stable=True)
    torch.testing.assert_close(
        F.conv2d(padded, network.first, stride=2), expected[:, order], atol=1e-4, rtol=1e-3
    )


def test_chains_of_each_network() -> None:
    counts = {
        name: [(network.name, len(network.layers)) for network in networks(pnp_priors.load(name))]
        for name in ("dncnn-s25", "ffdnet-gray", "cbdnet")
    }
    assert counts == {
        "dncnn-s25": [("network", 17)],
        "ffdnet-gray": [("network", 15)],
        "cbdnet": [("noise estimator", 5), ("U-Net", 17)],
    }
    with pytest.raises(InputError, match="ReactionDiffusion has no chain of convolutions"):
        networks(pnp_priors.load("trd-5x5-s25"))


def test_what_is_removed_by_a_known_prior(formula, scene) -> None:
    clean, noise = scene(32, 36), torch.randn(1, 1, 32, 36)
    half = formula(lambda x, sigma: 0.5 * x)
    (found,) = removed(half, clean, noise, [20.0], [20.0])
    x = 255 * clean + 20 * noise
    assert found == pytest.approx(float((0.5 * x).square().mean().sqrt()), rel=1e-5)
    told = formula(lambda x, sigma: x - sigma)
    assert removed(told, clean, noise, [20.0, 20.0], [10.0, 40.0]) == pytest.approx(
        [10, 40], rel=1e-3
    )


def test_the_filter_of_a_pixel_is_the_linear_filter(formula) -> None:
    kernel = torch.arange(15.0).reshape(1, 1, 3, 5)
    linear = formula(lambda x, sigma: F.conv2d(x, kernel, padding=(1, 2)))
    found = pixel_filter(linear, torch.rand(1, 1, 20, 20), 0.1, (9, 12), window=7)
    expected = F.pad(kernel[0, 0], (1, 1, 2, 2))
    assert torch.equal(found, expected)
    corner = pixel_filter(linear, torch.rand(1, 1, 20, 20), 0.1, (0, 0), window=7)
    assert torch.equal(corner[3:, 3:], expected[3:, 3:])
    assert not corner[:3].any()


def test_places_are_what_they_are_called() -> None:
    image = torch.full((1, 1, 60, 90), 0.5)
    image[..., 30:60] = 0.9  # a straight edge at column 30
    image[..., 60:] = 0.5 + 0.4 * torch.rand(60, 30, generator=torch.Generator().manual_seed(2))
    found = places(image, window=21)
    assert found["plain"][1] < 26 or 35 < found["plain"][1] < 55
    assert abs(found["edge"][1] - 30) <= 5
    assert found["texture"][1] > 60
    for row, column in found.values():
        assert 10 <= row < 50
        assert 10 <= column < 80


def test_noise_rises_from_left_to_right() -> None:
    clean, noise = torch.zeros(1, 3, 8, 101), torch.ones(1, 3, 8, 101)
    noisy, levels = rising(clean, noise, 0.2)
    assert levels.shape == (1, 1, 8, 101)
    assert levels[0, 0, 3, [0, 50, 100]].tolist() == pytest.approx([0, 0.1, 0.2])
    assert torch.equal(noisy, levels.expand(1, 3, -1, -1))


def test_the_estimate_is_cbdnets_own() -> None:
    prior = pnp_priors.load("cbdnet")
    clean, noise = torch.full((1, 3, 16, 16), 0.5), torch.randn(1, 3, 16, 16)
    (found,) = estimated(prior, clean, noise, [30.0])
    expected = 255 * prior.estimate(clean + 30 / 255 * noise).mean()
    assert math.isclose(found, float(expected), rel_tol=1e-5)
