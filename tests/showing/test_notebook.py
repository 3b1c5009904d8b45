"""What a prior and a card say of themselves; nothing of it can be taken for HTML."""

from __future__ import annotations

import re

import pytest
import torch

import pnp_priors
from pnp_priors import registry
from pnp_priors.showing import notebook


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "genericdp",
            "ReactionDiffusion(genericdp: reaction-diffusion, gray, sigma 1/255 to 50/255, "
            "43,024 parameters, receptive field 97 px)",
        ),
        (
            "dncnn-color-b",
            "DnCNN(dncnn-color-b: dncnn, colour, sigma 0/255 to 55/255, blind, "
            f"{registry.describe('dncnn-color-b').parameters:,} parameters, receptive field 41 px)",
        ),
        (
            "ka-s25",
            "PeronaMalik(ka-s25: perona-malik, gray, sigma 25/255 alone, 202,866 parameters, "
            "receptive field: the whole image)",
        ),
    ],
)
def test_a_prior_is_one_line(name, line) -> None:
    assert repr(pnp_priors.load(name)) == line


@pytest.mark.parametrize("name", registry.available())
def test_a_card_is_one_line(name) -> None:
    card = registry.describe(name)
    line = repr(card)
    assert line.startswith(f"Card({name}: {card.title}, ")
    assert line.endswith(f"{card.trained_for}, {card.parameters:,} parameters)")
    assert len(line) < 300


@pytest.mark.parametrize("name", registry.available())
def test_prior_and_card_agree(name) -> None:
    card, prior = registry.describe(name), pnp_priors.load(name)
    about = notebook.facts(prior)
    assert about["name"] == card.name
    assert about["system"] == card.system
    assert about["trained for"] == card.trained_for
    assert about["parameters"] == f"{card.parameters:,} parameters"


def test_an_equivariant_prior_says_so_and_what_it_is_trained_for() -> None:
    line = repr(pnp_priors.load("trd-5x5-s25", equivariant=True))
    assert line.startswith("Equivariant(trd-5x5-s25: Equivariant, gray, sigma 25/255 alone, ")


def test_torchs_tree_is_still_there() -> None:
    prior = pnp_priors.load("dncnn-s25")
    assert torch.nn.Module.__repr__(prior).count("Conv2d(") == 17
    assert repr(torch.nn.Sequential(prior)).count("\n") == 2


def test_a_prior_of_ones_own_and_one_that_is_being_built(formula) -> None:
    prior = formula(lambda x, sigma: x)
    assert repr(prior) == (
        "Formula(without a name: Formula, gray, sigma 0/255 to 50/255, 1 parameters, "
        "receptive field 1 px)"
    )
    unfinished = type(prior).__new__(type(prior))
    torch.nn.Module.__init__(unfinished)
    assert repr(unfinished) == "Formula()"


def test_a_prior_in_a_notebook() -> None:
    html = pnp_priors.load("ka-s25")._repr_html_()
    cells = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", html)
    assert dict(cells) == {
        "name": "ka-s25",
        "system": "perona-malik",
        "channels": "gray",
        "trained for": "sigma 25/255 alone",
        "parameters": "202,866",
        "receptive field": "the whole image",
    }


def test_a_card_in_a_notebook_holds_its_lines() -> None:
    card = registry.describe("ffdnet-gray")
    html = card._repr_html_()
    cells = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", html)
    lines = str(card).splitlines()[2:]
    assert [f"  {key:<15} {value}" for key, value in cells] == [
        line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
        for line in lines
    ]
    assert f"{card.name}: {card.title}" in html


def test_everything_is_escaped() -> None:
    card = registry.describe("ffdnet-gray")
    evil = card.model_copy(update={"title": "<script>", "notes": ["a < b & 'c'"]})
    html = evil._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &lt; b &amp; &#x27;c&#x27;" in html
    prior = pnp_priors.load("ka-s25")
    prior.name = "<b>"
    assert "<b>" not in prior._repr_html_()
