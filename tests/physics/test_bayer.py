"""Bayer patterns against deepinv's one, and linear interpolation against what it must keep."""

from __future__ import annotations

import pytest
import torch
from deepinv.physics import Demosaicing

from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.bayer import PATTERNS, bayer, bayer_mask, interpolate


def test_one_pattern_is_deepinvs() -> None:
    assert torch.equal(bayer("bggr", 5, 7).mask, Demosaicing((5, 7)).mask)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pixel_has_the_colour_of_the_pattern(pattern: str) -> None:
    mask = bayer_mask(pattern, 5, 6)
    assert torch.equal(mask.sum(dim=1), torch.ones(1, 5, 6))
    for row in range(5):
        for column in range(6):
            colour = pattern[row % 2 * 2 + column % 2]
            assert mask[0, "rgb".index(colour), row, column] == 1


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(8, 10), (9, 7), (3, 3)])
def test_interpolation_keeps_what_was_seen_and_flat_colours(
    pattern: str, size: tuple[int, int]
) -> None:
    mask = bayer_mask(pattern, *size).double()
    noise = torch.rand(2, 1, *size, dtype=torch.float64)
    found = interpolate(noise, pattern)
    torch.testing.assert_close((found * mask).sum(dim=1, keepdim=True), noise)
    # Its filters subtract the other colours' Laplacian, which a flat image does not have.
    colours = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    flat = colours[None, :, None, None].expand(1, 3, *size)
    again = interpolate((flat * mask).sum(dim=1, keepdim=True), pattern)
    torch.testing.assert_close(again, flat.clone())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_gray_ramp_stays_inside(pattern: str) -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(11.0), indexing="ij")
    gray = (2 * rows + 3 * columns)[None, None]
    found = interpolate(gray, pattern)[..., 2:-2, 2:-2]
    torch.testing.assert_close(found, gray[..., 2:-2, 2:-2].expand_as(found))


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="known: rggb"):
        bayer("rgbg", 4, 4)
    for shape in ((1, 3, 8, 8), (1, 1, 2, 8), (8, 8)):
        with pytest.raises(InputError, match="mosaic"):
            interpolate(torch.zeros(shape), "rggb")
