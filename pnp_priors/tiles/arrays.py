"""Tensors and arrays, memory-mapped ones too, seen as ``[B, C, H, W]`` and copied by rectangles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pnp_priors.errors import InputError

Array = Tensor | np.ndarray
#: types of numbers that torch computes with
_FLOATS = (np.float16, np.float32, np.float64)


def batched(image: Array, name: str = "image") -> Array:
    """A view of ``[H, W]``, ``[C, H, W]`` or ``[B, C, H, W]`` with all four axes, not a copy.

    :raises InputError: another kind, number of axes or of type of values, or no pixels.
    """
    if not isinstance(image, Tensor | np.ndarray):
        raise InputError(f"{name}: expected a tensor or an array, got {type(image).__name__}")
    shape = list(image.shape)
    if len(shape) not in (2, 3, 4) or 0 in shape:
        raise InputError(f"{name}: expected [H, W], [C, H, W] or [B, C, H, W], got {shape}")
    if isinstance(image, Tensor):
        floating = image.is_floating_point()
    else:
        floating = image.dtype.newbyteorder("=") in _FLOATS
    if not floating:
        raise InputError(
            f"{name}: expected floating point values in [0, 1], got {image.dtype}; "
            "divide 8-bit by 255"
        )
    return image[(None,) * (4 - len(shape))]


def like(image: Array) -> Array:
    """An empty array of the same kind, shape, type and device, in memory."""
    if isinstance(image, Tensor):
        return torch.empty_like(image, memory_format=torch.contiguous_format, requires_grad=False)
    return np.empty(image.shape, image.dtype.newbyteorder("="))


def read(image: Array, index: int, rows: slice, columns: slice) -> Tensor:
    """One image's rectangle ``[C, h, w]``; of an array, a copy."""
    part = image[index, :, rows, columns]
    if isinstance(part, Tensor):
        return part
    return torch.from_numpy(np.array(part, dtype=part.dtype.newbyteorder("="), order="C"))


def write(out: Array, index: int, rows: slice, columns: slice, values: Tensor) -> None:
    """Put ``[C, h, w]`` where it belongs, in the type of ``out``."""
    if isinstance(out, Tensor):
        out[index, :, rows, columns] = values.to(out)
        return
    values = values.detach().cpu()
    if values.dtype == torch.bfloat16:  # which numpy has not
        values = values.float()
    out[index, :, rows, columns] = values.numpy()


def extremes(image: Array) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each image, ``[B]`` twice; of an array, strip by strip."""
    if isinstance(image, Tensor):
        return image.amin(dim=(1, 2, 3)), image.amax(dim=(1, 2, 3))
    least, most = [], []
    for one in image:
        rows = max(1, 2**22 // max(1, one[:, 0].size))
        strips = [one[:, top : top + rows] for top in range(0, one.shape[1], rows)]
        least.append(min(float(strip.min()) for strip in strips))
        most.append(max(float(strip.max()) for strip in strips))
    return torch.tensor(least), torch.tensor(most)


def check_out(out: Array, image: Array, shape: Sequence[int]) -> None:
    """Refuse an output that cannot take the result, or whose memory is the input's.

    :raises InputError: another shape, or the input itself: neighbouring tiles still need it.
    """
    if list(out.shape) != list(shape):
        raise InputError(f"out: expected the image's shape {list(shape)}, got {list(out.shape)}")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise InputError("out: it is read-only")
    if _overlap(out, image):
        raise InputError(
            "out: its memory is the image's, which neighbouring tiles still need; "
            "give another array or file"
        )


def _overlap(one: Array, other: Array) -> bool:
    if isinstance(one, Tensor) and one.device.type != "cpu":
        return (
            isinstance(other, Tensor)
            and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
        )
    if isinstance(other, Tensor) and other.device.type != "cpu":
        return False
    files = {_file(array) for array in (one, other)}
    if len(files) == 1 and None not in files:
        return True
    return np.may_share_memory(_as_array(one), _as_array(other))


def _file(array: Array) -> Path | None:
    """The file that an array is a view of."""
    name = getattr(array, "filename", None)
    return None if name is None else Path(name).resolve()


def _as_array(array: Array) -> np.ndarray:
    """The same memory as an array."""
    if isinstance(array, np.ndarray):
        return array
    plain = array.detach()
    return (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()
