"""What is read of a file: from its own coefficients, and recovered from decoded pixels."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.physics.jpeg import chrominance_table, luminance_table
from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
from pnp_priors.physics.jpeg_file import from_pixels, read_file

Scene = Callable[..., Tensor]
SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


def coloured(scene: Scene, height: int, width: int) -> np.ndarray:
    """8 bit ``[H, W, 3]``, with chrominance that varies, away from black and white."""
    image = scene(height, width, 3)
    across = torch.linspace(0, 1, width).expand(1, 1, height, width)
    tint = torch.cat([0.5 + 0.5 * across, 1 - 0.4 * across, 0.5 + 0.4 * across], dim=1)
    pixels = 255 * (0.1 + 0.8 * image * tint)
    return np.ascontiguousarray(pixels[0].permute(1, 2, 0).round().byte().numpy())


def written(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, "JPEG", **options)
    return path


def disagreement(path: Path) -> list[float]:
    """Per plane, the share of recovered coefficients that are not the file's."""
    exact, recovered = read_file(path, exact=True), read_file(path, exact=False)
    assert exact.exact
    assert not recovered.exact
    assert torch.equal(exact.tables, recovered.tables)
    return [
        (a != b).float().mean().item()
        for a, b in zip(exact.indices, recovered.indices, strict=True)
    ]


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_colour_file(
    subsampling: str, options: dict[str, bool], scene: Scene, tmp_path: Path
) -> None:
    pixels = coloured(scene, 45, 59)
    path = written(tmp_path / "x.jpg", pixels, quality=70, subsampling=subsampling, **options)
    file = read_file(path)
    assert file.exact
    assert file.size == (45, 59)
    assert file.subsampling == subsampling
    assert torch.equal(
        file.tables, torch.stack([luminance_table(70), *[chrominance_table(70)] * 2])
    )
    physics = file.physics()
    decoded = physics.A_dagger(file.measurements(physics))[0].permute(1, 2, 0).numpy() * 255
    # Pillow interpolates the chrominance, which is smooth here.
    assert np.abs(decoded - np.array(Image.open(path)).astype(float)).mean() < 1
    again = physics.indices(file.measurements(physics))
    assert all(torch.equal(a, b) for a, b in zip(again, file.indices, strict=True))


@pytest.mark.parametrize("quality", [10, 50, 75])
@pytest.mark.parametrize("subsampling", ["gray", *SUBSAMPLINGS])
def test_coefficients_are_recovered_from_decoded_pixels(
    subsampling: str, quality: int, scene: Scene, tmp_path: Path
) -> None:
    pixels = coloured(scene, 64, 96)
    options = {} if subsampling == "gray" else {"subsampling": subsampling}
    pixels = pixels[..., 0] if subsampling == "gray" else pixels
    path = written(tmp_path / "x.jpg", pixels, quality=quality, **options)
    assert max(disagreement(path)) < 1e-4


def test_recovered_where_steps_are_small_or_blocks_incomplete(scene: Scene, tmp_path: Path) -> None:
    """What :attr:`JPEGFile.exact` warns of: a flat block's level is rounded to an eighth step."""
    path = written(tmp_path / "x.jpg", coloured(scene, 64, 96), quality=97)
    assert 0 < max(disagreement(path)) < 0.1
    path = written(tmp_path / "y.jpg", coloured(scene, 61, 90), quality=60)
    assert 0 < max(disagreement(path)) < 0.1


