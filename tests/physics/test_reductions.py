"""Reductions as arrays: Pillow's bicubic, and a blur by brute force with every n-th pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from pnp_priors.physics import reductions
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.decimation import Decimation, placed


@pytest.mark.parametrize("size", [(8, 9), (40, 30), (17, 21)])
def test_bicubic_is_pillows_and_torchs(size):
    image = np.random.default_rng(0).random((17, 21)).astype(np.float32)
    found = reductions.resized(image, *size)
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    np.testing.assert_allclose(found, np.asarray(expected), atol=2e-6)
    np.testing.assert_allclose(found, resize(torch.from_numpy(image), *size).numpy(), atol=1e-6)


@pytest.mark.parametrize("alignment", reductions.ALIGNMENTS)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_decimation_is_a_blur_and_every_nth_pixel(scale, alignment):
    rng = np.random.default_rng(0)
    image, kernel = rng.random((2, 12, 18)), rng.random((3, 5))
    kernel = reductions.placed_kernel(kernel / kernel.sum(), scale, alignment)
    found = reductions.decimated(image, kernel, scale)
    blurred = np.zeros_like(image)
    for (row, column), weight in np.ndenumerate(kernel):
        shift = (row - kernel.shape[0] // 2, column - kernel.shape[1] // 2)
        blurred += weight * np.roll(image, shift, axis=(1, 2))
    np.testing.assert_allclose(found, blurred[:, ::scale, ::scale], atol=1e-12)

    tensor = torch.from_numpy(kernel)
    again = placed(torch.from_numpy(kernel), 1)
    torch.testing.assert_close(again[0, 0], tensor)
    physics = Decimation((2, 12, 18), tensor[None, None].float(), scale)
    np.testing.assert_allclose(
        found, physics.A(torch.from_numpy(image).float()[None])[0].numpy(), atol=1e-6
    )
