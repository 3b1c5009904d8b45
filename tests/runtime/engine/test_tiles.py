"""Tiles of arrays: every pixel once, with its halo, and of one size where a GPU wants that."""

import numpy as np
import pytest

from pnp_priors.errors import InputError
from pnp_priors.runtime.engine.tiles import cut_up, denoise_in_tiles, in_tiles

HALO, CELL = 3, 2


class Cells:
    halo, size_multiple = HALO, CELL


def local(x, sigma):
    """Looks three pixels far; the largest sigma of the image counts everywhere."""
    padded = np.pad(x, [(0, 0), (0, 0), (3, 3), (3, 3)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
    level = (
        sigma.reshape(len(x), 1, *sigma.shape[2:])
        if sigma.ndim == 4
        else sigma.reshape(-1, 1, 1, 1)
    )
    return windows.mean(axis=(-2, -1)) * (1 + level) + sigma.max()


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [(40, 61), (16, 16), (17, 100), (5, 33)])
def test_tiles_make_the_whole(size, fixed):
    rng = np.random.default_rng(0)
    image = rng.random((2, 3, *size))
    sigma = np.array([0.1, 0.2])
    expected = np.concatenate([local(image[:1], sigma[:1]), local(image[1:], sigma[1:])])
    steps = []
    found = denoise_in_tiles(
        local, image, sigma, Cells(), 16, lambda *step: steps.append(step), fixed
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert steps[-1] == (len(steps), len(steps))


@pytest.mark.parametrize("fixed", [False, True])
def test_every_tile_of_a_map_knows_its_peak(fixed):
    rng = np.random.default_rng(0)
    image, levels = rng.random((1, 1, 45, 39)), 0.5 * rng.random((1, 1, 45, 39))
    levels[..., 44, 38] = 0.9
    found = denoise_in_tiles(local, image, levels, Cells(), 20, fixed=fixed)
    np.testing.assert_allclose(found, local(image, levels), atol=1e-12)


def test_fixed_tiles_are_of_one_size_but_for_a_cells_rest():
    for size in range(16, 90):
        spans = [tile.columns for tile in cut_up((16, size), 16, HALO, CELL, fixed=True)]
        assert {span.stop - span.start for span in spans} <= {16, 17}
        assert all(span.start % CELL == 0 for span in spans)
        kept = [pixel for span in spans for pixel in range(span.first, span.last)]
        assert kept == list(range(size))
        assert all(span.start == 0 or span.first - span.start >= HALO + 1 for span in spans)
        assert all(span.stop == size or span.stop - span.last >= HALO + 1 for span in spans)


def test_what_cannot_be():
    with pytest.raises(InputError, match="at least 10"):
        cut_up((40, 40), 8, HALO, CELL, fixed=True)
    with pytest.raises(InputError, match="tiles keep their shape"):
        in_tiles(lambda x, tile: x[..., 1:], np.zeros((1, 1, 20, 20)), cut_up((20, 20), 16, 2, 1))
