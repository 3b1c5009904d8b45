"""JPEG's fixed numbers: blocks, standard tables, colours, subsampling. No torch here.

ITU-T T.81 (1992), annex K.1, with the quality scale of the Independent JPEG Group's library; JFIF
1.02 for the colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pnp_priors.errors import InputError

#: side of a block
BLOCK = 8
#: annex K.1, table K.1
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
#: annex K.1, table K.2
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
#: Y, Cb, Cr of R, G, B (JFIF 1.02, of ITU-R 601); the latter two are around 128
FROM_RGB = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)
#: rows and columns of the image per row and column of a chrominance plane
SUBSAMPLINGS: dict[str, tuple[int, int]] = {
    "4:4:4": (1, 1),
    "4:2:2": (1, 2),
    "4:4:0": (2, 1),
    "4:2:0": (2, 2),
}

#: sides that are a multiple of it have whole blocks in all planes of all subsamplings
WHOLE = BLOCK * max(max(factors) for factors in SUBSAMPLINGS.values())
#: signs of the frequencies of a block's mirror image, along the axis that is mirrored
MIRROR = (1.0, -1.0) * (BLOCK // 2)


def quality_table(table: tuple[tuple[int, ...], ...], quality: int) -> np.ndarray:
    """A standard table at a quality of 1 to 100: whole numbers 1 to 255, float32 ``[8, 8]``.

    :param table: :data:`LUMINANCE` or :data:`CHROMINANCE`.
    :raises InputError: another quality.
    """
    number = isinstance(quality, (int, float)) and not isinstance(quality, bool)
    if not number or not 1 <= quality <= 100 or quality != int(quality):
        raise InputError(f"JPEG quality is a whole number from 1 to 100, got {quality!r}")
    percent = 5000 // int(quality) if quality < 50 else 200 - 2 * int(quality)
    scaled = (np.array(table) * percent + 50) // 100
    return scaled.clip(1, 255).astype(np.float32)


def nearest_quality(table: np.ndarray) -> int:
    """The quality whose standard luminance table is nearest to ``[8, 8]``, by the mean difference.

    Programs with tables of their own have no such quality; theirs are between two.
    """
    distances = [float(np.abs(quality_table(LUMINANCE, q) - table).sum()) for q in range(1, 101)]
    return 1 + distances.index(min(distances))


def dct_basis() -> np.ndarray:
    """The orthonormal DCT-II of 8×8 blocks as one matrix ``[64 (frequency), 64 (pixel)]``."""
    n = np.arange(BLOCK)
    rows = np.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    rows[0] /= math.sqrt(2)
    return np.kron(rows, rows)


def whole_size(size: Sequence[int]) -> tuple[int, int]:
    """Height and width of an image's whole blocks, of the planes of any subsampling.

    :param size: height and width of the image.
    """
    height, width = (-(-length // WHOLE) * WHOLE for length in size)
    return height, width


def subsampling_factors(name: str) -> tuple[int, int]:
    """Vertical and horizontal factor of a chrominance subsampling.

    :raises InputError: another name than those in :data:`SUBSAMPLINGS`.
    """
    if name not in SUBSAMPLINGS:
        raise InputError(f"subsampling is one of {', '.join(SUBSAMPLINGS)}, got {name!r}")
    return SUBSAMPLINGS[name]
