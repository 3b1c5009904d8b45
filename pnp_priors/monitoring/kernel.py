"""What can be seen of a blur kernel that is not what its owner thinks it is.

From the kernel alone: off its middle, not of sum 1, lost in a much larger array. From the photo as
well: turned by 180 degrees, as it comes out of programs that correlate instead of convolving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: values below this share of the largest one do not count as part of the kernel
_FAINT = 1e-3
#: centre of mass and middle of the support may be so many pixels off the middle of the array; one
#: of both often is in kernels of hand-held cameras, which have no centre of their own
OFFSET = 1.0
#: an array with more than this many times the support's longer side is mostly zeros
_ROOM = 3

#: side in pixels of the photo's middle on which both orientations are tried
_SIDE = 256
#: standard deviation of a photo's differences of neighbours, in [0, 1] units, for Wiener's filter
_GRADIENT = 0.1
#: exponent of the gradients whose sum is compared; below 1 it prefers few strong edges to many weak
_SPARSITY = 0.5
#: blocks per side, and how many standard errors their mean must be above zero …
_BLOCKS, _ERRORS = 4, 3.0
#: … and the smallest mean difference of logarithms that counts
_DIFFERENCE = 0.01


@dataclass(frozen=True)
class Shape:
    """Of a kernel by itself.

    :param size: height and width of the array.
    :param support: height and width of what is above a thousandth of its largest value.
    :param offset: centre of mass from the middle pixel (``size // 2``): down and right, in pixels.
    :param support_offset: the middle of the support from there.
    :param total: sum of its values as they were given.
    """

    size: tuple[int, int]
    support: tuple[int, int]
    offset: tuple[float, float]
    support_offset: tuple[float, float]
    total: float

    @property
    def warnings(self) -> list[str]:
        lines = []
        down, right = self.offset
        if min(math.hypot(down, right), math.hypot(*self.support_offset)) > OFFSET:
            lines.append(
                f"the kernel's centre of mass is off its middle by {_words(down, right)}: the "
                f"restored image is shifted against the input by {_words(-down, -right)}"
            )
        # Pictures of kernels have any scale; a sum almost 1 is a kernel of which a part is missing.
        if 0.5 < self.total < 2 and abs(self.total - 1) > 0.01:
            lines.append(f"the kernel's sum is {self.total:.3g}, not 1: it was divided by it")
        if max(self.size) > _ROOM * max(self.support):
            lines.append(
                f"the kernel fills {self.support[1]}x{self.support[0]} pixels of an array of "
                f"{self.size[1]}x{self.size[0]}: crop it around its middle, the border of the "
                "photo is restored better and faster then"
            )
        return lines


def shape(values: np.ndarray) -> Shape:
    """Measure a kernel.

    :param values: ``[h, w]``, not negative, as it was given: before it is divided by its sum.
    """
    kernel = np.asarray(values, dtype=np.float64)
    rows, columns = (np.flatnonzero((kernel > _FAINT * kernel.max()).any(axis=a)) for a in (1, 0))
    total = float(kernel.sum())
    down = float(kernel.sum(axis=1) @ np.arange(kernel.shape[0])) / total - kernel.shape[0] // 2
    right = float(kernel.sum(axis=0) @ np.arange(kernel.shape[1])) / total - kernel.shape[1] // 2
    support = (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
    off_down = float(rows[0] + rows[-1]) / 2 - kernel.shape[0] // 2
    off_right = float(columns[0] + columns[-1]) / 2 - kernel.shape[1] // 2
    return Shape(
        (kernel.shape[0], kernel.shape[1]), support, (down, right), (off_down, off_right), total
    )


@dataclass(frozen=True)
class Orientation:
    """Which way round a kernel fits a photo better.

    :param difference: mean over blocks of the logarithm of how much more gradient the kernel as
        given leaves than the flipped one; above 0 speaks for the flipped one.
    :param error: the standard error of that mean.
    """

    difference: float
    error: float

    @property
    def flipped(self) -> bool:
        return self.difference > max(_DIFFERENCE, _ERRORS * self.error)

    @property
    def warnings(self) -> list[str]:
        if not self.flipped:
            return []
        return [
            "the kernel looks flipped: turned by 180 degrees it restores sharper and with less "
            "ringing (it is used for convolution, not correlation)"
        ]


def orientation(photo: np.ndarray, kernel: np.ndarray, sigma: float) -> Orientation | None:
    """Try a kernel both ways round on the photo's middle, with Wiener's filter.

    Both results have the same power spectrum, so that only their phases differ: with the wrong ones
    edges become ringing, which takes more gradient, :math:`\\sum |\\nabla x|^{1/2}`. A kernel that
    is its own turned self, up to a shift, gives no difference and is never called flipped.

    Measured with 12 simulated hand-shake kernels of 11 to 25 pixels on 40 photos of BSD432: of the
    flipped ones 33, 28 and 3 were found with noise of 1, 2.55 and 10 of 255; of the right ones, and
    of symmetric ones, none was called flipped. So silence does not prove that a kernel is right.

    :param photo: ``[H, W]`` or ``[C, H, W]`` in [0, 1]; colours are averaged.
    :param kernel: ``[h, w]``, odd sizes, sum 1.
    :param sigma: noise level of the photo.
    :returns: ``None`` where the photo is too small for this kernel.
    """
    plane = photo if photo.ndim == 2 else photo.mean(axis=0)
    radius = max(kernel.shape) // 2
    tops = [max(size - _SIDE, 0) // 2 for size in plane.shape]
    middle = plane[tops[0] : tops[0] + _SIDE, tops[1] : tops[1] + _SIDE].astype(np.float64)
    # The window takes two radii at each side, and so much is left out of the comparison.
    margin = max(2 * radius, 2)
    if min(middle.shape) < 2 * margin + 8 * _BLOCKS:
        return None
    window = np.multiply.outer(*(_window(size, margin) for size in middle.shape))
    spectrum = np.fft.rfft2(window * (middle - middle.mean()))
    placed = np.zeros(middle.shape)
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    centre = (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2))
    transfer = np.fft.rfft2(np.roll(placed, centre, (0, 1)))
    rough = np.add.outer(
        2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(middle.shape[0])),
        2 - 2 * np.cos(2 * np.pi * np.fft.rfftfreq(middle.shape[1])),
    )
    scaled = spectrum / (np.abs(transfer) ** 2 + (sigma / _GRADIENT) ** 2 * rough + 1e-9)
    as_given, turned = (
        _gradients(np.fft.irfft2(filtered * scaled, middle.shape), margin)
        for filtered in (transfer.conj(), transfer)
    )
    differences = np.log(as_given) - np.log(turned)
    error = float(differences.std(ddof=1)) / math.sqrt(differences.size)
    return Orientation(float(differences.mean()), error)


def _gradients(image: np.ndarray, margin: int) -> np.ndarray:
    """Of each block: the mean of the gradient's size to the power of one half."""
    inside = image[margin:-margin, margin:-margin]
    size = np.hypot(np.diff(inside, axis=0)[:, :-1], np.diff(inside, axis=1)[:-1]) ** _SPARSITY
    rows, columns = (length // _BLOCKS for length in size.shape)
    blocks = size[: rows * _BLOCKS, : columns * _BLOCKS].reshape(_BLOCKS, rows, _BLOCKS, columns)
    # A plain block has no gradient either way.
    return blocks.mean(axis=(1, 3)).ravel() + 1e-6


def _window(size: int, margin: int) -> np.ndarray:
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(margin) + 0.5) / margin)
    return np.concatenate([ramp, np.ones(size - 2 * margin), ramp[::-1]])


def _words(down: float, right: float) -> str:
    vertical = f"{abs(down):.1f} pixels {'down' if down > 0 else 'up'}"
    horizontal = f"{abs(right):.1f} {'right' if right > 0 else 'left'}"
    return f"{vertical}, {horizontal}"
