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


def test_what_differs_within_a_group_is_said_of_each(pages, groups):
    group = groups["trd-7x7"]
    names = [card.name for card in group.cards]
    speed = pages.Speed(
        "a machine",
        "wall time",
        512,
        dict(zip(names, (3000, 4000, 3000), strict=True)),
        "x",
        dict(zip(names, (1.5, 2, 1.5), strict=True)),
    )
    rows = [row.strip("| ").split(" | ") for row in pages.facts(group, [speed]).splitlines()]
    for card in group.cards:
        assert [f"outside of that: `{card.name}`", card.outside_range] in rows
    assert [row[0] for row in rows if row[0].startswith("speed")] == [
        "speed: `trd-7x7-s15`, `trd-7x7-s50`",
        "speed: `trd-7x7-s25`",
    ]
    (row,) = (row for row in rows if row[0] == "speed: `trd-7x7-s25`")
    assert row[1] == "4,000 ms of wall time per megapixel (2.00 times x's time): a machine"
    alike = [
        row.strip("| ").split(" | ") for row in pages.facts(groups["trd-jpeg"], []).splitlines()
    ]
    assert ["outside of that", groups["trd-jpeg"].middle.outside_range] in alike


def test_pages_that_say_more_are_of_groups_and_are_there(pages, groups):
    assert set(pages.FURTHER) <= set(groups)
    named = {page for places in pages.FURTHER.values() for page in places}
    assert [page for page in named if not (DOCS / page).is_file()] == []
    assert "[trd-experiments](../trd-experiments.md)" in pages.page(
        groups["trd-7x7"], [], [], None, None
    )


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


def drawn(figures, group, groups):
    """The two panels of a page's figure, lines by label in the left one."""
    everything = list(groups.values())
    figure = figures._figure(figures.assessed(group), figures.neighbours(group, everything))
    left, *right = figure.axes
    return figure, left, right


def test_all_levels_of_a_group_have_their_input_and_their_difference(extension, groups):
    figure, left, (right,) = drawn(extension("figures"), groups["trd-7x7"], groups)
    lines = {line.get_label(): line for line in left.lines}
    assert lines["input"].get_xdata()[-1] >= 100  # up to where the s50 was measured
    shapes = [(lines[f"trd-7x7-s{level}"], level) for level in (15, 25, 50)]
    assert len({(line.get_marker(), line.get_linestyle()) for line, _ in shapes}) == 3
    lengths = {line.get_color(): len(line.get_xdata()) for line in right.lines}
    assert all(lengths[line.get_color()] >= 4 for line, _ in shapes)
    assert not left.get_legend()  # below the panels, where it covers nothing
    assert len(figure.legends) == 1


def test_what_is_below_every_level_in_use_is_not_drawn(extension, groups):
    _, left, _ = drawn(extension("figures"), groups["genericdp"], groups)
    assert left.get_xlim()[0] > 1
    assert left.get_ylim()[1] < 45  # at 0.25/255 it is 60 dB
    assert all(min(line.get_xdata()) >= 1 for line in left.lines)


@pytest.mark.parametrize("key", ["ffdnet-gray", "genericdp", "trd-jpeg", "dncnn-color-b"])
def test_every_line_is_named_once(extension, groups, key):
    _, left, (right,) = drawn(extension("figures"), groups[key], groups)
    labels = [line.get_label() for line in left.lines]
    assert len(set(labels)) == len(labels) <= 8
    assert not any(label.startswith("_") for label in labels)
    assert len({line.get_color() for line in left.lines}) == len(labels)
    assert len(right.lines) == len(labels) - 1  # all but the input


def test_a_difference_is_taken_between_measured_levels(extension, groups):
    less = extension("figures").less
    ffdnet, trd = (groups[key].middle.assessment for key in ("ffdnet-gray", "trd-7x7"))
    found = less(trd, ffdnet)
    assert found["25"] == pytest.approx(trd.levels.psnr["25"] - ffdnet.levels.psnr["25"])
    # as of all that follow the noise: straight over the level's logarithm, to a few tenths
    assert found["37.5"] == pytest.approx(0, abs=0.3)
    assert less(ffdnet, ffdnet) == pytest.approx(dict.fromkeys(ffdnet.levels.psnr, 0))
    assert "3.75" not in less(groups["trd-7x7"].cards[0].assessment, ffdnet)


def test_what_a_prior_has_learned_is_drawn(extension, tmp_path):
    figures = extension("figures")
    figures.draw("foe-m-s15", tmp_path / "page.webp")
    assert (tmp_path / "page.webp").read_bytes()[8:12] == b"WEBP"


def test_speeds_are_of_all_priors(pages):
    (run, *_) = pages.speeds(DOCS / "speed.yaml")
    assert sorted(run.milliseconds) == pnp_priors.available()
    assert run.ratio[run.reference] == 1
