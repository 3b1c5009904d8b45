"""Released priors that differ in the one level they were trained for are shown together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pnp_priors import registry
from pnp_priors.card import Card

_LEVEL = re.compile(r"-[sq]\d+$")
_LEVEL_WORDS = re.compile(r",?( for the one noise level \d+/255| of quality \d+)$")
#: venues as citations name them, and in short
_VENUES = {
    "IEEE Transactions on Image Processing": "IEEE TIP",
    "IEEE Signal Processing Letters": "IEEE SPL",
    **{name: name for name in ("BMVC", "CVPR", "ECCV", "HAL", "ICCV", "ICLR", "ICML", "NeurIPS")},
}


@dataclass(frozen=True)
class Group:
    """Cards of one network, trained for one level each; or a single card.

    :param key: what their names begin with, and the name of their page.
    """

    key: str
    cards: tuple[Card, ...]

    @property
    def middle(self) -> Card:
        """The one that figures are of."""
        return self.cards[len(self.cards) // 2]

    @property
    def names(self) -> str:
        """All names; of several, what is common only once."""
        first, *others = [card.name for card in self.cards]
        return ", ".join([f"`{first}`", *(f"`{name.removeprefix(self.key)}`" for name in others)])

    @property
    def title(self) -> str:
        """What they are, without the level, beginning with a capital."""
        title = self.middle.title
        if len(self.cards) > 1:
            title = _LEVEL_WORDS.sub("", title)
        return title[0].upper() + title[1:]

    @property
    def channels(self) -> str:
        return {1: "gray", 3: "colour"}[self.middle.channels]

    @property
    def trained_for(self) -> str:
        """Levels in words: noise on 0..255, JPEG quality, scales."""
        card, parts = self.middle, []
        if len(self.cards) > 1:
            levels = [int(re.findall(r"\d+$", one.name)[0]) for one in self.cards]
            symbol = "JPEG quality" if card.quality_range else "σ ="
            return f"{symbol} {', '.join(map(str, levels))}, one each"
        low, high = (f"{round(255 * sigma, 2):g}" for sigma in card.sigma_range)
        if "gaussian" in card.tasks:
            parts.append(f"σ = {low} to {high}" + (", blind" if card.blind else ""))
        if "camera" in card.tasks:
            parts.append(f"noise of cameras, σ = {low} to {high}, estimated")
        if card.quality_range is not None:
            parts.append("JPEG quality {} to {}".format(*card.quality_range))
        if card.scales is not None:
            parts.append("super-resolution " + ", ".join(f"×{scale}" for scale in card.scales))
        return "; ".join(parts)

    @property
    def published(self) -> str:
        """Where the method is from, in few words: the end of the paper's citation."""
        return short_source(self.middle.paper)


def short_source(paper: str) -> str:
    """``CVPR 2015`` of a whole citation."""
    venue = next((short for words, short in _VENUES.items() if words in paper), "")
    years = re.findall(r"\b(?:19|20)\d\d\b", paper)
    own = "after " if paper.startswith("in no paper") else ""
    return f"{own}{venue} {years[-1]}" if venue and years else paper


def groups() -> list[Group]:
    """All released priors, in alphabetical order of their pages."""
    found: dict[str, list[Card]] = {}
    for name in registry.available():
        found.setdefault(_LEVEL.sub("", name), []).append(registry.describe(name))
    order = sorted(found.items())
    return [Group(key, tuple(sorted(cards, key=_level))) for key, cards in order]


def _level(card: Card) -> int:
    level = _LEVEL.search(card.name)
    return int(level[0][2:]) if level else 0
