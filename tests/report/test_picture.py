"""The picture of a report: where the detail is, and what is drawn where."""

import numpy as np
import pytest

from pnp_priors.report import picture


def brute_force(energy, height, width):
    best, where = -1.0, None
    for top in range(energy.shape[0] - height + 1):
        for left in range(energy.shape[1] - width + 1):
            total = energy[top : top + height, left : left + width].sum()
            if total > best + 1e-9:
                best, where = total, (top, left)
    return where


def test_detail_is_where_most_changed():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 3, 20, 23))
    top, left, height, width = picture.detail(before, after, side=6)
    assert (height, width) == (6, 6)
    assert (top, left) == brute_force(((after - before) ** 2).sum(0), 6, 6)


def test_detail_of_what_did_not_change_is_the_most_structured_part():
    image = np.full((1, 40, 50), 0.5)
    image[:, 22:30, 31:39] = np.indices((8, 8)).sum(0) % 2
    top, left, height, width = picture.detail(image, image, side=12)
    assert top <= 22
    assert left <= 31
    assert top + height >= 30
    assert left + width >= 39


def test_detail_of_small_and_large_images():
    small = np.zeros((1, 5, 9))
    assert picture.detail(small, small, side=96) == (0, 0, 5, 9)
    large = np.zeros((1, 40, 5000), np.float32)
    changed = large.copy()
    changed[:, 10:30, 4700:4730] = 1
    top, left, height, width = picture.detail(large, changed, side=36)
    assert left <= 4710
    assert left + width >= 4720
    assert (height, width) == (36, 36)
    assert 0 <= top <= 4


def test_the_magnified_detail_is_exact():
    rng = np.random.default_rng(1)
    pixels = rng.random((3, 100, 120))
    sheet = np.asarray(picture.draw([(["input"], pixels)], (30, 40, 32, 32)))
    stored = np.rint(255 * pixels[:, 30:62, 40:72]).astype(np.uint8).transpose(1, 2, 0)
    magnified = stored.repeat(12, axis=0).repeat(12, axis=1)  # 384 // 32
    left = 16
    rows = [
        row
        for row in range(sheet.shape[0] - 384 + 1)
        if (sheet[row, left : left + 384] == magnified[0]).all()
        and (sheet[row : row + 384, left : left + 384] == magnified).all()
    ]
    assert len(rows) == 1
    # The whole image is enlarged three times, with the frame around the detail in both colours.
    orange = (sheet == (230, 159, 0)).all(-1)
    found = np.argwhere(orange)
    assert found[:, 1].min() == left + 3 * 40
    assert found[:, 1].max() == left + 3 * 72 - 1
    assert np.ptp(found[:, 0]) == 3 * 32 - 1


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 900), (1, 900, 700)])
def test_any_size_with_long_captions(shape):
    pixels = np.random.default_rng(0).random(shape)
    where = picture.detail(pixels, pixels)
    panels = [(["input", "PSNR 20 dB"], pixels), (["restored"], pixels)]
    short = picture.draw(panels, where)
    long = picture.draw(panels, where, ["warning: " + "many words " * 30])
    assert long.width == short.width
    assert long.height > short.height
    # Text stays on the sheet: its right margin is paper.
    assert (np.asarray(long)[:, -10:] == 255).all()


def test_every_sign_of_the_captions_is_in_the_font():
    from PIL import ImageFont

    font = ImageFont.load_default(size=18)
    missing = bytes(font.getmask("\N{SNOWMAN}"))
    for sign in "x+-/%,;:.()":
        assert bytes(font.getmask(sign)) != missing


def test_what_follows_a_broken_line_is_indented():
    from PIL import ImageFont

    line = "seven words that do not fit one line"
    first, *rest = picture.folded(line, ImageFont.load_default(size=18), 1, 100)
    assert rest
    assert not first.startswith(" ")
    assert all(part.startswith("   ") for part in rest)
    assert " ".join([first, *rest]).split() == line.split()