@pytest.mark.parametrize("size", [(32, 48), (31, 45), (3, 4), (2, 1)])
def test_chrominance_halved_in_height_alone(
    size: tuple[int, int], scene: Scene, tmp_path: Path
) -> None:
    path = tmp_path / "x.jpg"
    content = imagecodecs.jpeg8_encode(coloured(scene, *size), level=60, subsampling="440")
    path.write_bytes(content)
    file = read_file(path)
    assert file.subsampling == "4:4:0"
    physics = file.physics()
    found = physics.A_dagger(file.measurements(physics))
    assert QuantisationInterval().prox(found, file.measurements(physics), physics).shape[2:] == size


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_restored_file_encoded_again_is_nearly_the_same(
    subsampling: str, scene: Scene, tmp_path: Path
) -> None:
    """By our model all coefficients are the same; by Pillow but where its 8 bits decide.

    A projected coefficient is often at the very edge of its interval, so that rounding pixels
    moves about half of those to the next step. 0.9 steps wide, few are moved.
    """
    pixels = coloured(scene, 48, 64)
    options = {"quality": 30, "subsampling": subsampling}
    file = read_file(written(tmp_path / "x.jpg", pixels, **options))
    physics = file.physics()
    y = file.measurements(physics)
    generator = torch.Generator().manual_seed(0)
    start = physics.A_dagger(y) + 0.01 * torch.randn(1, 3, 48, 64, generator=generator)
    found = QuantisationInterval(0.9).prox(start, y, physics)
    same = zip(physics.indices(physics(found)), file.indices, strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    again = found[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
    tables = {k: t.flatten().int().tolist() for k, t in enumerate(file.tables[:2])}
    path = written(tmp_path / "y.jpg", again, qtables=tables, subsampling=subsampling)
    other = read_file(path)
    assert torch.equal(other.tables, file.tables)
    for a, b in zip(other.indices, file.indices, strict=True):
        assert (a != b).float().mean() < 0.01


def test_without_jpeglib(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "x.jpg", coloured(scene, 16, 16), quality=50)
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    assert not read_file(path).exact
    with pytest.raises(InputError, match=r"x\.jpg: .*pnp_priors\[jpeg\]"):
        read_file(path, exact=True)


def with_sampling(file: bytes, *factors: int) -> bytes:
    """Change the sampling factors that the frame header states."""
    changed = bytearray(file)
    start = file.index(b"\xff\xc0") + 10
    for plane, factor in enumerate(factors):
        changed[start + 3 * plane + 1] = factor
    return bytes(changed)


def test_what_cannot_be_read_is_one_line(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    planes = np.zeros((16, 16, 4), np.uint8)
    rgb = written(path, planes[..., :3], keep_rgb=True).read_bytes()
    stream = BytesIO()
    Image.fromarray(planes, "CMYK").save(stream, "JPEG")
    cmyk = stream.getvalue()
    whole = written(path, coloured(scene, 64, 64), quality=90, subsampling="4:4:4").read_bytes()
    for content, message in (
        (b"some text", "not a JPEG file"),
        (b"", "not a JPEG file"),
        (whole[: len(whole) // 2], "damaged JPEG file"),
        (rgb, "3 planes are not Y"),
        (cmyk, "4 planes are not Y"),
        (with_sampling(whole, 0x41, 0x11, 0x11), "1x1 1x1 are none of 4:4:4"),
        (with_sampling(whole, 0x21, 0x11, 0x21), "none of 4:4:4"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_file(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(MissingFileError, match="no such file"):
        read_file(tmp_path / "none.jpg")


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_decoded_pixels_and_tables_are_enough(
    subsampling: str, scene: Scene, tmp_path: Path
) -> None:
    """All of a gray image; of a colour one, whose RGB is rounded once more, nearly all."""
    pixels = coloured(scene, 48, 64)
    for values in (pixels[..., 1], pixels):
        channels = 1 if values.ndim == 2 else 3
        options = {"subsampling": subsampling} if channels == 3 else {}
        path = written(tmp_path / "x.jpg", np.ascontiguousarray(values), quality=50, **options)
        file = read_file(path)
        with Image.open(path) as opened:
            rgb = np.atleast_3d(np.asarray(opened)) / 255
        found = from_pixels(
            torch.from_numpy(rgb).permute(2, 0, 1), list(file.tables), file.subsampling
        )
        assert not found.exact
        assert (found.size, found.subsampling) == (file.size, file.subsampling)
        wrong = [
            (a != b).float().mean().item() for a, b in zip(found.indices, file.indices, strict=True)
        ]
        assert max(wrong) <= (0 if channels == 1 else 0.005)


def test_tables_that_do_not_fit_the_pixels() -> None:
    with pytest.raises(InputError, match="3 channels need 3 tables, got 1"):
        from_pixels(torch.zeros(3, 8, 8), [luminance_table(50)])
    with pytest.raises(InputError, match="subsampling"):
        from_pixels(torch.zeros(3, 8, 8), [luminance_table(50)] * 3, "4:1:1")
