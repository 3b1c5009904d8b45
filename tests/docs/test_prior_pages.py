"""The pages of the priors: written from cards and measurements, one place for every prior."""

import re
from pathlib import Path

import pytest
import yaml

import pnp_priors
from pnp_priors.benchmark import results

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def pages(extension):
    return extension("prior_pages")


@pytest.fixture
def groups(extension):
    return {group.key: group for group in extension("groups").groups()}


def test_every_prior_has_its_place_once(groups):
    named = [card.name for group in groups.values() for card in group.cards]
    assert sorted(named) == pnp_priors.available()


def test_those_of_one_level_each_share_a_page(groups):
    group = groups["trd-7x7"]
    assert group.names == "`trd-7x7-s15`, `-s25`, `-s50`"
    assert group.middle.name == "trd-7x7-s25"
    assert group.trained_for == "σ = 15, 25, 50, one each"
    assert "15" not in group.title
    assert groups["trd-jpeg"].trained_for == "JPEG quality 10, 20, 30, one each"
    assert [card.name for card in groups["dncnn-3"].cards] == ["dncnn-3"]


@pytest.mark.parametrize(
    ("paper", "short"),
    [
        (
            "Zhang, Zuo, Zhang: FFDNet, IEEE Transactions on Image Processing 27(9), 2018",
            "IEEE TIP 2018",
        ),
        ("On learning … processes (TRD), CVPR 2015", "CVPR 2015"),
        ("in no paper; after a process (genericDP), BMVC 2018", "after BMVC 2018"),
        ("a note without a venue", "a note without a venue"),
    ],
)
def test_sources_in_short(extension, paper, short):
    assert extension("groups").short_source(paper) == short


def test_a_page_has_what_the_card_says(pages, groups):
    cells = results.read(DOCS / "results.json")
    group = groups["genericdp"]
    card = group.middle
    text = pages.page(group, cells, [], None, None)
    for expected in (
        card.paper,
        card.licence,
        f"{card.parameters:,}",
        f"{card.receptive_field} pixels",
        card.weights.sha256[:16],
        card.training.hardware,
        "automodule:: pnp_priors.priors.reaction_diffusion",
    ):
        assert expected in text
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    assert yaml.safe_load(recipe) == card.training.recipe_text


def test_results_stand_beside_the_published_ones(pages, groups):
    cells = results.read(DOCS / "results.json")
    text = pages.results(groups["ffdnet-gray"], cells).replace("\N{NO-BREAK SPACE}", " ")
    (cell,) = (c for c in cells if (c.prior, c.dataset, c.level) == ("ffdnet-gray", "BSD68", 25))
    (row,) = (r for r in text.splitlines() if f"**{cell.psnr:.2f}**" in r and "σ = 25 " in r)
    assert "29.19 (FFDNet" in row


def test_a_prior_that_is_not_assessed_says_so(pages, groups, extension):
    group = groups["genericdp"]
    bare = group.middle.model_copy(update={"assessment": None, "results": []})
    unknown = extension("groups").Group("genericdp", (bare,))
    text = pages.page(unknown, [], [], None, None)
    assert "Not assessed yet; `pnp-priors assess genericdp --card`" in text
    assert "Not measured on a benchmark yet" in text


def test_curves_are_drawn_beside_neighbours(extension, groups, tmp_path):
    figures = extension("figures")
    everything = list(groups.values())
    path = figures.curves(groups["genericdp"], everything, tmp_path)
    assert path is not None
    assert path.read_bytes()[8:12] == b"WEBP"
    names = [name for name, _ in figures.neighbours(groups["genericdp"], everything)]
    assert "ffdnet-gray" in names
    assert not {"genericdp", "ffdnet-color", "trd-jpeg-q20"} & set(names)
    # the same numbers: the file of the build before is kept
    before = path.stat().st_mtime_ns
    assert figures.curves(groups["genericdp"], everything, tmp_path) == path
    assert path.stat().st_mtime_ns == before


def test_what_a_prior_has_learned_is_drawn(extension, tmp_path):
    figures = extension("figures")
    figures.draw("foe-m-s15", tmp_path / "page.webp")
    assert (tmp_path / "page.webp").read_bytes()[8:12] == b"WEBP"


def test_speeds_are_of_all_priors(pages):
    (run, *_) = pages.speeds(DOCS / "speed.yaml")
    assert sorted(run.milliseconds) == pnp_priors.available()
    assert run.ratio[run.reference] == 1
