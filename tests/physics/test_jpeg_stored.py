"""What a JPEG file stores, as arrays: that is libjpeg's, and what the tensors have."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_file import read_file
from pnp_priors.physics.jpeg_standard import (
    CHROMINANCE,
    LUMINANCE,
    dct_basis,
    nearest_quality,
    quality_table,
)
from pnp_priors.physics.jpeg_stored import read_stored, stored_of_pixels


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    y, x = np.mgrid[:45, :70] / 70
    rgb = np.stack([0.3 + 0.4 * x, 0.5 + 0.3 * np.sin(9 * y), 0.6 - 0.2 * x * y], -1)
    Image.fromarray((255 * rgb).astype(np.uint8)).save(tmp_path / "x.jpg", quality=40)
    return tmp_path / "x.jpg"


@pytest.mark.parametrize("exact", [False, True])
def test_arrays_are_the_tensors(photo: Path, exact: bool) -> None:
    stored, file = read_stored(photo, exact), read_file(photo, exact)
    assert (stored.size, stored.subsampling, stored.exact) == ((45, 70), "4:2:0", exact)
    np.testing.assert_array_equal(stored.tables, file.tables.numpy())
    shapes = [(6, 9, 8, 8), (3, 5, 8, 8), (3, 5, 8, 8)]
    assert [plane.shape for plane in stored.indices] == shapes
    for array, tensor in zip(stored.indices, file.indices, strict=True):
        assert tensor.dtype == torch.float32
        np.testing.assert_array_equal(array, tensor[0, 0].numpy())


@pytest.mark.parametrize("quality", [1, 49, 50, 73, 100])
def test_standard_tables_are_pillows(quality: int, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "x.jpg", quality=quality)
    with Image.open(tmp_path / "x.jpg") as file:
        for number, table in enumerate((LUMINANCE, CHROMINANCE)):
            found = quality_table(table, quality)
            assert found.flatten().tolist() == file.quantization[number]
    assert nearest_quality(quality_table(LUMINANCE, quality)) == quality


@pytest.mark.parametrize("quality", [0, 101, 1.5, True, "50"])
def test_another_quality_is_refused(quality: object) -> None:
    with pytest.raises(InputError, match="from 1 to 100"):
        quality_table(LUMINANCE, quality)  # type: ignore[arg-type]


def test_the_dct_is_orthonormal_and_scipys() -> None:
    from scipy.fft import dctn

    block = np.random.default_rng(0).random((8, 8))
    basis = dct_basis()
    np.testing.assert_allclose(basis @ basis.T, np.eye(64), atol=1e-14)
    found = (basis @ block.flatten()).reshape(8, 8)
    np.testing.assert_allclose(found, dctn(block, norm="ortho"), atol=1e-14)


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="3 channels need 3 tables, got 1"):
        stored_of_pixels(np.zeros((3, 8, 8)), [np.ones((8, 8))])


@pytest.mark.parametrize("size", [(48, 64), (40, 56), (35, 50)])
@pytest.mark.parametrize("subsampling", ["gray", "4:4:4", "4:2:2", "4:2:0"])
def test_what_is_shown_gives_the_coefficients_back(
    subsampling: str, size: tuple[int, int], tmp_path: Path
) -> None:
    """Also where the decoder's rounding to 8 bits, and its clipping, would not, and of blocks that
    the border cuts."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    path = tmp_path / "x.jpg"
    if subsampling == "gray":
        Image.fromarray(pixels[..., 0]).save(path, quality=90)
    else:
        Image.fromarray(pixels).save(path, quality=90, subsampling=subsampling)
    stored = read_stored(path, exact=True)
    again = stored_of_pixels(stored.shown(), list(stored.tables), stored.subsampling)
    assert again.size == tuple(-(-side // 16) * 16 for side in size)
    for one, other in zip(again.indices, stored.indices, strict=True):
        rows, columns = other.shape[:2]
        np.testing.assert_array_equal(one[:rows, :columns], other)
    with Image.open(path) as file:
        decoded = np.atleast_3d(np.asarray(file)).transpose(2, 0, 1)
    # Pixels that were not clipped differ by the decoder's rounding alone.
    shown = 255 * stored.shown()[:, : size[0], : size[1]]
    inside = ((shown > 0) & (shown < 255)).all(axis=0)
    if size != (
        48,
        64,
    ):  # at a border that cuts blocks, decoders repeat the last visible chrominance
        inside[-2:], inside[:, -2:] = False, False
    assert np.abs(shown - decoded)[:, inside].max() < 3


@pytest.mark.parametrize("exact", [False, True])
def test_noise_and_luminance_are_the_tensors(photo: Path, exact: bool) -> None:
    from pnp_priors.solvers.deblocking import quantisation_noise

    stored, file = read_stored(photo, exact), read_file(photo, exact)
    physics = file.physics()
    measured = file.measurements(physics)
    noise = quantisation_noise(measured, physics)
    assert stored.quantisation_noise() == pytest.approx(noise, rel=1e-6)
    luma = physics.planes[0].decoded(measured[0])[0, 0].numpy()
    np.testing.assert_allclose(stored.luminance(), luma, atol=1e-6)
