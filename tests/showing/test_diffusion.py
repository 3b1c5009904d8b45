"""Influence and penalty functions against closed forms; filters, strengths, reaction weights."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import pnp_priors
from pnp_priors.errors import InputError
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.showing.diffusion import reaction, stage


@pytest.fixture(scope="module")
def trd() -> ReactionDiffusion:
    prior = pnp_priors.load("trd-5x5-s25")
    assert isinstance(prior, ReactionDiffusion)
    return prior


@pytest.fixture(scope="module")
def noisy(scene) -> torch.Tensor:
    clean = scene(40, 44)
    generator = torch.Generator().manual_seed(0)
    return clean + 25 / 255 * torch.randn(clean.shape, generator=generator)


@pytest.mark.parametrize("number", [1, 5])
def test_the_penalty_is_an_antiderivative_of_the_influence(trd, noisy, number) -> None:
    found = stage(trd, number, noisy)
    step = float(found.z[1] - found.z[0])
    # Central differences; the error is of second order in the step of a third of a unit.
    slope = (found.penalty[:, 2:] - found.penalty[:, :-2]).double() / (2 * step)
    error = (slope - found.influence[:, 1:-1]).abs().max()
    assert error < 2e-3 * found.influence.abs().max()
    assert torch.equal(found.penalty.amin(dim=1), torch.zeros(24))


def test_the_gaussian_penalty_in_closed_form(trd, noisy) -> None:
    found = stage(trd, 2, noisy)
    order = _order(trd, 2, found)
    weights = trd.weights[1].double()[order]
    mu, width = trd.basis.centres.double(), trd.basis.spacing
    z = found.z.double()[:, None]
    phi = torch.exp(-0.5 * ((z - mu) / width) ** 2) @ weights.T
    scale = width * math.sqrt(math.pi / 2)
    rho = scale * torch.erf((z - mu) / (width * math.sqrt(2))) @ weights.T
    torch.testing.assert_close(found.influence.double().T, phi, atol=1e-4, rtol=1e-3)
    difference = found.penalty.double().T - rho
    constant = difference.mean(dim=0, keepdim=True)
    assert (difference - constant).abs().max() < 2e-3 * (rho.amax() - rho.amin())


def _order(prior, number, found):
    """Which of the prior's filters each of the stage's is."""
    mine = prior.filters()[number - 1].flatten(1)
    return (found.filters.flatten(1) @ mine.T).argmax(dim=1)


def test_strength_is_the_force_on_the_image_and_decides_the_order(trd, noisy) -> None:
    found = stage(trd, 1, noisy)
    assert (found.strength.diff() <= 0).all()
    order = _order(trd, 1, found)
    assert sorted(order.tolist()) == list(range(24))
    padded = F.pad(255 * noisy, (4, 4, 4, 4), mode="reflect")
    response = F.conv2d(padded, found.filters)[:, :, 4:-4, 4:-4]
    force = trd.basis.direct(response, trd.weights[0][order])
    rms = force.square().mean(dim=(0, 2, 3)).sqrt()
    torch.testing.assert_close(found.strength, rms, rtol=0.1, atol=0.0)  # but for the borders
    inside = (response > found.central[:, 0, None, None]) & (
        response < found.central[:, 1, None, None]
    )
    assert (inside.float().mean(dim=(0, 2, 3)) - 0.9).abs().max() < 0.04


def test_colour_filters_are_of_three_channels() -> None:
    prior = pnp_priors.load("genericdp-color")
    found = stage(prior, 3, torch.rand(1, 3, 20, 20))
    assert found.filters.shape == (64, 3, 5, 5) or found.filters.shape[1] == 3
    norms = found.filters.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(len(norms)))


@pytest.mark.parametrize("number", [0, 6])
def test_a_stage_that_there_is_not(trd, noisy, number) -> None:
    with pytest.raises(InputError, match=f"stage {number}: this prior has stages 1 to 5"):
        stage(trd, number, noisy)


def test_reaction_weights_of_all_levels() -> None:
    prior = pnp_priors.load("genericdp")
    sigmas, weights = reaction(prior)
    assert weights.shape == (8, len(sigmas))
    # At whole levels they are the network's own parameters.
    whole = torch.isclose(255 * sigmas, (255 * sigmas).round(), atol=1e-3)
    assert int(whole.sum()) == 50
    torch.testing.assert_close(weights[:, whole], prior.reaction_weights, atol=1e-4, rtol=1e-3)


def test_reaction_weights_of_one_level_and_of_none(trd) -> None:
    sigmas, weights = reaction(trd)
    assert (255 * sigmas).tolist() == pytest.approx([25])
    assert torch.equal(weights, trd.reaction_weights)
    assert reaction(pnp_priors.load("genericdp-wo")) is None
    assert reaction(pnp_priors.load("trd-jpeg-q10")) is None
