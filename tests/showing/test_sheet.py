"""The sheet: magnified details are exact, residuals on one scale, the detail where it is asked."""

from __future__ import annotations

import numpy as np
import pytest

from pnp_priors.errors import InputError
from pnp_priors.showing import sheet
from pnp_priors.showing.comparison import Comparison, Result, Scores


def result(pixels: np.ndarray, name: str = "a", remarks: tuple[str, ...] = ()) -> Result:
    residual = np.full_like(pixels, 0.15)
    return Result(name, pixels, residual, Scores(30.0, 0.9), 0.0123, remarks)


@pytest.fixture
def made():
    rng = np.random.default_rng(0)

    def make(count: int, height: int = 80, width: int = 100, original: bool = True) -> Comparison:
        photos = rng.random((count + 2, 3, height, width)).astype(np.float32)
        first = photos[0] if original else None
        score = Scores(20.0, 0.5) if original else None
        results = tuple(result(photos[k + 2], f"prior-{k}") for k in range(count))
        return Comparison(first, photos[1], score, 0.1, results)

    return make


def find(picture: np.ndarray, part: np.ndarray) -> list[tuple[int, int]]:
    """Where a picture holds a part, by its first rows."""
    height, width = part.shape[:2]
    found = []
    for row in range(picture.shape[0] - height + 1):
        starts = np.flatnonzero((picture[row, : picture.shape[1] - width + 1] == part[0, 0]).all(1))
        found += [
            (row, int(column))
            for column in starts
            if (picture[row : row + height, column : column + width] == part).all()
        ]
    return found


def magnified(pixels: np.ndarray, factor: int) -> np.ndarray:
    stored = np.rint(255 * pixels).astype(np.uint8).transpose(1, 2, 0)
    return stored.repeat(factor, axis=0).repeat(factor, axis=1)


def test_every_detail_is_magnified_exactly(made) -> None:
    compared = made(2)
    where = sheet.window(compared, (30, 10, 40))
    assert where == (10, 30, 40, 40)
    picture = np.asarray(sheet.draw(compared, where, "photo.png"))
    photos = [compared.original, compared.noisy, *(r.pixels for r in compared.results)]
    places = [find(picture, magnified(p[:, 10:50, 30:70], 8)) for p in photos]
    assert [len(found) for found in places] == [1, 1, 1, 1]
    rows, columns = zip(*(found[0] for found in places), strict=True)
    assert len(set(rows)) == 1
    assert set(np.diff(columns)) == {sheet.COLUMN + 16}


def test_residuals_are_drawn_on_one_scale(made) -> None:
    values = np.array([[[-0.3, 0.0, 0.15, 0.3]]])
    assert np.allclose(sheet.grayscale(values, 0.1), [[[0, 0.5, 0.75, 1]]])
    compared = made(1)
    picture = np.asarray(sheet.draw(compared, (0, 0, 40, 40), "photo.png"))
    # 0.15 of ±0.3 is three quarters of the way to white, over the whole photo, at 300 %.
    shown = np.full((240, 300, 3), 191, np.uint8)
    assert len(find(picture, shown)) == 1


def test_without_an_original_the_sheet_begins_with_the_input(made) -> None:
    compared = made(1, original=False)
    picture = np.asarray(sheet.draw(compared, (0, 0, 40, 40), "photo.png"))
    assert picture.shape[1] == 2 * (sheet.COLUMN + 16) + 16
    ((_, column),) = find(picture, magnified(compared.noisy[:, :40, :40], 8))
    assert column == 16


def test_many_priors_fill_rows_evenly(made) -> None:
    few, many = (sheet.draw(made(count), (0, 0, 40, 40), "p") for count in (4, 7))
    assert few.width == 6 * (sheet.COLUMN + 16) + 16
    assert many.width == 5 * (sheet.COLUMN + 16) + 16  # nine panels: five and four
    assert many.height > 1.8 * few.height


def test_the_detail_is_where_most_structure_is(made) -> None:
    plain = np.full((1, 200, 300), 0.5, np.float32)
    plain[:, 100:130, 200:230] = np.indices((30, 30)).sum(0) % 2
    compared = Comparison(plain, plain, None, 0.1, (result(plain),))
    for one in (compared, Comparison(None, plain, None, 0.1, (result(plain),))):
        top, left, height, width = sheet.window(one)
        assert (height, width) == (sheet.DETAIL, sheet.DETAIL)
        assert top <= 100
        assert top + height >= 130
        assert left <= 200
        assert left + width >= 230


def test_large_photos_are_shrunk_to_a_column(made) -> None:
    compared = made(1, 700, 400)
    picture = sheet.draw(compared, (0, 0, 400, 400), "photo.png")
    assert picture.width == 3 * (sheet.COLUMN + 16) + 16
    assert picture.height < 1300


@pytest.mark.parametrize("corner", [(-1, 0, 10), (0, 0, 0), (95, 0, 10), (0, 75, 10), (0, 0, 90)])
def test_a_detail_outside_of_the_photo(made, corner) -> None:
    with pytest.raises(InputError, match=r"--detail .*100 pixels wide and 80 high"):
        sheet.window(made(1), corner)


def test_figures() -> None:
    assert sheet.figures(None) == ()
    assert sheet.figures(Scores(31.234, None)) == ("PSNR 31.23 dB",)
    assert sheet.figures(Scores(31.234, 0.87654)) == ("PSNR 31.23 dB, SSIM 0.8765",)
