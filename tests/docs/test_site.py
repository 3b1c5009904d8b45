"""The Sphinx extensions: generated pages, and equations without a script.

Run by .ci/run once the extra `docs` is installed; elsewhere skipped without Sphinx.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import pnp_priors

pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install '.[docs]'")

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def test_pages_of_all_priors_are_written_and_old_ones_removed(extension, tmp_path):
    (tmp_path / "of-last-year.md").write_text("# A prior that is gone\n", encoding="utf-8")
    found = extension("site_pages").write_prior_pages(tmp_path, with_figures=False)
    assert {path.stem for path in tmp_path.iterdir()} == {"index", *(group.key for group in found)}
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+)\.md\)", index))
    assert linked == {group.key for group in found}
    assert len({card.name for group in found for card in group.cards}) == len(
        pnp_priors.available()
    )


def test_an_unchanged_page_is_not_written_again(extension, tmp_path):
    write = extension("site_pages").write
    write(tmp_path / "page.md", "one")
    before = (tmp_path / "page.md").stat().st_mtime_ns
    write(tmp_path / "page.md", "one")
    assert (tmp_path / "page.md").stat().st_mtime_ns == before
    write(tmp_path / "page.md", "two")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "two"


@pytest.mark.parametrize("block", [True, False])
def test_equations_are_mathml(extension, block):
    tex = r"u_t = u_{t-1} - \Big(\sum_i \bar k_i * \phi_i(k_i * u_{t-1})\Big), \quad t = 1, …, T"
    text = extension("mathml").mathml(tex, block)
    math = ElementTree.fromstring(text)
    assert math.tag == MATHML + "math"
    assert (math.get("display") == "block") == block
    symbols = [element.text for element in math.iter(MATHML + "mi")]
    assert {"u", "k", "ϕ"} <= set(symbols) or {"u", "k", "φ"} <= set(symbols)
    assert [e.text for e in math.iter(MATHML + "mo")].count("(") == 2


def test_a_short_fraction_is_one_half(extension):
    math = ElementTree.fromstring(extension("mathml").mathml(r"\tfrac12 \|x\|^2", False))
    (fraction,) = math.iter(MATHML + "mfrac")
    assert [number.text for number in fraction.iter(MATHML + "mn")] == ["1", "2"]


@pytest.mark.parametrize(
    "tex", [r"x = \operatorname*{arg\,min}_x f", r"x = \operatorname*{arg\,min}_{x} f"]
)
def test_an_operator_has_its_limits_below_and_no_star(extension, tex):
    from html import unescape

    for block, tag in ((True, "munder"), (False, "msub")):
        math = ElementTree.fromstring(unescape(extension("mathml").mathml(tex, block)))
        (operator,) = math.iter(MATHML + tag)
        words = [element.text for element in operator.iter(MATHML + "mi")]
        assert words == ["arg\N{THIN SPACE}min", "x"]
        assert not any("*" in (element.text or "") for element in math.iter())
    alone = extension("mathml").mathml(r"\operatorname*{arg\,min} f", True)
    assert "*" not in alone


def test_the_gallery_begins_with_what_most_people_come_for(extension):
    order = extension("gallery_order")
    examples = Path(__file__).parents[2] / "examples"
    names = sorted((path.name for path in examples.glob("*.py")), key=order.Order(str(examples)))
    assert tuple(names[:2]) == order.FIRST
    assert names[2:] == sorted(names[2:])


def test_equations_are_aligned_at_their_signs(extension):
    """By the style sheet, which goes by docutils' class: browsers disregard columnalign."""
    text = extension("mathml").mathml(r"\begin{aligned} x &= 1 \\ yy &= 2 \end{aligned}", True)
    assert 'class="ams-align"' in text
    style = (Path(__file__).parents[2] / "docs" / "_static" / "site.css").read_text()
    assert "mtable.ams-align > mtr > mtd:nth-child(odd)" in style


def test_an_unknown_command_is_an_error(extension):
    from docutils.utils.math import MathError

    with pytest.raises(MathError, match="nonsense"):
        extension("mathml").mathml(r"\nonsense x", False)
