"""The JPEG model against libjpeg's own coefficients, and its linear part against algebra."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import deepinv
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import chrominance_table, luminance_table
from pnp_priors.physics.jpeg_file import read_file
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_planes import Plane, to_planes, to_rgb, to_rgb_adjoint
from pnp_priors.pipelines import files

Scene = Callable[..., Tensor]
SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def photo(height: int, width: int) -> np.ndarray:
    """A part of the bundled photo, 8 bit ``[H, W, 3]``."""
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    part = pixels[:, 100 : 100 + height, 100 : 100 + width]
    return np.round(255 * part).astype(np.uint8).transpose(1, 2, 0)


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)[None].double() / 255


# --- against libjpeg -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quality", "luminance", "chrominance"), [(30, 0.004, 0.002), (90, 0.04, 0.02)]
)
@pytest.mark.parametrize("size", [(96, 112), (93, 107), (90, 102)])
@pytest.mark.parametrize("subsampling", ["gray", *SUBSAMPLINGS])
def test_coefficients_are_those_that_pillow_writes(
    subsampling: str,
    size: tuple[int, int],
    quality: int,
    luminance: float,
    chrominance: float,
    tmp_path: Path,
) -> None:
    """But where rounding decides, and then by one step.

    The encoder rounds Y, Cb, Cr and their means to 8 bits before the DCT, a noise of 0.3 to 0.4
    levels on each coefficient: measured, 0.1 to 0.2 % of the luminance's cross a border between
    steps at quality 30, and 2.9 % at 90; of the chrominance's 0.1 % and 0.6 to 1.3 %.
    """
    pixels = photo(*size)
    options = {} if subsampling == "gray" else {"subsampling": subsampling}
    pixels = pixels[..., 1] if subsampling == "gray" else pixels
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=quality, **options)
    stored = read_file(path, exact=True)
    image = tensor(pixels)
    physics = JPEG(tuple(image.shape[1:]), quality=quality, **options)
    assert torch.equal(stored.physics().tables, physics.tables)
    found = physics.indices(physics(image))
    allowed = [luminance, chrominance, chrominance]
    for ours, theirs, share in zip(found, stored.indices, allowed, strict=False):
        difference = (ours - theirs).abs()
        assert difference.max() <= 1
        assert (difference > 0).double().mean() < share
        # Where the image's border cuts blocks, they are completed as the encoder does it.
        edges = torch.cat([difference[:, :, -1].flatten(), difference[:, :, :, -1].flatten()])
        assert (edges > 0).double().mean() < 2 * share


# --- the linear part -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 16, 16), (3, 16, 16), (3, 19, 11), (3, 1, 1), (1, 7, 9)])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_adjoint(size: tuple[int, int, int], subsampling: str) -> None:
    physics = JPEG(size, quality=50, subsampling=subsampling if size[0] == 3 else None)
    one, other = noise(2, *size), [noise(*c.shape) for c in physics.A(noise(2, *size))]
    left = sum((a * b).sum() for a, b in zip(physics.A(one), other, strict=True))
    right = (one * physics.A_adjoint(deepinv.utils.TensorList(other))).sum()
    torch.testing.assert_close(left, right)
    two = noise(2, *size, seed=1)
    for sum_of, a, b in zip(physics.A(one + 2 * two), physics.A(one), physics.A(two), strict=True):
        torch.testing.assert_close(sum_of, a + 2 * b)


def test_colours_are_jfifs() -> None:
    rgb = tensor(photo(16, 16))
    expected = np.array(Image.fromarray(photo(16, 16)).convert("YCbCr")).astype(float)
    found = 255 * to_planes(rgb) + torch.tensor([0.0, 128, 128])[:, None, None]
    assert np.abs(found[0].permute(1, 2, 0).numpy() - expected).max() < 1
    torch.testing.assert_close(to_rgb(to_planes(rgb)), rgb)
    other = noise(1, 3, 16, 16)
    torch.testing.assert_close((to_planes(rgb) * other).sum(), (rgb * to_rgb_adjoint(other)).sum())


@pytest.mark.parametrize("factors", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_rows_of_the_operator_are_orthogonal(factors: tuple[int, int]) -> None:
    """L L' = I/m for whole blocks, from which the closed form of the projection follows."""
    v, h = factors
    plane = Plane((8 * v, 16 * h), factors)
    units = torch.eye(128, dtype=torch.float64).reshape(128, 1, 1, 2, 8, 8)
    product = plane.coefficients(plane.adjoint(units)).reshape(128, 128)
    torch.testing.assert_close(product, torch.eye(128, dtype=torch.float64) / (v * h))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_decoded_image_has_the_coefficients(subsampling: str, scene: Scene) -> None:
    physics = JPEG((3, 32, 48), quality=20, subsampling=subsampling)
    y = physics(scene(32, 48, 3).double())
    for found, expected in zip(physics.A(physics.A_dagger(y)), y, strict=True):
        torch.testing.assert_close(found, expected)
    same = physics.A_dagger(y)
    assert all(
        torch.equal(a, b)
        for a, b in zip(physics.indices(physics(same)), physics.indices(y), strict=True)
    )


