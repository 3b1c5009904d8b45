"""Photos side by side, as the examples draw them."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from pnp_priors.errors import InputError
from pnp_priors.report.picture import FRAME
from pnp_priors.showing.details import details


@pytest.fixture(autouse=True)
def _no_windows(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    before = plt.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def test_the_detail_is_framed_and_magnified(scene) -> None:
    photos = {"gray": scene(40, 60), "colour": torch.rand(1, 3, 40, 60)}
    figure = details(photos, (20, 10, 16), ["21.00 dB"])
    whole, other, part, _ = figure.axes
    assert (whole.get_title(), other.get_title()) == ("gray\n21.00 dB", "colour\n")
    shown = part.images[0].get_array()
    expected = photos["gray"][0, 0, 10:26, 20:36].clamp(0, 1)
    np.testing.assert_allclose(shown[..., 0], expected, atol=1e-6)
    assert {patch.get_xy() for patch in whole.patches} == {(19.5, 9.5)}
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    found = np.asarray(Image.open(drawn).convert("RGB"), int)
    # Okabe and Ito's orange on black, and nothing of pure red or green
    assert (abs(found - FRAME).max(axis=-1) < 40).sum() > 100


def test_mistakes_are_one_line(scene) -> None:
    with pytest.raises(InputError, match=r"detail \(50, 0, 16\) is not inside photos of 60x40"):
        details({"a": scene(40, 60)}, (50, 0, 16))
    with pytest.raises(InputError, match="photos of one size"):
        details({"a": scene(40, 60), "b": scene(40, 40)}, (0, 0, 16))
