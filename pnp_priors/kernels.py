"""Blur kernels from files: read, checked, normalised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError

#: file name endings that :func:`read` takes
SUFFIXES = (".mat", ".npy", ".npz", ".png", ".tif", ".tiff")


def read(path: Path, key: str | None = None) -> np.ndarray:
    """A blur kernel from a PNG, TIFF, NPY, NPZ or MAT file.

    :param key: which array of an NPZ or MAT file, where it holds several 2-D ones.
    :returns: float32 ``[h, w]``, h and w odd, not negative, sum 1; convolution, not correlation.
    :raises MissingFileError: there is no such file.
    :raises InputError: no kernel in it, several and no ``key``, or not one that can blur.
    """
    return check(read_as_given(path, key), str(path))


def read_as_given(path: Path, key: str | None = None) -> np.ndarray:
    """As :func:`read`, of any size and scale: what :func:`check` makes a kernel of.

    :returns: float64 ``[h, w]``, not negative; of a picture in [0, 1].
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: not a kernel that can be read ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    if suffix in {".npz", ".mat"}:
        values = _choose(_arrays(path, suffix), key, path)
    elif key is not None:
        raise InputError(f"{path}: it holds one kernel, so there is no key {key!r} in it")
    elif suffix == ".npy":
        values = _load_numpy(path)
    else:
        picture = images.read(path)
        if len(picture.pixels) == 3 and not np.allclose(picture.pixels, picture.pixels[:1]):
            raise InputError(f"{path}: a kernel is gray, this picture has colours")
        values = picture.pixels[0]
    check(values, str(path))
    return np.asarray(values, np.float64).reshape(values.shape[-2:]).clip(min=0)


def check(values: np.ndarray, name: str = "kernel") -> np.ndarray:
    """Make a kernel that can be used of an array, or say why not.

    Values below zero by rounding alone are set to zero. An even size gets a row or column of zeros
    at its end, which leaves its centre (``size // 2``, as everywhere in deepinv) where it was.

    :param values: ``[h, w]`` or ``[1, …, 1, h, w]``, any scale.
    :returns: float32 ``[h, w]``, odd sizes, not negative, sum 1.
    :raises InputError: not 2-D, not numeric, not finite, clearly negative values, or all zero.
    """
    kernel = np.asarray(values)
    if kernel.ndim > 2 and kernel.size == math.prod(kernel.shape[-2:]):
        kernel = kernel.reshape(kernel.shape[-2:])
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise InputError(f"{name}: a kernel is 2-D, got shape {list(np.shape(values))}")
    if not (np.issubdtype(kernel.dtype, np.number) or kernel.dtype == np.bool_):
        raise InputError(f"{name}: not numeric ({kernel.dtype})")
    if np.iscomplexobj(kernel):
        raise InputError(f"{name}: a kernel is real, got {kernel.dtype}")
    kernel = kernel.astype(np.float64)
    if not np.isfinite(kernel).all():
        raise InputError(f"{name}: the kernel has values that are NaN or infinite")
    top = kernel.max()
    if kernel.min() < -1e-3 * max(top, 0):
        raise InputError(f"{name}: the kernel has negative values (down to {kernel.min():g})")
    kernel = kernel.clip(min=0)
    if top <= 0:
        raise InputError(f"{name}: the kernel is zero everywhere")
    kernel = np.pad(kernel, [(0, 1 - size % 2) for size in kernel.shape])
    return (kernel / kernel.sum()).astype(np.float32)


def check_fits(kernel: tuple[int, int], height: int, width: int, name: str = "kernel") -> None:
    """Refuse a kernel that is not smaller than the image in both directions.

    :param kernel: its height and width as given: :func:`check` makes them odd.
    :raises InputError: names both sizes.
    """
    rows, columns = kernel
    tall, wide = rows | 1, columns | 1
    if tall >= height or wide >= width:
        padded = "" if (tall, wide) == (rows, columns) else f", padded to {wide}x{tall}"
        raise InputError(
            f"{name}: the kernel ({columns}x{rows} pixels{padded}) must be smaller than the image "
            f"({width}x{height})"
        )


def _load_numpy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: damaged or not a plain numpy array") from error


def _arrays(path: Path, suffix: str) -> dict[str, np.ndarray]:
    if suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"{path}: damaged or not plain numpy arrays") from error
    import h5py
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if h5py.is_hdf5(path):
        return _arrays_of_hdf5(path)
    try:
        content = loadmat(path)
    except (ValueError, OSError, TypeError, MatReadError) as error:
        raise InputError(f"{path}: damaged or not a MAT file") from error
    return {name: array for name, array in content.items() if not name.startswith("__")}


def _arrays_of_hdf5(path: Path) -> dict[str, np.ndarray]:
    """MAT files of version 7.3 are HDF5, with rows and columns exchanged."""
    import h5py

    try:
        with h5py.File(path) as file:
            return {
                name: np.asarray(item).T
                for name, item in file.items()
                if isinstance(item, h5py.Dataset)
            }
    except OSError as error:
        raise InputError(f"{path}: damaged or not a MAT file") from error


def _choose(arrays: Mapping[str, np.ndarray], key: str | None, path: Path) -> np.ndarray:
    kernels = {
        name: array
        for name, array in arrays.items()
        if array.ndim == 2 and array.size > 1 and np.issubdtype(array.dtype, np.number)
    }
    names = ", ".join(kernels) or "none"
    if key is not None:
        if key not in kernels:
            raise InputError(f"{path}: no 2-D array {key!r} in it; there are: {names}")
        return kernels[key]
    if len(kernels) != 1:
        raise InputError(f"{path}: one 2-D array expected; give a key, there are: {names}")
    return next(iter(kernels.values()))
