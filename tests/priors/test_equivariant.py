"""Averaged over all flips and rotations, a prior commutes with each of them."""

from __future__ import annotations

import copy
import pickle

import deepinv
import numpy as np
import pytest
import torch
from torch import Tensor

import pnp_priors
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.priors.cbdnet import CBDNet
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.equivariant import Equivariant
from pnp_priors.priors.ffdnet import FFDNet
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion
from pnp_priors.solvers import dpir, solver
from pnp_priors.symmetries import INVERSES, turn


class Blur(Prior):
    """Means of two neighbours in a row, weighed by sigma: linear, and not symmetric."""

    def __init__(self) -> None:
        super().__init__(1, (0.0, 1.0))
        self.weight = torch.nn.Parameter(torch.ones(()))

    @property
    def receptive_field(self) -> int:
        return 3

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.weight * (x + sigma * (torch.roll(x, 1, -1) - x))


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_the_mean_over_the_eight() -> None:
    """Of a shift by a pixel: the mean of the shifts to all four sides, each twice."""
    x, s = random(2, 1, 5, 7), 0.3
    neighbours = [torch.roll(x, step, axis) for axis in (-1, -2) for step in (-1, 1)]
    expected = (1 - s) * x + s * sum(neighbours) / 4
    torch.testing.assert_close(Equivariant(Blur().double())(x, s), expected)


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize(
    "prior",
    [Blur(), FFDNet(depth=3, width=4), DnCNN(depth=3, width=4, blind=True)],
    ids=["blur", "ffdnet", "dncnn"],
)
def test_it_commutes_with_each_symmetry(prior: Prior, index: int) -> None:
    model = Equivariant(prior.double().eval()).eval()
    x, sigma = random(2, 1, 9, 6), 0.1 + 0.1 * random(2, 1, 9, 6, seed=1)
    restored = model(x, sigma)
    assert restored.shape == x.shape
    turned = model(turn(x, index), turn(sigma, index))
    torch.testing.assert_close(turn(turned, INVERSES[index]), restored, rtol=0, atol=1e-12)
    assert torch.equal(model(x, sigma), restored)


def test_sigma_may_have_every_form() -> None:
    model, x = Equivariant(Blur().double()), random(2, 1, 6, 4)
    each = torch.cat([model(x[:1], 0.1), model(x[1:], 0.3)])
    levels = torch.tensor([0.1, 0.3], dtype=torch.float64)
    for form in (levels, levels.numpy(), levels.view(2, 1, 1, 1).expand(2, 1, 6, 4)):
        torch.testing.assert_close(model(x, form), each)
    one = np.full((1, 1, 6, 4), 0.1)
    torch.testing.assert_close(model(x, one), model(x, 0.1))
    with pytest.raises(InputError, match="not blind"):
        model(x)
    with pytest.raises(InputError, match=r"looks like 0\.\.255"):
        model(x, 25)


def test_gray_priors_take_colour_and_estimates_are_averaged_too() -> None:
    x = random(1, 3, 6, 8)
    model = Equivariant(Blur().double())
    apart = torch.cat([model(x[:, i : i + 1], 0.2) for i in range(3)], dim=1)
    torch.testing.assert_close(model(x, 0.2), apart)
    torch.manual_seed(0)
    camera = Equivariant(CBDNet(width=4, estimator_width=4).double().eval()).eval()
    x = random(1, 3, 16, 24)
    estimate = camera.estimate(x)
    torch.testing.assert_close(turn(camera.estimate(turn(x, 1)), 3), estimate, rtol=0, atol=1e-12)
    torch.testing.assert_close(turn(camera(turn(x, 5)), 5), camera(x), rtol=0, atol=1e-12)


def test_it_is_deepinvs_and_says_what_the_prior_inside_says() -> None:
    model = pnp_priors.load("ffdnet-gray", equivariant=True)
    assert isinstance(model, deepinv.models.EquivariantDenoiser)
    assert isinstance(model, Prior)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    inside = pnp_priors.load("ffdnet-gray")
    for key in ("channels", "sigma_range", "blind", "tasks", "scales", "size_multiple"):
        assert getattr(model, key) == getattr(inside, key)
    assert type(model.prior) is type(inside)
    x = torch.rand(1, 1, 10, 13)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x, 0.1), model(x, 0.1))


def test_it_runs_in_hqs() -> None:
    physics = deepinv.physics.BlurFFT((1, 16, 12), filter=torch.full((1, 1, 3, 3), 1 / 9))
    x = torch.rand(1, 1, 16, 12)
    model = pnp_priors.load("ffdnet-gray", equivariant=True)
    restored = solver("hqs", model, dpir(0.02, 2))(physics.A(x), physics)
    assert restored.shape == x.shape
    assert torch.isfinite(restored).all()


def test_tiles_only_where_cells_are_pixels() -> None:
    assert Equivariant(Blur()).halo == 1
    with pytest.raises(InputError, match="cells of 2 pixels"):
        _ = Equivariant(FFDNet(depth=3, width=4)).halo


def test_jpeg_priors_are_refused() -> None:
    with pytest.raises(InputError, match="JPEG's grid of blocks"):
        Equivariant(JpegReactionDiffusion(stages=1, filter_size=3))
