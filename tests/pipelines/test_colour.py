"""Luminance and chroma: the colour turn loses nothing, and the linear filter undoes a blur."""

import torch
from deepinv.physics import BlurFFT

from pnp_priors.pipelines.colour import restore_luminance, wiener


def blur(size=32):
    kernel = torch.zeros(1, 1, 5, 5)
    kernel[0, 0, 2, 1:4] = 1 / 3
    return BlurFFT(img_size=(1, size, size), filter=kernel)


def smooth_colours(size=32):
    grid = 2 * torch.pi * torch.arange(size) / size
    red = 0.5 + 0.2 * torch.sin(grid)[:, None] + 0.2 * torch.cos(grid)[None]
    return torch.stack([red, 1 - red, red.flip(0)])[None]


def test_wiener_equals_its_normal_equations():
    physics, y, noise = blur(), torch.rand(1, 2, 32, 32, dtype=torch.float64), 0.03
    x = wiener(y, physics.double(), noise)
    gradient = sum(2 * x - x.roll(1, d) - x.roll(-1, d) for d in (-2, -1))
    left = physics.A_adjoint(physics.A(x)) + (noise / 0.03) ** 2 * gradient
    torch.testing.assert_close(left, physics.A_adjoint(y), atol=1e-6, rtol=0)


def test_colours_return_and_gray_gets_the_lower_noise():
    physics, x, levels = blur(), smooth_colours(), []
    y = torch.cat([physics.A(x[:, c : c + 1]) for c in range(3)], dim=1)

    def gray(image, level):
        levels.append(level)
        assert 0 <= image.min() <= image.max() <= 1
        return wiener(image, physics, 1e-4)

    torch.testing.assert_close(restore_luminance(y, physics, 1e-4, gray), x, atol=2e-3, rtol=0)
    assert levels == [1e-4 / 3**0.5]
