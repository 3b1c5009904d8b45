"""Inpainting: known pixels stay, missing ones come back better than by smooth filling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from deepinv.models import Denoiser
from torch import Tensor

import pnp_priors
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.solvers import Schedule
from pnp_priors.solvers.inpainting import check_known, fill, inpaint, inpainting_schedule

PSNR = Callable[[Tensor, Tensor], float]
Scene = Callable[..., Tensor]


class Smooth(Denoiser):
    """Means of 3×3 pixels: repeated, a heat equation."""

    def forward(self, x: Tensor, sigma: object, **_: object) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 3, stride=1)


def some_missing(height: int, width: int, share: float = 0.5) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return (torch.rand(height, width, generator=generator) >= share).float()


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_gaussian_prior_is_better_than_smooth_filling(
    share: float, scene: Scene, psnr: PSNR
) -> None:
    clean = scene(48, 51)
    known = some_missing(48, 51, share)
    y = torch.where(known > 0, clean, torch.nan)
    found = inpaint(y, known, pnp_priors.load("ffdnet-gray"))
    start = fill(y, known)
    assert torch.equal(found[..., known > 0], clean[..., known > 0])
    assert psnr(found, clean) > psnr(start, clean) + 1.5


def test_with_noise_known_pixels_are_denoised_too(scene: Scene, psnr: PSNR) -> None:
    clean = scene(48, 48)
    known = some_missing(48, 48, 0.3)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(4))
    y = clean + 25 / 255 * noise
    prior = pnp_priors.load("ffdnet-gray")
    found = inpaint(y, known, prior, noise=25 / 255)
    assert psnr(found, clean) > psnr(inpaint(y, known, prior), clean) + 2
    assert not torch.equal(found[..., known > 0], y[..., known > 0])


def test_with_a_linear_prior_it_is_the_splitting_of_two_steps() -> None:
    y, known = torch.rand(1, 1, 7, 9), some_missing(7, 9)[None, None]
    schedule = Schedule((0.2, 0.1), (3.0, 2.0))
    expected = fill(y, known)
    for gamma in schedule.stepsize:
        seen = (gamma * known * y + expected) / (gamma * known + 1)
        expected = Smooth()(seen, None)
    found = inpaint(y, known, Smooth(), noise=0.1, schedule=schedule)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 6), (1, 1), (2, 1)])
def test_filling_keeps_what_is_known_and_flat_images(size: tuple[int, int]) -> None:
    known = some_missing(*size, 0.6)
    known[0, 0] = 1
    y = torch.rand(2, 3, *size)
    found = fill(torch.where(known > 0, y, torch.nan), known)
    assert found.isfinite().all()
    assert torch.equal(found[..., known > 0], y[..., known > 0])
    # Means of means: never beyond what is known.
    low, high = (f(y[..., known > 0], dim=-1)[..., None, None] for f in (torch.amin, torch.amax))
    assert ((found >= low - 1e-6) & (found <= high + 1e-6)).all()
    assert torch.allclose(fill(torch.full_like(y, 0.4), known), torch.tensor(0.4))


def test_masks_of_all_shapes() -> None:
    y = torch.rand(2, 3, 6, 5)
    flat = some_missing(6, 5) > 0
    for known in (flat, flat[None], flat[None, None], flat.expand(3, 6, 5), flat.expand_as(y)):
        found = inpaint(y, known, Smooth(), schedule=Schedule((0.1,), (1.0,)))
        assert torch.equal(found[..., flat], y[..., flat])
        assert not torch.equal(found, y)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (torch.ones(6, 4), "does not fit"),
        (torch.ones(2, 6, 5), "does not fit"),
        (torch.ones(5), "does not fit"),
        (torch.full((6, 5), 0.5), "only zeros"),
        (torch.full((6, 5), torch.nan), "only zeros"),
        (torch.zeros(6, 5), "no known pixel"),
    ],
)
def test_masks_that_are_refused(known: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_known(known, torch.rand(1, 3, 6, 5))


def test_other_arguments_that_are_refused() -> None:
    with pytest.raises(InputError, match="image units"):
        inpainting_schedule(2.55)
    with pytest.raises(UnknownNameError, match="solver"):
        inpaint(torch.rand(1, 1, 4, 4), torch.ones(4, 4), Smooth(), name="hsq")
