"""Tiles of filters: gray is zero, white and black the largest magnitude."""

from __future__ import annotations

import numpy as np
import torch

from pnp_priors.showing import drawing


def test_each_filter_is_scaled_by_itself() -> None:
    filters = torch.zeros(3, 1, 2, 2)
    filters[0, 0, 0, 0], filters[0, 0, 1, 1] = 4.0, -2.0
    filters[1, 0, 0, 1] = -0.01
    sheet = drawing.tiles(filters, columns=2, gap=2)
    assert sheet.shape == (14, 14, 3)
    middle = slice(1, 6, 3)  # each pixel is drawn as 3×3
    assert np.allclose(sheet[middle, middle, 0], [[1, 0.5], [0.5, 0.25]])
    assert np.allclose(sheet[middle, 9:14:3, 0], [[0.5, 0], [0.5, 0.5]])
    assert np.allclose(sheet[9:14:3, middle], 0.5)  # a filter of zeros
    assert np.allclose(sheet[8:, 8:], 1)  # no filter
    assert np.allclose(sheet[:, 6:8], 1)  # the gap


def test_colour_filters_stay_in_colour() -> None:
    filters = torch.zeros(1, 3, 1, 1)
    filters[0, :, 0, 0] = torch.tensor([1.0, -1.0, 0.0])
    assert np.allclose(drawing.tiles(filters), [[[1, 0, 0.5]]])


def test_colours_in_an_order_get_lighter() -> None:
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in drawing.ordered(8)]
    assert all(np.diff(luminance) > 0.02)
    assert len(drawing.ordered(1)) == 1
