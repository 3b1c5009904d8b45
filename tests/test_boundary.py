"""A photo blurred as in a camera (valid convolution) does not ring when it is solved circularly."""

import math

import pytest
import torch
import torch.nn.functional as F
from deepinv.models import TVDenoiser
from deepinv.physics import BlurFFT

from pnp_priors import boundary, images
from pnp_priors.boundary import extend
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.pipelines import files
from pnp_priors.solvers import dpir, solver

NOISE = 0.01


def scene(size=96):
    """Edges, a ramp and texture, different at opposite borders."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    image = 0.2 + 0.5 * x / size + 0.1 * torch.sin(0.5 * y)
    image[(y - 20) ** 2 + (x - 70) ** 2 < 300] = 0.9
    image[(y + x) % 40 < 6] = 0.1
    return image[None, None].clamp(0, 1)


def motion(length=13):
    """A slanted line, as from a moving camera."""
    kernel = torch.zeros(length, length)
    for step in torch.linspace(0, length - 1, 60):
        kernel[int(step), int(length / 4 + step / 2)] += 1
    return kernel / kernel.sum()


def blurred_validly(sharp, kernel):
    torch.manual_seed(0)
    blurred = F.conv2d(sharp, kernel.flip(0, 1)[None, None])
    margin = kernel.shape[0] // 2
    return blurred + NOISE * torch.randn_like(blurred), sharp[..., margin:-margin, margin:-margin]


class TotalVariation(torch.nn.Module):
    """A prior that needs no weights; half the noise level is a good threshold."""

    def forward(self, x, sigma):
        return TVDenoiser(n_it_max=30)(x, 0.45 * float(sigma))


@torch.no_grad()
def restored(y, kernel, mode):
    canvas = extend(y, kernel, mode)
    blur = BlurFFT(img_size=tuple(canvas.y.shape[1:]), filter=kernel[None, None])
    return canvas.crop(solver("hqs", TotalVariation(), dpir(NOISE))(canvas.y, blur))


def photo():
    """Part of the bundled example's original, gray."""
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    return torch.from_numpy(pixels.mean(axis=0, keepdims=True))[None, :, 170:330, 150:310]


def errors(x, truth, width=12):
    """PSNR in dB of the outermost pixels, where ringing starts, and of the rest."""
    edge = torch.ones(truth.shape[-2:], dtype=torch.bool)
    edge[width:-width, width:-width] = False
    squared = (x.clamp(0, 1) - truth).square()
    return [-10 * math.log10(squared[..., part].mean()) for part in (edge, ~edge)]


def test_edges_are_better_and_nothing_rings():
    kernel = motion()
    y, truth = blurred_validly(photo(), kernel)
    psnr = {m: errors(restored(y, kernel, m), truth) for m in ("circular", "taper", "extend")}
    (plain_edge, plain_inside), (taper_edge, _), (edge, inside) = psnr.values()
    assert taper_edge > plain_edge + 6
    assert edge > plain_edge + 8
    assert edge > taper_edge
    # The inside suffers from the ringing that comes from the edges, and no longer does.
    assert inside > plain_inside + 2
    assert edge > inside - 2


@pytest.mark.parametrize("mode", ["taper", "extend"])
def test_the_photo_itself_is_untouched(mode):
    y = torch.rand(2, 3, 37, 50)
    canvas = extend(y, motion(), mode)
    assert torch.equal(canvas.crop(canvas.y), y)
    rows, columns = canvas.y.shape[-2:]
    assert rows >= 37 + 12
    assert columns >= 50 + 12
    assert rows % 2 == columns % 2 == 0
    assert torch.isfinite(canvas.y).all()


@pytest.mark.parametrize("mode", ["taper", "extend"])
def test_the_canvas_is_periodic_and_goes_on_smoothly(mode):
    y, _ = blurred_validly(scene(), motion())
    canvas = extend(y, motion(), mode).y
    inside = (y.diff(dim=-1)).abs().max()
    assert (canvas[..., 0] - canvas[..., -1]).abs().max() < 1.5 * inside
    assert canvas.diff(dim=-1).abs().max() < 1.5 * inside


@pytest.mark.parametrize("sharp", [scene, photo])
def test_the_surroundings_are_nearly_solved_for(sharp, monkeypatch):
    """Not left where the search for what explains the photo had only begun: 20 steps would fail."""
    y, _ = blurred_validly(sharp(), motion())
    found = extend(y, motion()).y
    monkeypatch.setattr(boundary, "_EXTEND_STEPS", 250)
    solved = extend(y, motion()).y
    assert (found - solved).square().mean().sqrt() < 0.02


@pytest.mark.parametrize("mode", ["taper", "extend"])
def test_a_flat_photo_gives_a_flat_canvas(mode):
    canvas = extend(torch.full((1, 1, 30, 31), 0.4), motion(), mode).y
    torch.testing.assert_close(canvas, torch.full_like(canvas, 0.4), atol=1e-5, rtol=0)


def test_a_batch_equals_its_images():
    y = torch.cat([blurred_validly(scene(), motion())[0]] * 2).reshape(1, 2, 84, 84)
    y = torch.cat([y, 1 - 0.5 * y])
    together = extend(y, motion()).y
    for b in range(2):
        for c in range(2):
            alone = extend(y[b : b + 1, c : c + 1], motion()).y
            torch.testing.assert_close(together[b : b + 1, c : c + 1], alone, atol=1e-3, rtol=0)


def test_circular_adds_nothing():
    y = torch.rand(1, 1, 20, 21)
    canvas = extend(y, motion(), "circular")
    assert canvas.y is y
    assert canvas.crop(y).shape == y.shape


def test_wrong_arguments():
    with pytest.raises(UnknownNameError, match="nearest: taper"):
        extend(torch.rand(1, 1, 20, 20), motion(), "tapr")
    with pytest.raises(InputError, match="expected photos"):
        extend(torch.rand(20, 20), motion())
