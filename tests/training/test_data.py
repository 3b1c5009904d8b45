"""Patches: sub-images of the training images up to flips and transposition, evenly drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.training import documents
from pnp_priors.training.data import PatchSampler, image_files, load_source, read_image
from pnp_priors.training.recipe import Source

SIDE = 3


def numbered(*shapes: tuple[int, int, int]) -> list[np.ndarray]:
    """Images in which each pixel value occurs once."""
    total = sum(int(np.prod(shape)) for shape in shapes)
    assert total <= 256
    values = np.arange(total, dtype=np.uint8)
    parts = np.split(values, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def dihedral(patch: np.ndarray) -> list[np.ndarray]:
    """The eight flips and rotations of ``[C, H, W]``."""
    turned = [np.rot90(patch, k, axes=(1, 2)) for k in range(4)]
    return turned + [np.flip(p, axis=2) for p in turned]


def all_patches(images: list[np.ndarray], side: int) -> dict[bytes, tuple[int, int, int, int]]:
    """Every patch an image can give, by its bytes: image, top, left, which of the eight turns."""
    found = {}
    for index, image in enumerate(images):
        for top in range(image.shape[1] - side + 1):
            for left in range(image.shape[2] - side + 1):
                patch = image[:, top : top + side, left : left + side]
                for turn, version in enumerate(dihedral(patch)):
                    found[version.tobytes()] = (index, top, left, turn)
    return found


def as_bytes(patches: torch.Tensor) -> list[bytes]:
    whole = patches * 255
    torch.testing.assert_close(whole, whole.round(), rtol=0, atol=1e-4)
    return [patch.tobytes() for patch in whole.round().to(torch.uint8).numpy()]


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_sub_images_in_all_eight_turns_evenly(channels: int) -> None:
    shapes = [(channels, 5, 4), (channels, 3, 6), (channels, 4, 3)]
    images = numbered(*shapes)
    known = all_patches(images, SIDE)
    assert len(known) == 8 * (3 * 2 + 1 * 4 + 2 * 1)
    sampler = PatchSampler(images, SIDE, seed=0)
    draws = 9600
    patches = sampler.sample(draws)
    assert patches.shape == (draws, channels, SIDE, SIDE)
    assert patches.dtype == torch.float32
    counts = Counter(known[patch] for patch in as_bytes(patches))
    assert len(counts) == len(known), "some patch or turn never comes"
    # Each of 96 possibilities 100 times, with a standard deviation of 10.
    expected = draws / len(known)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 95 + 5 * np.sqrt(2 * 95)


def test_a_patch_as_large_as_the_image() -> None:
    image = numbered((1, 4, 4))
    known = all_patches(image, 4)
    assert {known[p] for p in as_bytes(PatchSampler(image, 4, seed=1).sample(200))} == {
        (0, 0, 0, turn) for turn in range(8)
    }


def test_a_seed_reproduces_everything_and_its_state_continues() -> None:
    images = numbered((1, 8, 8))
    one, two, other = (PatchSampler(images, SIDE, seed) for seed in (5, 5, 6))

    def draw(sampler: PatchSampler) -> torch.Tensor:
        patches = sampler.sample(16)
        noise = sampler.noise_levels(16, 0.1, 0.2)[:, None, None, None] * sampler.gaussian(patches)
        return patches + noise

    first = draw(one)
    assert torch.equal(first, draw(two))
    assert not torch.equal(first, draw(other))
    state = one.generator.get_state()
    following = draw(one)
    assert not torch.equal(first, following)
    two.generator.set_state(state)
    assert torch.equal(draw(two), following)


def test_noise_is_white_gaussian_and_levels_are_uniform() -> None:
    sampler = PatchSampler(numbered((1, 8, 8)), SIDE, seed=0)
    noise = sampler.gaussian(torch.empty(1, 1, 200, 200)).double()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.var() - 1) < 0.04
    assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < 0.02
    assert abs((noise**4).mean() - 3) < 0.3
    levels = sampler.noise_levels(20_000, 0.1, 0.3)
    assert levels.min() >= 0.1
    assert levels.max() <= 0.3
    histogram = torch.histc(levels, bins=10, min=0.1, max=0.3)
    assert (histogram - 2000).abs().max() < 250


def test_too_small_images_are_refused() -> None:
    images = [np.zeros((1, 8, 8), np.uint8), np.zeros((1, 8, 5), np.uint8)]
    with pytest.raises(InputError, match="training image 1 is 5x8, smaller than a patch of 6"):
        PatchSampler(images, 6, seed=0)


def test_image_files_are_found_below_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.PNG", "b/a.jpg", "a.tif", "notes.txt"):
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in image_files(tmp_path)]
    assert found == ["a.tif", "b/a.jpg", "c.PNG"]


def test_folders_without_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        image_files(tmp_path)
    with pytest.raises(MissingFileError, match="nowhere"):
        image_files(tmp_path / "nowhere")


def test_images_are_read_in_the_channels_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 3), np.moveaxis(colour, 2, 0))
    luma = colour.astype(float) @ [0.299, 0.587, 0.114]
    gray = read_image(tmp_path / "a.png", 1)
    assert gray.shape == (1, 5, 7)
    assert np.abs(gray[0] - luma).max() <= 1
    Image.fromarray(colour[..., 0]).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", 1)[0], colour[..., 0])
    assert read_image(tmp_path / "b.png", 3).shape == (3, 5, 7)


def test_a_source_gives_its_images_and_holds_out_the_last(tmp_path: Path) -> None:
    images = numbered(*[(1, 3, 4)] * 5)
    (tmp_path / "some").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image[0]).save(tmp_path / "some" / f"{index}.png")
    train, held_out = load_source(Source(folder="some", hold_out=2), tmp_path, 1)
    assert [len(train), len(held_out)] == [3, 2]
    for found, expected in zip([*train, *held_out], images, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match="some: cannot hold out 5 of 5"):
        load_source(Source(folder="some", hold_out=5), tmp_path, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_rendered_source_needs_no_folder(channels: int, tmp_path: Path) -> None:
    source = Source(rendered="documents", count=3, seed=7, hold_out=1)
    train, held_out = load_source(source, tmp_path / "nowhere", channels)
    assert [len(train), len(held_out)] == [2, 1]
    pages = documents.pages(3, 7, channels)
    for found, expected in zip([*train, *held_out], pages, strict=True):
        np.testing.assert_array_equal(found, expected)
    PatchSampler(train, 64, seed=0).sample(2)
    with pytest.raises(InputError, match=r"rendered documents \(1, seed 0\): cannot hold out 1"):
        load_source(Source(rendered="documents", count=1, hold_out=1), tmp_path, 1)
