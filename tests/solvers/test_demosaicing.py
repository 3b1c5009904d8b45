"""Demosaicing: what the sensor saw stays, and a prior for colours beats linear interpolation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from deepinv.models import Denoiser
from torch import Tensor

import pnp_priors
from pnp_priors import images
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.bayer import PATTERNS, bayer_mask, interpolate
from pnp_priors.pipelines import files
from pnp_priors.solvers import Schedule
from pnp_priors.solvers.demosaicing import demosaic, demosaicing_schedule

PSNR = Callable[[Tensor, Tensor], float]


class Nothing(Denoiser):
    """A prior that changes nothing."""

    def forward(self, x: Tensor, sigma: object, **_: object) -> Tensor:
        return x


def photo(height: int, width: int) -> Tensor:
    """In colours, and halved, because the file itself may have been made from a mosaic."""
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    part = pixels[:, 100 : 100 + 2 * height, 120 : 120 + 2 * width]
    return torch.nn.functional.avg_pool2d(torch.from_numpy(part.copy()).float()[None], 2)


@pytest.mark.parametrize("pattern", ["rggb", "gbrg"])
def test_a_prior_for_colours_is_better_than_linear_interpolation(pattern: str, psnr: PSNR) -> None:
    clean = photo(49, 54)
    mask = bayer_mask(pattern, 49, 54)
    raw = (clean * mask).sum(dim=1, keepdim=True)
    found = demosaic(raw, pnp_priors.load("ffdnet-color"), pattern)
    torch.testing.assert_close(found * mask, clean * mask)
    assert psnr(found, clean) > psnr(interpolate(raw, pattern), clean) + 1


def test_noise(psnr: PSNR) -> None:
    clean = photo(48, 48)
    raw = (clean * bayer_mask("rggb", 48, 48)).sum(dim=1, keepdim=True)
    raw = raw + 15 / 255 * torch.randn(raw.shape, generator=torch.Generator().manual_seed(5))
    prior = pnp_priors.load("ffdnet-color")
    found = demosaic(raw, prior, noise=15 / 255)
    assert psnr(found, clean) > psnr(demosaic(raw, prior), clean) + 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_prior_that_changes_nothing_leaves_the_interpolation(pattern: str) -> None:
    raw = torch.rand(2, 1, 6, 7)
    found = demosaic(raw, Nothing(), pattern, schedule=Schedule((0.1,), (5.0,)))
    torch.testing.assert_close(found, interpolate(raw, pattern))


def test_the_schedule_ends_at_the_noise_or_at_one_of_255_levels() -> None:
    assert demosaicing_schedule(0).sigma[-1] == pytest.approx(1 / 255)
    assert demosaicing_schedule(0.1, 5).sigma == pytest.approx((0.1,) * 5)
    with pytest.raises(InputError, match="image units"):
        demosaicing_schedule(2.55)


def test_what_is_refused() -> None:
    raw = torch.rand(1, 1, 6, 6)
    with pytest.raises(InputError, match="a prior for 3 channels, this one is for 1"):
        demosaic(raw, pnp_priors.load("ffdnet-gray"))
    with pytest.raises(UnknownNameError, match="Bayer pattern"):
        demosaic(raw, Nothing(), "rgbg")
    with pytest.raises(UnknownNameError, match="solver"):
        demosaic(raw, Nothing(), name="hsq")
    with pytest.raises(InputError, match="mosaic"):
        demosaic(torch.rand(1, 3, 6, 6), Nothing())
