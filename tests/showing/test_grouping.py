"""NN3D's panels: the group is the prior's, shrinkage is the paper's."""

from __future__ import annotations

import pytest
import torch

import pnp_priors
from pnp_priors.priors._nonlocal import _attenuated
from pnp_priors.showing.example import example
from pnp_priors.showing.grouping import group, rounds, shrinkage


@pytest.fixture(scope="module")
def nn3d():
    prior = pnp_priors.load("nn3d")
    return prior, example(prior, side=48)


def test_the_group_begins_with_its_reference_block_and_gets_less_similar(nn3d) -> None:
    prior, shown = nn3d
    found = group(prior, shown)
    smooth = prior.base(shown.usual.input, shown.usual.level / 255)
    side, stride = prior.nonlocal_filter.block, prior.nonlocal_filter.stride
    assert [number % stride for number in found.corners[0]] == [0, 0]
    extended = prior.nonlocal_filter.extended(smooth)[0]
    for (row, column), block in zip(found.corners, found.blocks, strict=True):
        assert torch.equal(extended[:, row : row + side, column : column + side], block)
    distances = (found.blocks - found.blocks[0]).square().mean(dim=(1, 2, 3))
    assert len(found.corners) == prior.nonlocal_filter.group
    assert (distances.diff() >= -1e-6).all()


def test_shrinkage_is_what_the_filter_does() -> None:
    q = torch.linspace(-1, 1, 32)
    done, _ = _attenuated(q.reshape(1, 1, 1, -1), torch.tensor([0.3]))
    torch.testing.assert_close(shrinkage(q, 0.3)[1:], done.flatten()[1:])
    assert float(shrinkage(torch.tensor(0.3), 0.3)) == pytest.approx(0.15)


def test_the_last_round_is_the_result(nn3d) -> None:
    prior, shown = nn3d
    found = rounds(prior, shown)
    assert list(found) == ["input", "denoiser 1", "filter 1", "denoiser 2", "filter 2"]
    assert (found["input"], found["filter 2"]) == pytest.approx(shown.usual.psnr)
    assert prior.rounds == 2
