"""Kernels from every kind of file, normalised and checked."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from pnp_priors import images, kernels
from pnp_priors.errors import InputError, MissingFileError

KERNEL = np.array([[1, 2, 0], [0, 4, 1], [0, 1, 3], [1, 0, 0], [2, 0, 1.0]])


def write(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, k=values)
    elif path.suffix == ".mat":
        savemat(path, {"k": values, "note": "text"})
    else:
        images.write(path, images.Image(values[None] / values.max(), "uint16"))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".png", ".tif"])
def test_every_kind_of_file_gives_the_same_kernel(tmp_path, suffix):
    path = tmp_path / f"k{suffix}"
    write(path, KERNEL)
    kernel = kernels.read(path)
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, KERNEL / KERNEL.sum(), atol=1e-5)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)


def test_mat_of_version_7_3(tmp_path):
    # MATLAB puts 512 bytes of its own in front.
    with h5py.File(tmp_path / "k.mat", "w", userblock_size=512) as file:
        file["k"] = KERNEL.T
    np.testing.assert_allclose(kernels.read(tmp_path / "k.mat"), KERNEL / KERNEL.sum(), atol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_several_arrays_need_a_key(tmp_path, suffix):
    path = tmp_path / f"k{suffix}"
    arrays = {"first": KERNEL, "second": KERNEL[::-1]}
    np.savez(path, **arrays) if suffix == ".npz" else savemat(path, arrays)
    with pytest.raises(InputError, match="give a key, there are: first, second"):
        kernels.read(path)
    with pytest.raises(InputError, match="no 2-D array 'third'"):
        kernels.read(path, "third")
    np.testing.assert_allclose(kernels.read(path, "second"), KERNEL[::-1] / KERNEL.sum(), atol=1e-6)


def test_an_even_size_is_padded_so_that_the_centre_stays():
    kernel = kernels.check(np.ones((4, 6)))
    assert kernel.shape == (5, 7)
    # deepinv's centre is size // 2, before and after
    assert (4 // 2, 6 // 2) == (5 // 2, 7 // 2)
    assert kernel[:4, :6].min() > 0
    assert kernel[4].max() == kernel[:, 6].max() == 0


def test_shapes_that_are_kernels():
    assert kernels.check(np.ones((1, 7))).shape == (1, 7)
    assert kernels.check(np.ones((7, 1))).shape == (7, 1)
    assert kernels.check(np.ones((1, 1, 3, 5))).shape == (3, 5)


def test_rounding_below_zero_is_forgiven_and_more_is_not():
    values = KERNEL.copy()
    values[0, 2] = -1e-4
    assert kernels.check(values).min() == 0
    values[0, 2] = -0.5
    with pytest.raises(InputError, match="negative"):
        kernels.check(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3)), "zero everywhere"),
        (-np.ones((3, 3)), "negative"),
        (np.full((3, 3), np.nan), "NaN"),
        (np.ones((2, 3, 3)), "2-D"),
        (np.ones((3, 3), complex), "real"),
        (np.array([["a", "b"]]), "not numeric"),
        (np.ones((0, 3)), "2-D"),
    ],
)
def test_what_is_no_kernel_is_refused(values, message):
    with pytest.raises(InputError, match=f"here: .*{message}"):
        kernels.check(values, "here")


def test_bad_files(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        kernels.read(tmp_path / "none.npy")
    with pytest.raises(InputError, match="not a kernel that can be read"):
        kernels.read(tmp_path / "k.txt")
    for name in ("k.npy", "k.npz", "k.mat"):
        (tmp_path / name).write_bytes(b"nothing of the kind, but long enough to look at" * 9)
        with pytest.raises(InputError, match=f"{name}: damaged"):
            kernels.read(tmp_path / name)
    np.save(tmp_path / "one.npy", KERNEL)
    with pytest.raises(InputError, match="no key 'k'"):
        kernels.read(tmp_path / "one.npy", "k")
    images.write(tmp_path / "c.png", images.Image(np.random.default_rng(0).random((3, 5, 5))))
    with pytest.raises(InputError, match="has colours"):
        kernels.read(tmp_path / "c.png")


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "k.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged or not a plain numpy array"):
        kernels.read(tmp_path / "k.npy")


def test_fits():
    kernels.check_fits((5, 5), 6, 6)
    with pytest.raises(InputError, match=r"\(5x5 pixels\) must be smaller than the image \(5x9\)"):
        kernels.check_fits((5, 5), 9, 5)
    # the size that a file has, and the one that counts
    kernels.check_fits((4, 4), 6, 6)
    with pytest.raises(InputError, match=r"\(200x160 pixels, padded to 201x161\) must be smaller"):
        kernels.check_fits((160, 200), 180, 201)
