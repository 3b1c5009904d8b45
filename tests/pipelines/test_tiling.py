"""When photos are cut, and into what."""

import pytest
import torch

from pnp_priors.errors import InputError
from pnp_priors.pipelines import tiling
from pnp_priors.priors.base import Prior
from pnp_priors.tiles import DEFAULT_TILE


class Local(Prior):
    """Looks ten pixels far, and keeps ``planes`` images at the worst moment."""

    size_multiple = 2

    def __init__(self, planes=1, field=21):
        super().__init__(1, (0.0, 1.0))
        self.weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)
        self.planes, self.field = planes, field

    @property
    def receptive_field(self):
        return self.field

    def _denoise(self, x, sigma):
        kept = x.new_ones(len(x), self.planes, *x.shape[2:])
        return x + 0 * kept[:, :1] * self.weight


@pytest.mark.parametrize(
    ("choice", "size", "side"),
    [
        ("none", (5000, 5000), None),
        (128, (100, 128), None),
        (128, (100, 129), 128),
        ("auto", (DEFAULT_TILE, DEFAULT_TILE), None),
        ("auto", (3000, 3000), None),
    ],
)
def test_stated_sides_and_small_photos(choice, size, side):
    assert tiling.side(choice, Local(), 1, size) == side


def test_auto_looks_at_the_memory():
    hungry = Local(planes=1000)
    side = tiling.side("auto", hungry, 1, (3000, 3000))
    assert side < 600
    assert 1.5 * 4 * 1000 * side**2 < tiling.MEMORY
    assert tiling.side("auto", hungry, 3, (3000, 3000)) < side
    # Long ones, whose area is that of one tile.
    assert tiling.side("auto", hungry, 1, (100, 600)) is None
    assert tiling.side("auto", hungry, 1, (3000, 3000), halo=1000) == 2002


def test_what_cannot_be_cut():
    whole = Local(planes=1000, field=None)
    assert tiling.side("auto", whole, 1, (3000, 3000)) is None
    with pytest.raises(InputError, match="tiles: 128: this prior looks at the whole photo"):
        tiling.side(128, whole, 1, (200, 200))
    with pytest.raises(InputError, match="tiles: 24: too small here; at least 26"):
        tiling.side(24, Local(), 1, (200, 200))
    assert tiling.side(26, Local(), 1, (200, 200)) == 26
    with pytest.raises(InputError, match="at least 102"):
        tiling.side(101, Local(), 1, (200, 200), halo=50)
