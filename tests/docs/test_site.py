"""The Sphinx extensions: generated pages, and equations without a script.

Run by .ci/run once the extra `docs` is installed; elsewhere skipped without Sphinx.
"""

import re
import xml.etree.ElementTree as ElementTree

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


def test_an_unknown_command_is_an_error(extension):
    from docutils.utils.math import MathError

    with pytest.raises(MathError, match="nonsense"):
        extension("mathml").mathml(r"\nonsense x", False)
