"""The projection onto the quantisation box against optimisers, and against encoding again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, minimize
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_planes import Plane, to_planes

Scene = Callable[..., Tensor]
SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def nearest(
    start: np.ndarray, matrix: np.ndarray, low: np.ndarray, high: np.ndarray, metric: np.ndarray
) -> np.ndarray:
    """argmin (u - start)' metric (u - start) so that low <= matrix u <= high, by its dual.

    u = start - metric^-1 matrix' (p - n), p, n >= 0: a quadratic with bounds, for L-BFGS-B.
    """
    inverse = np.linalg.inv(metric)
    both = np.vstack([matrix, -matrix])
    limit = np.concatenate([high, -low])
    square = both @ inverse @ both.T
    slack = limit - both @ start

    def dual(p: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = square @ p + slack
        return 0.5 * p @ (gradient + slack), gradient

    found = minimize(
        dual,
        np.zeros(len(limit)),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(0, np.inf),
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 60},
    )
    return start - inverse @ both.T @ found.x


def linear(function: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of a linear map."""
    count = math.prod(shape)
    units = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
    return function(units).reshape(count, -1).T.numpy()


def flat(parts: object) -> Tensor:
    return torch.cat([part.flatten(1) for part in parts], dim=1)  # type: ignore[attr-defined]


def bounds(physics: JPEG, y: object, width: float) -> tuple[np.ndarray, np.ndarray]:
    boxes = physics.boxes(y, width)  # type: ignore[arg-type]
    return flat(b.low for b in boxes)[0].numpy(), flat(b.high for b in boxes)[0].numpy()


@pytest.mark.parametrize("quality", [10, 90])
def test_gray_is_the_nearest_image_in_the_box(quality: int) -> None:
    physics = JPEG((1, 8, 8), quality=quality)
    y, start = physics(noise(1, 1, 8, 8)), noise(1, 1, 8, 8, seed=1)
    found = QuantisationInterval(0.9).prox(start, y, physics)
    matrix = linear(lambda u: flat(physics.A(u)), (1, 8, 8))
    low, high = bounds(physics, y, 0.9)
    expected = nearest(start.numpy().ravel(), matrix, low, high, np.eye(64))
    assert (found - start).norm() > 0.1
    np.testing.assert_allclose(found.numpy().ravel(), expected, atol=1e-7)


@pytest.mark.parametrize("weights", [(1, 1, 1), (4, 1, 0.25)])
@pytest.mark.parametrize(("subsampling", "size"), [("4:4:4", (8, 8)), ("4:2:2", (8, 16))])
def test_colour_is_the_nearest_image_in_the_box_by_any_weights_of_its_planes(
    subsampling: str, size: tuple[int, int], weights: tuple[float, ...]
) -> None:
    """In RGB's own metric it is another one: the planes are not orthogonal there."""
    shape = (3, *size)
    physics = JPEG(shape, quality=30, subsampling=subsampling)
    y, start = physics(noise(1, *shape)), noise(1, *shape, seed=1)
    found = QuantisationInterval(0.9).prox(start, y, physics).numpy().ravel()
    matrix = linear(lambda u: flat(physics.A(u)), shape)
    planes = linear(to_planes, shape)
    metric = planes.T @ np.diag(np.repeat(weights, math.prod(size))) @ planes
    expected = nearest(start.numpy().ravel(), matrix, *bounds(physics, y, 0.9), metric)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    euclidean = nearest(start.numpy().ravel(), matrix, *bounds(physics, y, 0.9), np.eye(found.size))
    assert np.abs(euclidean - found).max() > 1e-3


@pytest.mark.parametrize("factors", [(1, 2), (2, 1), (2, 2)])
def test_a_subsampled_plane_is_the_nearest_in_the_box(factors: tuple[int, int]) -> None:
    """x + m D'(P(Dx) - Dx), against the optimiser, which knows nothing of D D' = I/m."""
    from pnp_priors.physics.jpeg import Box
    from pnp_priors.physics.jpeg_fidelity import project_plane

    plane = Plane((8 * factors[0], 8 * factors[1]), factors)
    start = noise(1, 1, *plane.size)
    middle = plane.coefficients(noise(1, 1, *plane.size, seed=1))
    box = Box(middle - 0.03, middle + 0.05)
    found = project_plane(start, plane, box, torch.full((8, 8), 0.08, dtype=torch.float64))
    matrix = linear(plane.coefficients, (1, *plane.size))
    limits = (bound.numpy().ravel() for bound in box)
    expected = nearest(start.numpy().ravel(), matrix, *limits, np.eye(start.numel()))
    np.testing.assert_allclose(found.numpy().ravel(), expected, atol=1e-7)


