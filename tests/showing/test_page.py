"""Pages of all released priors: nothing empty, nothing tiny, nothing cut off, the stated size."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from matplotlib.text import Text
from PIL import Image

import pnp_priors
from pnp_priors import registry
from pnp_priors.analysis import ReceptiveField
from pnp_priors.errors import InputError
from pnp_priors.showing import page

#: one prior of each kind of page that looks different
_KINDS = ["cbdnet", "dncnn-b", "ffdnet-color", "foe-s-s50", "genericdp", "ka-s15", "nn3d"]
_KINDS += ["trd-jpeg-q20", "trd-5x5-s15", "diffusivity-unet-s25"]
_SYSTEMS = {registry.describe(name).system: name for name in [*registry.available(), *_KINDS]}
#: those, and one of each further system
_DRAWN = sorted({*_KINDS, *_SYSTEMS.values()})


@pytest.fixture(autouse=True)
def _known_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receptive field is tested with its own measure, which is slow."""
    known = ReceptiveField(torch.ones(9, 9, dtype=torch.float64), 9, 9, 25 / 255, 1)
    monkeypatch.setattr(page, "receptive_field", lambda prior, crops, seed: known)


@pytest.mark.parametrize("name", registry.available())
def test_every_released_prior_has_a_page(name) -> None:
    figure = page.page(pnp_priors.load(name), name, side=32)
    panels = [axes for axes in figure.findobj() if hasattr(axes, "get_xlabel")]
    assert len(panels) >= 8
    for axes in panels:
        drawn = axes.lines or axes.images or axes.patches or axes.texts or axes.child_axes
        assert drawn or axes.collections, axes.get_title(loc="left")
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) >= 7
    assert name in figure.get_suptitle()
    assert f"{registry.describe(name).parameters:,} parameters" in figure.get_suptitle()


@pytest.mark.parametrize("name", _DRAWN)
def test_the_file_has_the_stated_size_and_nothing_is_cut_off(name, tmp_path: Path) -> None:
    card = registry.describe(name)
    figure = page.page(pnp_priors.load(name), f"{name}: {card.title}", side=32)
    page.write(tmp_path / "new" / "page.png", figure)
    with Image.open(tmp_path / "new" / "page.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == tuple(round(page.DPI * length) for length in page.SIZE)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.png"]
    edge = figure.bbox
    for axes in (one for one in figure.findobj() if hasattr(one, "get_xlabel")):
        box = axes.get_tightbbox()
        title = axes.get_title(loc="left") or axes.get_title()
        assert box.x0 > edge.x0 - 2, title
        assert box.x1 < edge.x1 + 2, title
        assert box.y0 > edge.y0 - 2, title
        assert box.y1 < edge.y1 + 2, title


def test_every_known_system_has_panels_that_there_are() -> None:
    import importlib

    assert set(page.PANELS) == set(registry.SYSTEMS)
    for place in page.PANELS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_a_class_aware_prior_has_a_page() -> None:
    prior = registry.build("class-aware", {"classes": ["a", "b"], "depth": 4, "width": 8})
    figure = page.page(prior.eval(), "untrained", side=32)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "untrained" in figure.get_suptitle()
    assert {"first filters, a", "first filters, b"} <= {
        axes.get_title(loc="left") for axes in figure.findobj() if hasattr(axes, "get_xlabel")
    } | set(titles)


def test_any_other_prior_shows_field_and_example(formula, tmp_path: Path) -> None:
    prior = formula(lambda x, sigma: 0.9 * x)
    figure = page.page(prior, "one's own", side=32)
    page.write(tmp_path / "page.svg", figure)
    assert (tmp_path / "page.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len([axes for axes in figure.findobj() if hasattr(axes, "get_xlabel")]) == 8


def test_a_stage_is_chosen_or_refused() -> None:
    trd = pnp_priors.load("trd-5x5-s15")
    figure = page.page(trd, "third", stage=3, side=32)
    titles = [a.get_title(loc="left") for a in figure.findobj() if hasattr(a, "get_xlabel")]
    assert "filters of stage 3 of 5" in titles
    for name, message in {
        "trd-5x5-s15": "stage 6: this prior has stages 1 to 5",
        "ffdnet-gray": "--stage: FFDNet has no stages",
        "ka-s15": "--stage: the iterations",
        "nn3d": "--stage: NN3D has rounds",
    }.items():
        with pytest.raises(InputError, match=message):
            page.page(pnp_priors.load(name), name, stage=6, side=32)


def test_size_is_a_whole_number_of_pixels() -> None:
    assert all(math.isclose(page.DPI * length % 1, 0, abs_tol=1e-6) for length in page.SIZE)
