"""Bicubic reduction as physics: against Pillow's, and its data step against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pnp_priors.benchmark import super_resolution as bench
from pnp_priors.errors import InputError
from pnp_priors.physics.resizing import BicubicReduction

#: whole ratios, others, odd sizes, different ones of rows and columns, and none at all
SIZES = [
    ((12, 10), (6, 5)),
    ((9, 15), (3, 5)),
    ((12, 16), (3, 4)),
    ((9, 12), (6, 8)),
    ((11, 7), (4, 5)),
    ((7, 5), (7, 5)),
    ((5, 4), (1, 1)),
]


def dense(physics: BicubicReduction) -> Tensor:
    """The reduction as one matrix, from what it does to each pixel alone."""
    assert physics.img_size is not None
    height, width = physics.img_size[-2:]
    pixels = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    return physics.A(pixels).reshape(height * width, -1).T


def made(large: tuple[int, int], small: tuple[int, int], channels: int = 1) -> BicubicReduction:
    return BicubicReduction((channels, *large), small).double()


@pytest.mark.parametrize(("large", "small"), SIZES)
def test_it_is_pillows(large: tuple[int, int], small: tuple[int, int]) -> None:
    image = torch.rand(1, 2, *large, generator=torch.Generator().manual_seed(1))
    found = BicubicReduction((2, *large), small).A(image)
    assert found.shape == (1, 2, *small)
    for one, plane in zip(found[0], image[0], strict=True):
        assert np.abs(one.numpy() - bench.resize(plane.numpy(), *small)).max() < 1e-5


@pytest.mark.parametrize(("large", "small"), SIZES)
def test_the_adjoint(large: tuple[int, int], small: tuple[int, int]) -> None:
    physics = made(large, small)
    y = torch.randn(1, 1, *small, dtype=torch.float64)
    expected = dense(physics).T @ y.flatten()
    torch.testing.assert_close(physics.A_adjoint(y).flatten(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("gamma", [0.1, 3.0, 1e4])
@pytest.mark.parametrize(("large", "small"), SIZES)
def test_the_data_step_is_the_minimum(
    large: tuple[int, int], small: tuple[int, int], gamma: float
) -> None:
    physics = made(large, small, channels=2)
    matrix = dense(made(large, small))
    z = torch.randn(3, 2, *large, dtype=torch.float64)
    y = torch.randn(3, 2, *small, dtype=torch.float64)
    found = physics.prox_l2(z, y, gamma)
    system = gamma * matrix.T @ matrix + torch.eye(matrix.shape[1], dtype=torch.float64)
    right = gamma * y.reshape(6, -1) @ matrix + z.reshape(6, -1)
    expected = torch.linalg.solve(system, right.T).T.reshape(z.shape)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    for number in (None, 0.3):
        whole = torch.full_like(z, number or 0.0)
        torch.testing.assert_close(
            physics.prox_l2(number, y, gamma), physics.prox_l2(whole, y, gamma)
        )


def test_the_pseudoinverse_explains_the_image_with_the_least_norm() -> None:
    physics = made((12, 15), (4, 5))
    y = torch.randn(2, 1, 4, 5, dtype=torch.float64)
    expected = (torch.linalg.pinv(dense(physics)) @ y.reshape(2, -1).T).T
    torch.testing.assert_close(physics.A_dagger(y).reshape(2, -1), expected, rtol=0, atol=1e-5)


def test_sizes_that_grow_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot reduce \[8, 8\] pixels to \[9, 4\]"):
        BicubicReduction((1, 8, 8), (9, 4))
