"""The images that come along, and a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pnp_priors import images
from pnp_priors.analysis.scenes import dead_leaves, default_images, middle, own_images
from pnp_priors.errors import InputError, MissingFileError


@pytest.mark.parametrize("channels", [1, 3])
def test_the_default_ones(channels: int) -> None:
    found = default_images(channels)
    assert list(found) == ["photo", "dead leaves"]
    for image in found.values():
        assert image.shape == (1, channels, 128, 128)
        assert image.dtype == torch.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert image.std() > 0.1


def test_gray_is_luma() -> None:
    gray, colour = (default_images(channels)["photo"][0] for channels in (1, 3))
    weights = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(gray[0], torch.einsum("c,chw->hw", weights, colour))


def test_dead_leaves_cover_everything_with_opaque_discs() -> None:
    leaves = dead_leaves(48)
    assert np.array_equal(leaves, dead_leaves(48))
    assert not np.array_equal(leaves, dead_leaves(48, seed=1))
    assert leaves.min() > 0
    # Most neighbours belong to the same disc: piecewise constant, unlike noise.
    same = (np.diff(leaves, axis=-1) == 0).all(axis=0).mean()
    assert 0.5 < same < 0.99


def test_own_images_are_cut_to_one_size(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 50 * 70, dtype=np.float32).reshape(1, 50, 70)
    images.write(tmp_path / "b.png", images.Image(ramp))
    images.write(tmp_path / "a.png", images.Image(np.repeat(ramp[:, :45], 3, axis=0)))
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    found = own_images(tmp_path, 1)
    assert list(found) == ["a.png", "b.png"]
    assert {tuple(image.shape) for image in found.values()} == {(1, 1, 40, 40)}
    expected = torch.from_numpy(images.read(tmp_path / "b.png").pixels[:, 5:45, 15:55])
    assert torch.equal(found["b.png"][0], expected)
    assert own_images(tmp_path, 3)["b.png"].shape == (1, 3, 40, 40)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such folder of images"):
        own_images(tmp_path / "none", 1)
    with pytest.raises(MissingFileError, match="no images in"):
        own_images(tmp_path, 1)
    images.write(tmp_path / "a.png", images.Image(np.zeros((1, 31, 40), np.float32)))
    with pytest.raises(InputError, match=r"a\.png: 31x40 pixels, an assessment needs 32 a side"):
        own_images(tmp_path, 1)


def test_the_middle() -> None:
    x = torch.arange(30).reshape(5, 6)
    assert middle(x, 3).tolist() == [[7, 8, 9], [13, 14, 15], [19, 20, 21]]
    assert torch.equal(middle(x, 10), x)