@pytest.mark.parametrize("size", [(5, 8), (6, 7), (11, 3), (1, 1)])
def test_incomplete_blocks_are_the_nearest_where_pixels_count_as_often_as_they_are_repeated(
    size: tuple[int, int],
) -> None:
    physics = JPEG((1, *size), quality=50)
    y, start = physics(noise(1, 1, *size)), noise(1, 1, *size, seed=1)
    fidelity = QuantisationInterval(1.0)
    found = fidelity.prox(start, y, physics)
    assert fidelity.excess(found, y, physics) < 3e-4
    matrix = linear(lambda u: flat(physics.A(u)), (1, *size))
    plane = physics.planes[0]
    times = plane.pad_adjoint(torch.ones_like(plane.pad(start))).numpy().ravel()
    expected = nearest(start.numpy().ravel(), matrix, *bounds(physics, y, 1.0), np.diag(times))
    np.testing.assert_allclose(found.numpy().ravel(), expected, atol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_projection_is_idempotent_and_does_not_expand(subsampling: str) -> None:
    physics = JPEG((3, 32, 32), quality=40, subsampling=subsampling)
    fidelity = QuantisationInterval()
    y = physics(noise(1, 3, 32, 32))
    one, other = noise(1, 3, 32, 32, seed=1), noise(1, 3, 32, 32, seed=2)
    first, second = (fidelity.prox(u, y, physics, gamma=0.1) for u in (one, other))
    torch.testing.assert_close(fidelity.prox(first, y, physics, gamma=7.0), first)
    assert to_planes(first - second).norm() <= to_planes(one - other).norm() + 1e-12
    assert fidelity.fn(first, y, physics).tolist() == [0.0]
    assert fidelity.fn(one, y, physics).tolist() == [math.inf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", [(32, 48), (21, 26), (9, 7)])
@pytest.mark.parametrize("subsampling", ["gray", *SUBSAMPLINGS])
def test_what_is_projected_is_encoded_to_the_same_coefficients(
    subsampling: str, size: tuple[int, int], dtype: torch.dtype, scene: Scene
) -> None:
    channels, options = (1, {}) if subsampling == "gray" else (3, {"subsampling": subsampling})
    for quality in (10, 75, 95):
        physics = JPEG((channels, *size), quality=quality, **options)
        clean = scene(*size, channels).to(dtype)
        y = physics(clean)
        start = clean + 0.05 * (noise(1, channels, *size, seed=3).to(dtype) - 0.5)
        found = QuantisationInterval().prox(start, y, physics)
        assert found.dtype == dtype
        assert not torch.equal(found, start)
        assert QuantisationInterval().excess(start, y, physics) > 0
        pairs = itertools.zip_longest(physics.indices(physics(found)), physics.indices(y))
        assert all(torch.equal(a, b) for a, b in pairs)


def test_images_of_a_batch_are_projected_each_onto_its_own(scene: Scene) -> None:
    physics = JPEG((3, 19, 21), quality=30)
    clean = torch.cat([scene(19, 21, 3), scene(19, 21, 3, seed=1)]).double()
    start, fidelity = noise(2, 3, 19, 21), QuantisationInterval()
    joint = fidelity.prox(start, physics(clean), physics)
    for index in range(2):
        part = slice(index, index + 1)
        alone = fidelity.prox(start[part], physics(clean[part]), physics)
        torch.testing.assert_close(joint[part], alone, rtol=0, atol=1e-3)


def test_the_original_is_in_the_box_and_stays() -> None:
    image = noise(1, 3, 18, 13)
    physics = JPEG((3, 18, 13), quality=10)
    fidelity = QuantisationInterval(1.0)
    y = physics(image)
    assert fidelity.excess(image, y, physics) == 0
    torch.testing.assert_close(fidelity.prox(image, y, physics), image)


@pytest.mark.parametrize("width", [0, -1, 1.5, math.nan])
def test_widths(width: float) -> None:
    with pytest.raises(InputError, match="width is above 0 and at most 1"):
        QuantisationInterval(width)


def test_there_is_no_gradient() -> None:
    physics = JPEG((1, 8, 8), quality=50)
    with pytest.raises(InputError, match="hqs, admm, drs"):
        QuantisationInterval().grad(noise(1, 1, 8, 8), physics(noise(1, 1, 8, 8)), physics)
