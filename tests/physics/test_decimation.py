"""Blur and decimation against scipy and dense matrices, and where its pixels lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor

from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics import bicubic
from pnp_priors.physics.decimation import Decimation, placed

CASES = [(1, 5, 7), (2, 3, 4), (2, 5, 3), (3, 3, 3), (4, 2, 3)]


def some_kernel(rows: int = 3, columns: int = 5) -> Tensor:
    """Not symmetric in any way."""
    kernel = torch.rand(rows, columns, generator=torch.Generator().manual_seed(2)) + 0.1
    return kernel / kernel.sum()


def made(scale: int, rows: int, columns: int, kernel: Tensor | None = None) -> Decimation:
    kernel = some_kernel() if kernel is None else kernel
    size = (1, scale * rows, scale * columns)
    return Decimation(size, kernel[None, None].double(), scale)


def dense(physics: Decimation) -> Tensor:
    height, width = physics.imsize[-2:]
    pixels = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    return physics.A(pixels).reshape(height * width, -1).T


@pytest.mark.parametrize(("scale", "rows", "columns"), CASES)
def test_it_is_a_true_convolution_of_which_the_first_pixel_is_kept(
    scale: int, rows: int, columns: int
) -> None:
    image = torch.rand(1, 1, scale * rows, scale * columns, dtype=torch.float64)
    blurred = convolve(image[0, 0].numpy(), some_kernel().double().numpy(), mode="wrap")
    found = made(scale, rows, columns).A(image)[0, 0].numpy()
    assert np.abs(found - blurred[::scale, ::scale]).max() < 1e-12


@pytest.mark.parametrize("gamma", [0.2, 50.0])
@pytest.mark.parametrize(("scale", "rows", "columns"), CASES)
def test_adjoint_and_data_step(scale: int, rows: int, columns: int, gamma: float) -> None:
    physics = made(scale, rows, columns)
    matrix = dense(physics)
    y = torch.randn(2, 1, rows, columns, dtype=torch.float64)
    z = torch.randn(2, 1, scale * rows, scale * columns, dtype=torch.float64)
    adjoint = (y.reshape(2, -1) @ matrix).reshape(z.shape)
    torch.testing.assert_close(physics.A_adjoint(y), adjoint, rtol=0, atol=1e-12)
    system = gamma * matrix.T @ matrix + torch.eye(matrix.shape[1], dtype=torch.float64)
    right = gamma * adjoint.reshape(2, -1) + z.reshape(2, -1)
    expected = torch.linalg.solve(system, right.T).T.reshape(z.shape)
    torch.testing.assert_close(physics.prox_l2(z, y, gamma), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("alignment", "shift"), [("first", 0.0), ("centre", 0.5)])
def test_where_the_small_pixels_lie(scale: int, alignment: str, shift: float) -> None:
    # A symmetric kernel leaves a ramp as it is: each pixel says where it was taken.
    size = 12 * scale
    ramp = torch.arange(size).float().expand(size, size)
    kernel = torch.ones(3, 5) / 15
    for image, axis in ((ramp, -1), (ramp.T, -2)):
        physics = Decimation((1, size, size), placed(kernel, scale, alignment), scale)
        seen = physics.A(image[None, None])[0, 0].select(-2 if axis == -1 else -1, 6)
        expected = scale * torch.arange(12).float() + shift * (scale - 1)
        # The ramp does not go on beyond the borders.
        torch.testing.assert_close(seen[3:-3], expected[3:-3], rtol=0, atol=1e-3)


def test_bicubic_reduction_is_a_kernel_around_the_centre() -> None:
    x = torch.arange(-5, 6).double().abs() / 3
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    row = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    kernel = placed(torch.outer(row, row) / row.sum() ** 2, 3, "centre")
    image = torch.rand(1, 1, 30, 36, dtype=torch.float64)
    found = Decimation((1, 30, 36), kernel, 3).A(image)
    expected = bicubic.resize(image, 10, 12)
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="known: first, centre"):
        placed(some_kernel(), 2, "center")
    with pytest.raises(InputError, match="odd sizes"):
        placed(torch.ones(2, 3) / 6, 2)
    with pytest.raises(InputError, match="multiples of the scale 2, got 9x8"):
        Decimation((1, 9, 8), some_kernel()[None, None], 2)
    with pytest.raises(InputError, match="within the image's 8x4, got 3x5"):
        Decimation((1, 8, 4), some_kernel()[None, None], 2)
