"""Bicubic resizing against Pillow's, borders included, and super-resolution's input as measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pnp_priors.benchmark import super_resolution as bench
from pnp_priors.errors import InputError
from pnp_priors.physics import bicubic


def pixels(*shape: int, seed: int = 0) -> Tensor:
    """Independent 8-bit pixels, the hardest image to resize, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator).float() / 255


@pytest.mark.parametrize(
    "size",
    [(24, 18), (16, 12), (12, 9), (96, 72), (144, 144), (192, 144), (48, 36), (31, 50), (7, 1)],
)
def test_it_is_pillows(size: tuple[int, int]) -> None:
    image = pixels(48, 36)
    found = bicubic.resize(image, *size)
    assert found.shape == size
    assert np.abs(found.numpy() - bench.resize(image.numpy(), *size)).max() < 1e-5


def test_a_batch_is_its_images() -> None:
    batch = pixels(2, 3, 20, 25).double()
    found = bicubic.resize(batch, 5, 50)
    assert found.dtype == torch.float64
    for one, expected in zip(found.flatten(0, 1), batch.flatten(0, 1), strict=True):
        torch.testing.assert_close(one, bicubic.resize(expected, 5, 50), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_simulated_is_what_the_bench_measures(scale: int) -> None:
    clean = pixels(2, 1, 48, 36, seed=scale)
    # No pixel of the small images is so near to a half that its rounding is a matter of luck.
    small = bicubic.resize(255 * clean.double(), 48 // scale, 36 // scale)
    assert ((small % 1) - 0.5).abs().min() > 1e-4
    found = bicubic.simulate(clean, scale)
    for one, image in zip(found[:, 0], clean[:, 0], strict=True):
        reduced = bench.reduce((255 * image).round().numpy(), scale)
        expected = bench.enlarge(reduced, scale) / 255
        assert np.abs(one.numpy() - expected).max() < 1e-5
    assert found.min() >= 0
    assert found.max() <= 1


def test_training_in_bfloat16_does_not_coarsen_it() -> None:
    clean = pixels(1, 1, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = bicubic.simulate(clean, 3)
    assert torch.equal(found, bicubic.simulate(clean, 3))


def test_sizes_that_the_scale_does_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match=r"multiples of the scale 3, got \[24, 25\]"):
        bicubic.simulate(pixels(24, 25), 3)
