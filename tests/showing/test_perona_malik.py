"""Diffusivities against closed forms and against the scheme itself."""

from __future__ import annotations

import pytest
import torch

import pnp_priors
from pnp_priors.priors.perona_malik import PeronaMalik, divergence
from pnp_priors.showing.perona_malik import contrasts, curves, diffusivity, experts


def test_ka_is_the_classical_diffusivity(scene) -> None:
    prior = pnp_priors.load("ka-s25")
    image = scene(48, 48)
    found = curves(prior, [image, 0.5 * image], points=2041)
    edges = contrasts(prior, [image, 0.5 * image])
    assert not found.of_edges
    assert found.diffusivity.shape == (2, 2041)
    for row, flux, contrast in zip(found.diffusivity, found.flux, edges.tolist(), strict=True):
        at_edge = int((found.s - contrast).abs().argmin())
        assert row[0] == 1
        assert float(row[at_edge]) == pytest.approx(0.5, abs=0.01)
        # s / (1 + s²/K²) is largest at s = K, where it is K/2.
        assert abs(int(flux.argmax()) - at_edge) <= 1
        assert float(flux.max()) == pytest.approx(contrast / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["foe-d-s25", "diffusivity-unet-s25"])
def test_others_are_measured_at_an_edge_as_the_scheme_uses_it(name) -> None:
    prior = pnp_priors.load(name)
    found = curves(prior, [], points=6)
    assert found.of_edges
    assert contrasts(prior, []) is None
    for s, value, flux in zip(found.s, found.diffusivity[0], found.flux[0], strict=True):
        image = torch.full((1, 1, 64, 64), 0.5) - s / 510
        image[..., 32:] += s / 255
        a = diffusivity(prior, image)
        # What the left pixel of the edge gains in one step of 1 is the flux across the edge.
        gained = 255 * divergence(image, a)[0, 0, 32, 31]
        assert float(gained) == pytest.approx(float(flux), abs=1e-3)
        assert float(value) == pytest.approx(float(a[0, 0, 32, 31:33].mean()), abs=1e-5)


def test_a_field_of_zeros_diffuses_by_a_half() -> None:
    prior = PeronaMalik("splines", {"experts": 3, "kernel": 3})
    with torch.no_grad():
        prior.diffusivity.slopes.zero_()
        prior.diffusivity.start.zero_()
    found = curves(prior, [], points=5)
    torch.testing.assert_close(found.diffusivity, torch.full((1, 5), 0.5))
    torch.testing.assert_close(found.flux[0], 0.5 * found.s)


def test_functions_of_roth_black_experts(scene) -> None:
    prior = pnp_priors.load("foe-rb-s25")
    found = experts(prior, scene(40, 40))
    x = 2 * torch.sigmoid(found.response) - 1
    alpha = prior.diffusivity.log_alpha.exp().flatten()
    mine = prior.diffusivity.filters.flatten(1)
    order = torch.cdist(found.filters.flatten(1), mine).argmin(dim=1)
    assert sorted(order.tolist()) == list(range(len(mine)))
    expected = (1 + x.square() / 2) ** -alpha[order, None]
    torch.testing.assert_close(found.functions, expected)


def test_what_has_no_experts(scene) -> None:
    for name in ("ka-s25", "diffusivity-unet-s25"):
        assert experts(pnp_priors.load(name), scene(40, 40)) is None