@pytest.mark.parametrize("size", [(1, 24, 40), (3, 24, 40), (3, 19, 11), (3, 32, 48), (3, 1, 1)])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_whole_blocks(size: tuple[int, int, int], subsampling: str) -> None:
    """They decode to the same image, and beyond its own blocks to its mirror image."""
    physics = JPEG(size, quality=30, subsampling=subsampling if size[0] == 3 else None).double()
    whole = physics.whole()
    channels, height, width = whole.img_size
    assert (channels, whole.subsampling) == (size[0], physics.subsampling)
    assert (height, width) == tuple(-(-side // 16) * 16 for side in size[1:])
    assert torch.equal(whole.tables, physics.tables)
    y = physics(noise(1, *size))
    completed = physics.completed(y)
    for part, own, plane in zip(completed, y, whole.planes, strict=True):
        assert part.shape[2:4] == plane.blocks
        assert torch.equal(part[:, :, : own.shape[2], : own.shape[3]], own)
    decoded = whole.A_dagger(completed)
    rows, columns = size[1:]
    torch.testing.assert_close(decoded[..., :rows, :columns], physics.A_dagger(y))
    luma = (to_planes(decoded) if channels == 3 else decoded)[:, 0]
    for axis in (1, 2):
        own = 8 * -(-size[axis] // 8)
        if own < whole.img_size[axis]:
            last, beyond = luma.narrow(axis, own - 8, 8), luma.narrow(axis, own, 8)
            torch.testing.assert_close(beyond, last.flip(axis))
    # What the model makes of them is what they are.
    for again, part in zip(whole.A(decoded), completed, strict=True):
        torch.testing.assert_close(again, part)


def test_quantised_coefficients_are_on_their_lattice() -> None:
    tables = [luminance_table(30), chrominance_table(40), chrominance_table(80)]
    physics = JPEG((3, 16, 24), tables=tables, subsampling="4:4:4")
    image = noise(2, 3, 16, 24)
    y = physics(image)
    for k, (quantised, exact) in enumerate(zip(y, physics.A(image), strict=True)):
        assert quantised.shape == (2, 1, 2, 3, 8, 8)
        shift = torch.zeros(8, 8, dtype=torch.float64)
        shift[0, 0] = 1024 if k == 0 else 0
        steps = (255 * quantised - shift) / tables[k]
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-9)
        assert ((quantised - exact).abs() <= tables[k].double() / 510 + 1e-12).all()
    again = physics.from_indices([n.long() for n in physics.indices(y)])
    assert all(torch.allclose(a.double(), b, atol=1e-5) for a, b in zip(again, y, strict=True))


def test_least_squares_methods_of_deepinv_apply() -> None:
    physics = JPEG((3, 16, 16), quality=60, subsampling="4:2:0")
    y = physics(noise(1, 3, 16, 16))
    start = noise(1, 3, 16, 16, seed=1)
    # argmin gamma/2 |Ax - y|^2 + 1/2 |x - start|^2: its gradient is zero
    found = physics.prox_l2(start, y, 2.0)
    residual = deepinv.utils.TensorList([a - b for a, b in zip(physics.A(found), y, strict=True)])
    gradient = 2 * physics.A_adjoint(residual) + found - start
    assert gradient.abs().max() < 1e-2


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"img_size": (2, 8, 8), "quality": 10}, "img_size is"),
        ({"img_size": (1, 0, 8), "quality": 10}, "img_size is"),
        ({"img_size": (1, 8, 8)}, "either a quality or tables"),
        ({"img_size": (1, 8, 8), "quality": 10, "tables": [np.ones((8, 8))]}, "either a quality"),
        ({"img_size": (1, 8, 8), "quality": 0}, "from 1 to 100"),
        ({"img_size": (3, 8, 8), "tables": [np.ones((8, 8))]}, "2 or 3 tables, got 1"),
        ({"img_size": (1, 8, 8), "tables": [np.ones((8, 7))]}, r"\[8, 8\]"),
        ({"img_size": (3, 8, 8), "quality": 10, "subsampling": "4:1:0"}, "one of 4:4:4, 4:2:2"),
        ({"img_size": (1, 8, 8), "quality": 10, "subsampling": "4:2:0"}, "no chrominance"),
    ],
)
def test_impossible_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        JPEG(**arguments)  # type: ignore[arg-type]


def test_impossible_images() -> None:
    physics = JPEG((3, 8, 8), quality=10)
    with pytest.raises(InputError, match=r"\[B, 3, 8, 8\], got \[1, 1, 8, 8\]"):
        physics(torch.zeros(1, 1, 8, 8))
    with pytest.raises(InputError, match="floating point"):
        physics(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
