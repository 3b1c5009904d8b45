from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2ycbcr

from pnp_priors.benchmark.data import evaluation_files, load_image, load_kernels, load_luma
from pnp_priors.errors import InputError, MissingFileError


def test_images_are_sorted_and_chosen_by_pattern(data: Path) -> None:
    names = [file.stem for file in evaluation_files(data, "BSD68")]
    assert names == ["test001", "test002", "test003"]
    assert [f.stem for f in evaluation_files(data, "levin", "im*")] == ["im1", "im2"]


def test_a_missing_set_is_one_line_that_lists_those_there(data: Path) -> None:
    with pytest.raises(
        MissingFileError,
        match=r"'BSD86'.*there: BSD68, CBSD68, LIVE1, Set12, Set5, classic5, levin",
    ) as error:
        evaluation_files(data, "BSD86")
    assert "\n" not in str(error.value)


def test_a_folder_without_eval_or_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=str(tmp_path / "eval" / "BSD68")):
        evaluation_files(tmp_path, "BSD68")
    (tmp_path / "eval" / "empty").mkdir(parents=True)
    with pytest.raises(MissingFileError, match="no images"):
        evaluation_files(tmp_path, "empty")


def test_gray_is_itu_r_601(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "c.png")
    gray = load_image(tmp_path / "c.png", 1)
    assert gray.shape == (1, 1, 13, 17)
    expected = colour.astype(float) @ [0.299, 0.587, 0.114] / 255
    assert np.abs(gray[0, 0].numpy() - expected).max() < 1 / 255
    rgb = load_image(tmp_path / "c.png", 3)
    assert torch.equal(rgb[0], torch.from_numpy(colour).permute(2, 0, 1) / 255)


def test_luma_is_that_of_rgb2ycbcr(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    colour[0, :3] = [[0, 0, 0], [255, 255, 255], [255, 0, 0]]
    Image.fromarray(colour).save(tmp_path / "c.png")
    luma = load_luma(tmp_path / "c.png")
    # As MATLAB documents it: black 16, white 235, red 81.
    assert luma[0, :3].tolist() == [16, 235, 81]
    assert np.array_equal(luma, np.rint(rgb2ycbcr(colour)[..., 0]))
    Image.fromarray(colour[..., 0]).save(tmp_path / "g.png")
    assert np.array_equal(load_luma(tmp_path / "g.png"), colour[..., 0])
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png: not readable"):
        load_luma(tmp_path / "b.png")


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png: not readable"):
        load_image(tmp_path / "b.png", 1)


def test_kernels_are_read_and_checked(data: Path) -> None:
    kernels = load_kernels(data, (0, 3))
    assert list(kernels) == [0, 3]
    assert kernels[3].shape == (1, 1, 5, 7)
    assert float(kernels[3].sum()) == pytest.approx(1)
    with pytest.raises(InputError, match="k9"):
        load_kernels(data, (9,))
    path = data / "kernels" / "levin09.npz"
    np.savez(path, k0=np.ones((3, 3)))
    with pytest.raises(InputError, match="sums to 1"):
        load_kernels(data, (0,))
    path.unlink()
    with pytest.raises(MissingFileError, match=r"levin09\.npz"):
        load_kernels(data, (0,))
