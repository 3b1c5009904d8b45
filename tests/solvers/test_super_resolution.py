"""Super-resolution: nothing is shifted, the small image is explained, borders do not ring."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from deepinv.models import Denoiser
from torch import Tensor

import pnp_priors
from pnp_priors import images
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.bicubic import resize
from pnp_priors.pipelines import files
from pnp_priors.solvers.schedules import descending, super_resolution
from pnp_priors.solvers.super_resolution import (
    Enlargement,
    _mirrored,
    bicubic,
    decimation,
    enlarge,
    enlarged_size,
    luminance,
    one_pass,
    super_resolve,
)

PSNR = Callable[[Tensor, Tensor], float]


class Nothing(Denoiser):
    """A prior that changes nothing."""

    def forward(self, x: Tensor, sigma: object, **_: object) -> Tensor:
        return x


def photo(height: int, width: int) -> Tensor:
    """Gray, ``[1, 1, height, width]``, not the photo's borders."""
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    part = torch.from_numpy(pixels[:, 100 : 100 + height, 120 : 120 + width].copy()).float()
    return part.mean(0)[None, None]


def motion() -> Tensor:
    """A short motion to the right and down, in no way symmetric."""
    kernel = torch.zeros(7, 9)
    for step in range(5):
        kernel[3 + step // 2, 4 + step] = 5 - step
    return kernel / kernel.sum()


@pytest.mark.parametrize("scale", [1, 1.5, 2, 2.7, 3, 4])
def test_a_bicubic_reduction_is_explained_up_to_its_borders(scale: float) -> None:
    y = torch.rand(2, 1, 11, 8, generator=torch.Generator().manual_seed(0))
    task = bicubic(y, scale)
    found = super_resolve(task, Nothing(), descending(0, 0.01, 8))
    assert found.shape[-2:] == enlarged_size(11, 8, scale)
    assert (resize(found, 11, 8) - y).abs().max() < 1e-3


@pytest.mark.parametrize("alignment", ["first", "centre"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_blur_and_decimation_is_explained(scale: int, alignment: str) -> None:
    y = torch.rand(1, 2, 11, 10, generator=torch.Generator().manual_seed(0))
    task = decimation(y, motion(), scale, alignment)
    found = super_resolve(task, Nothing(), super_resolution(0, scale, 4))
    assert found.shape == (1, 2, 11 * scale, 10 * scale)
    # The whole canvas is explained, and with it the image on it.
    whole = super_resolve(
        Enlargement(task.physics, task.y, task.init), Nothing(), super_resolution(0, scale, 4)
    )
    room = task.edge // scale
    again = task.physics.A(whole)[..., room:-room, room:-room]
    assert (again - y).abs().max() < (0.02 if scale == 1 else 2e-3)
    assert torch.equal(task.crop(whole), found)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("model", ["bicubic", "first", "centre"])
def test_nothing_is_shifted(scale: int, model: str) -> None:
    """A soft disc keeps its centre, from the first image of the solver on."""
    size = 16 * scale
    rows, columns = torch.meshgrid(*2 * [torch.arange(size).float()], indexing="ij")
    middle = (7.3 * scale, 8.6 * scale)
    clean = torch.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / (4 * scale**2))
    clean = clean[None, None]
    if model == "bicubic":
        task = bicubic(resize(clean, 16, 16), scale)
    else:
        kernel = torch.ones(3, 3) / 9
        blurred = torch.nn.functional.avg_pool2d(clean, 3, 1, 1)
        half = (scale - 1) / 2 if model == "centre" else 0
        parts = [
            blurred[..., down::scale, right::scale]
            for down in {int(half), int(half + 0.5)}
            for right in {int(half), int(half + 0.5)}
        ]
        task = decimation(torch.stack(parts).mean(0), kernel, scale, model)

    def centre(x: Tensor) -> tuple[float, float]:
        x = x[0, 0].clamp(min=0)
        return (float((x * rows).sum() / x.sum()), float((x * columns).sum() / x.sum()))

    for found in (task.crop(task.init), super_resolve(task, Nothing())):
        assert centre(found) == pytest.approx(middle, abs=0.06 * scale)


@pytest.mark.parametrize(("scale", "gain"), [(2, 0.8), (3, 0.5)])
def test_a_gaussian_prior_is_better_than_bicubic_enlargement(
    scale: int, gain: float, psnr: PSNR
) -> None:
    clean = photo(72, 84)
    y = (255 * resize(clean, 72 // scale, 84 // scale)).round() / 255
    found = super_resolve(bicubic(y, scale), pnp_priors.load("ffdnet-gray"))
    assert psnr(found, clean) > psnr(enlarge(y, scale), clean) + gain


def test_what_lies_beyond_the_borders_is_made_up_so_that_they_do_not_ring(psnr: PSNR) -> None:
    scale, prior = 2, pnp_priors.load("ffdnet-gray")
    scene = photo(100, 110)
    kernel = motion()
    blurred = torch.nn.functional.conv2d(scene, kernel.flip(0, 1)[None, None])
    rows, columns = (slice(room, -room) for room in (3, 4))
    clean = scene[..., rows, columns]
    y = blurred[..., ::scale, ::scale]
    task = decimation(y, kernel, scale)
    found = super_resolve(task, prior)
    assert psnr(found, clean) > psnr(task.crop(task.init), clean) + 2
    mirrored = Enlargement(task.physics, _mirrored(y, task.edge // scale), task.init, task.edge)
    frame = torch.ones_like(clean, dtype=torch.bool)
    frame[..., 6:-6, 6:-6] = False
    as_it_is = super_resolve(mirrored, prior)
    assert psnr(found[frame], clean[frame]) > psnr(as_it_is[frame], clean[frame]) + 0.5


def test_noise(psnr: PSNR) -> None:
    clean = photo(64, 64)
    y = resize(clean, 32, 32)
    y = y + 10 / 255 * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    prior = pnp_priors.load("ffdnet-gray")
    found = super_resolve(bicubic(y, 2), prior, noise=10 / 255)
    assert psnr(found, clean) > psnr(enlarge(y, 2), clean) + 1
    assert psnr(found, clean) > psnr(super_resolve(bicubic(y, 2), prior), clean) + 1


def test_colours_have_the_luminance_of_the_gray_result() -> None:
    gray = torch.rand(1, 1, 6, 7)
    double = luminance(gray.expand(1, 3, 6, 7), 2, lambda y: enlarge(y, 2) + 0.1)
    expected = (enlarge(gray, 2) + 0.1).expand_as(double)
    torch.testing.assert_close(double, expected.clone(), rtol=0, atol=1e-5)
    colours = torch.rand(2, 3, 6, 7)
    found = luminance(colours, 1.5, lambda y: resize(y, 9, 11))
    torch.testing.assert_close(found, resize(colours, 9, 11), rtol=0, atol=1e-5)
    # Half a pixel up and left, as what blur and decimation restore.
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    moved = luminance(ramp, 2, lambda y: resize(y, 16, 16) - 0.25, shift=0.5)
    torch.testing.assert_close(moved[..., 4:12], resize(ramp, 16, 16)[..., 4:12] - 0.25)


def test_one_pass_is_the_prior_over_the_bicubic_enlargement() -> None:
    class Half(Denoiser):
        def forward(self, x: Tensor, sigma: object, **_: object) -> Tensor:
            assert sigma is None
            return x / 2

    y = torch.rand(1, 3, 5, 4)
    assert torch.equal(one_pass(y, Half(), 1.5), enlarge(y, 1.5) / 2)


def test_images_smaller_than_the_canvas_around_them() -> None:
    y = torch.rand(1, 1, 1, 3)
    assert super_resolve(decimation(y, torch.ones(1, 1), 2), Nothing()).shape[-2:] == (2, 6)
    assert super_resolve(bicubic(y, 3), Nothing()).shape[-2:] == (3, 9)
    expected = torch.tensor([1.0, 2.0, 1.0, 2.0, 1.0, 2.0]).expand(1, 1, 5, 6)
    assert torch.equal(_mirrored(torch.tensor([[[[1.0, 2.0]]]]), 2), expected)
    other = torch.rand(1, 1, 5, 4)
    assert torch.equal(_mirrored(other, 3), torch.nn.functional.pad(other, (3,) * 4, "reflect"))


def test_what_is_refused() -> None:
    y = torch.rand(1, 1, 8, 8)
    for scale in (0.5, 9, float("nan")):
        with pytest.raises(InputError, match="from 1 to 8"):
            bicubic(y, scale)
    with pytest.raises(InputError, match=re.escape("whole scale, got 1.5")):
        decimation(y, motion(), 1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="larger than the enlarged image"):
        decimation(y[..., :4], motion(), 2)
    with pytest.raises(UnknownNameError, match="alignment"):
        decimation(y, motion(), 2, "top")
    with pytest.raises(UnknownNameError, match="solver"):
        super_resolve(bicubic(y, 2), Nothing(), name="hsq")
