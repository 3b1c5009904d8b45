"""Signs of an earlier compression: found where they are, and no alarm where they are not."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import block_dct, luminance_table
from pnp_priors.physics.jpeg_file import read_file
from pnp_priors.physics.jpeg_history import Recompression, recompression
from pnp_priors.pipelines import files


def saved(image: Image.Image, quality: int, **options: object) -> Image.Image:
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality, **options)
    return Image.open(BytesIO(stream.getvalue()))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """The bundled photo, which has never been a JPEG file at this size."""
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    return Image.fromarray(np.round(255 * pixels).astype(np.uint8).transpose(1, 2, 0))


def history(image: Image.Image, quality: int, path: Path) -> Recompression | None:
    image.save(path, quality=quality)
    file = read_file(path, exact=True)
    return recompression(file.indices[0], file.tables[0], len(file.indices))


@pytest.mark.parametrize(
    ("first", "last", "most"), [(50, 80, 15), (75, 90, 18), (30, 50, 8), (70, 75, 5)]
)
def test_the_first_table_is_found(
    first: int, last: int, most: int, photo: Image.Image, tmp_path: Path
) -> None:
    found = history(saved(photo.convert("L"), first), last, tmp_path / "x.jpg")
    assert found is not None
    known = found.table > 0
    assert known.sum() >= most
    assert torch.equal(found.table[known], luminance_table(first)[known])
    assert found.quality == first
    assert (found.evidence[known] > 6.9).all()


def test_a_colour_file(photo: Image.Image, tmp_path: Path) -> None:
    found = history(saved(photo, 75), 90, tmp_path / "x.jpg")
    assert found is not None
    known = found.table > 0
    assert known.sum() >= 10
    assert (found.table[known] == luminance_table(75)[known]).float().mean() > 0.8
    assert found.quality == 75


def test_a_picture_with_an_unknown_past(tmp_path: Path) -> None:
    """scikit-image's ``page``: its own coefficients show with which steps it once was a JPEG."""
    page = data.page()
    own = block_dct(torch.from_numpy(page[:184, :384].copy()).double()[None, None])[0, 0]
    found = history(Image.fromarray(page), 75, tmp_path / "x.jpg")
    assert found is not None
    places = found.table.nonzero().tolist()
    assert len(places) >= 10
    for row, column in places:
        multiples = own[..., row, column] / found.table[row, column]
        near = (multiples - multiples.round()).abs() * found.table[row, column] < 1
        assert near[multiples.abs() > 0.5].double().mean() > 0.85


@pytest.mark.parametrize("quality", [10, 25, 50, 70, 80, 90, 95])
def test_no_alarm_of_a_file_that_was_compressed_once(
    quality: int, photo: Image.Image, tmp_path: Path
) -> None:
    assert history(photo.convert("L"), quality, tmp_path / "x.jpg") is None


@pytest.mark.parametrize("quality", [30, 75])
def test_no_alarm_of_colour(quality: int, photo: Image.Image, tmp_path: Path) -> None:
    assert history(photo, quality, tmp_path / "x.jpg") is None


def test_no_alarm_where_nothing_can_be_seen(photo: Image.Image, tmp_path: Path) -> None:
    """The last compression much coarser than the first; a shifted grid; a flat image."""
    gray = photo.convert("L")
    assert history(saved(gray, 95), 40, tmp_path / "x.jpg") is None
    assert history(saved(gray, 75).crop((3, 5, 371, 373)), 85, tmp_path / "x.jpg") is None
    assert history(Image.new("L", (64, 64), 90), 50, tmp_path / "x.jpg") is None


def test_alarms_where_the_model_holds() -> None:
    """Laplacian coefficients, which are a mixture of Gaussians, rounded once and twice.

    At alpha = 0.2, more than 3 alarms of 6 have a probability of at most 1.7 %.
    """
    generator = np.random.default_rng(0)
    first, last = luminance_table(50), luminance_table(70)
    scale = 60 / (1 + np.arange(8)[:, None] + np.arange(8))
    alarms = 0
    for _ in range(6):
        original = torch.from_numpy(generator.laplace(size=(1, 1, 20, 20, 8, 8)) * scale)
        alarms += recompression((original / last).round(), last, alpha=0.2) is not None
    assert alarms <= 3
    pixels = 0.29 * torch.from_numpy(generator.normal(size=original.shape))
    twice = (((original / first).round() * first + pixels) / last).round()
    found = recompression(twice, last)
    assert found is not None
    known = found.table > 0
    assert known.sum() >= 5
    assert torch.equal(found.table[known], first[known])
    assert found.quality is not None
    # Low frequencies have the same steps at 49, 50 and 51.
    assert abs(found.quality - 50) <= 1


def test_impossible_arguments() -> None:
    indices, table = torch.zeros(1, 1, 2, 2, 8, 8), luminance_table(50)
    for arguments, message in (
        ((indices[0], table), r"\[1, 1, rows, columns, 8, 8\]"),
        ((indices, table[:4]), r"\[8, 8\]"),
        ((indices, table, 2), "1 or 3"),
        ((indices, table, 1, 0.0), "between 0 and 1"),
    ):
        with pytest.raises(InputError, match=message):
            recompression(*arguments)
