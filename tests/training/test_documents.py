"""Rendered pages: the same by the seed, different otherwise, written on; and their fonts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pnp_priors.errors import MissingExtraError, MissingFileError, UnknownNameError
from pnp_priors.training import _blocks, documents, fonts
from pnp_priors.training._blocks import BLOCKS, Box, Look, Sheet


@pytest.fixture(autouse=True)
def _no_cached_fonts() -> None:
    fonts.font.cache_clear()


def drawn(seed: int, count: int = 4) -> list[np.ndarray]:
    return list(documents.pages(count, seed, 1))


def test_a_seed_decides_the_pages_and_more_of_them_begin_alike() -> None:
    pages = drawn(3)
    assert all(np.array_equal(a, b) for a, b in zip(pages, drawn(3, count=2), strict=False))
    for one in range(4):
        for other in range(one):
            assert pages[one].shape != pages[other].shape or (pages[one] != pages[other]).any()
    assert not any(np.array_equal(a, b) for a, b in zip(pages, drawn(4), strict=True))


def test_pages_are_gray_or_coloured_of_the_stated_sizes() -> None:
    for gray, colour in zip(drawn(0, 6), documents.pages(6, 0, 3), strict=True):
        assert gray.dtype == colour.dtype == np.uint8
        assert gray.shape == (1, *colour.shape[1:])
        assert all(256 <= side <= 544 for side in gray.shape[1:])
        luma = np.tensordot([0.299, 0.587, 0.114], colour.astype(float), axes=1)
        assert np.abs(gray[0] - luma).max() <= 1


def test_pages_look_written_on() -> None:
    """Most of a page is paper; ink stands out on it, in many small strokes."""
    for page in drawn(1, 24):
        pixels = page[0].astype(int)
        levels, counts = np.unique(pixels, return_counts=True)
        paper = levels[counts.argmax()]
        away = np.abs(pixels - paper) > 40
        assert 0.005 < away.mean() < 0.6
        starts = (away[:, 1:] & ~away[:, :-1]).sum()
        assert starts > 100, "no strokes"


def test_all_kinds_and_both_captures_occur() -> None:
    """What shares promise comes up: few gray levels and many, dark pages and bright ones."""
    pages = drawn(2, 40)
    dark = [page for page in pages if np.median(page) < 100]
    assert 2 <= len(dark) <= 20
    assert {len(np.unique(page)) < 100 for page in pages} == {True, False}


LOOK = Look(
    family="DejaVu Sans",
    headings="DejaVu Serif",
    mono="DejaVu Sans Mono",
    size=10.0,
    ink=(0, 0, 0),
    paper=(255, 255, 255),
    accent=(200, 0, 0),
    spacing=1.3,
    justified=True,
)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_stays_in_its_box(name: str) -> None:
    """Up to a line's descenders below and what leans over at the sides."""
    inside = 0
    for seed in range(6):
        image = Image.new("RGB", (300, 300), LOOK.paper)
        height = LOOK.line * BLOCKS[name].lines[1]
        sheet = Sheet(image, LOOK, documents.Random(f"{name}/{seed}"))
        BLOCKS[name].draw(sheet, Box(60, 60, 240, 60 + height))
        rows, columns = (np.asarray(image.convert("L")) < 230).nonzero()
        inside += len(rows)
        if len(rows):
            assert rows.min() >= 60 - 8
            assert columns.min() >= 60 - 8
            assert rows.max() <= 60 + height + 8
            assert columns.max() <= 240 + 8
    assert inside > 0


def test_inverting_exchanges_ink_and_paper() -> None:
    sheet = Sheet(Image.new("RGB", (10, 10)), LOOK, documents.Random(0))
    other = sheet.inverted()
    assert (other.look.ink, other.look.paper) == (LOOK.paper, LOOK.ink)
    assert other.image is sheet.image
    assert other.inverted().look == LOOK


@pytest.mark.parametrize(
    ("share", "expected"), [(0, (0, 10, 20)), (1, (100, 30, 20)), (0.5, (50, 20, 20))]
)
def test_colours_mix(share: float, expected: tuple[int, int, int]) -> None:
    assert _blocks.mixed((0, 10, 20), (100, 30, 20), share) == expected


# --- fonts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", fonts.FAMILIES)
@pytest.mark.parametrize("weight", ["regular", "bold", "italic"])
def test_every_family_is_there_and_has_the_characters(name: str, weight: fonts.Weight) -> None:
    face = fonts.font(name, weight, 40.0)
    shapes = {bytes(face.getmask(character)) for character in "abcXYZ0123.,;!?()"}
    assert len(shapes) == len("abcXYZ0123.,;!?()"), "missing glyphs all look alike"


def test_fonts_for_measuring_are_kept_from_training() -> None:
    assert not set(fonts.TRAINING) & set(fonts.HELD_OUT)
    for families in (fonts.TRAINING, fonts.HELD_OUT):
        assert {fonts.family(name).kind for name in families} == {"serif", "sans", "mono"}
    used = {str(path) for path in fonts.files(fonts.TRAINING)}
    assert not used & {str(path) for path in fonts.files(fonts.HELD_OUT)}


def test_pages_use_the_families_they_are_given() -> None:
    one = documents.page("0/0", fonts.HELD_OUT)
    assert one.tobytes() != documents.page("0/0").tobytes()
    with pytest.raises(UnknownNameError, match=r"font family 'Ariel'.*DejaVu Sans"):
        documents.page("0/0", ["Ariel"])


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = fonts.importlib.util.find_spec
    monkeypatch.setattr(
        fonts.importlib.util,
        "find_spec",
        lambda name: None if name == "font_source_sans_pro" else find(name),
    )
    message = (
        r"SourceSansPro-Bold.ttf is in the package font-source-sans-pro, .* "
        r"pip install font-source-sans-pro .*'pnp_priors\[train\]'.*PNP_PRIORS_FONTS"
    )
    with pytest.raises(MissingExtraError, match=message):
        fonts.font("Source Sans", "bold", 10.0)


def test_a_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fonts._PLACES, "matplotlib", ("nowhere", "matplotlib"))
    with pytest.raises(MissingFileError, match=r"matplotlib has no font DejaVuSans.ttf"):
        fonts.font("DejaVu Sans", "regular", 10.0)


def test_a_folder_of_fonts_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another face under the name of one: what is set differs."""
    sans = fonts.font("DejaVu Sans", "regular", 20.0).getmask("Rag")
    serif = fonts.font_file("matplotlib", "DejaVuSerif.ttf")
    (tmp_path / "DejaVuSans.ttf").write_bytes(serif.read_bytes())
    monkeypatch.setenv("PNP_PRIORS_FONTS", str(tmp_path))
    fonts.font.cache_clear()
    assert fonts.font_file("matplotlib", "DejaVuSans.ttf").parent == tmp_path
    assert bytes(fonts.font("DejaVu Sans", "regular", 20.0).getmask("Rag")) != bytes(sans)
    assert fonts.font_file("matplotlib", "DejaVuSerif.ttf") == serif


def test_nothing_random_is_left_to_chance() -> None:
    """The generators that all share are not used: neither drawn from nor needed."""
    states = []
    for seed in range(2):
        random.seed(seed)
        torch.manual_seed(seed)
        before = (random.getstate(), torch.get_rng_state().tolist())
        states.append(drawn(5, 1)[0])
        assert (random.getstate(), torch.get_rng_state().tolist()) == before
    assert np.array_equal(*states)
