"""What a graph writes around a photo is what the torch engine writes there."""

import numpy as np
import pytest
import torch

from pnp_priors import boundary as exact
from pnp_priors.export.graphs.restorations import bicubic, boundary
from pnp_priors.export.tasks.deconvolution import blurred, kernel
from pnp_priors.kernels import check
from pnp_priors.physics.bicubic import weights


@pytest.mark.parametrize("size", [1, 2, 5, 30, 37, 500, 509, 4001])
@pytest.mark.parametrize("of_kernel", [1, 3, 25])
def test_canvases_have_the_same_sizes(compute, size, of_kernel):
    found = compute(
        lambda a, b: boundary.canvas_size(a, b).reshape([1]),
        np.array([size], np.int64),
        np.array([of_kernel], np.int64),
    )
    assert found.item() == exact._canvas_size(size, of_kernel)


@pytest.mark.parametrize("mode", ["circular", "extend", "taper"])
def test_the_canvas_is_torchs(compute, mode):
    blur = kernel()
    y = blurred((1, 2, 33, 28), blur)
    photos = torch.from_numpy(y)
    expected = exact.extend(photos, torch.from_numpy(blur), mode).y[0].numpy()
    found = compute(lambda v, k: boundary.MODES[mode](v, boundary.checked_kernel(k)).y, y[0], blur)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-6


def test_kernels_are_made_usable(compute):
    raw = np.random.default_rng(0).random((4, 5)).astype(np.float32)
    raw[0, 0] = -1e-5
    found = compute(boundary.checked_kernel, raw)
    np.testing.assert_allclose(found, check(raw), atol=1e-7)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (7, 21), (30, 10), (3000, 1000), (9, 9)])
def test_bicubic_weights(compute, inputs, outputs):
    sizes = np.array([inputs], np.int64), np.array([outputs], np.int64)
    found = compute(lambda a, b: bicubic.weights(a.reshape([]), b.reshape([])), *sizes, axes=2)
    np.testing.assert_allclose(found, weights(inputs, outputs).numpy(), atol=6e-7)
