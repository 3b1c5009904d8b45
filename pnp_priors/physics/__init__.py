"""Degradations that deepinv lacks, and what restoring from them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.lazy import lazily

if TYPE_CHECKING:
    from pnp_priors.physics.blur import Blur
    from pnp_priors.physics.decimation import Decimation
    from pnp_priors.physics.jpeg import read_jpeg
    from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
    from pnp_priors.physics.jpeg_file import JPEGFile, read_file
    from pnp_priors.physics.jpeg_physics import JPEG
    from pnp_priors.physics.resizing import BicubicReduction

__all__ = [
    "JPEG",
    "BicubicReduction",
    "Blur",
    "Decimation",
    "JPEGFile",
    "QuantisationInterval",
    "read_file",
    "read_jpeg",
]

__getattr__ = lazily(
    __name__,
    {
        "blur": ("Blur",),
        "decimation": ("Decimation",),
        "jpeg": ("read_jpeg",),
        "jpeg_fidelity": ("QuantisationInterval",),
        "jpeg_file": ("JPEGFile", "read_file"),
        "jpeg_physics": ("JPEG",),
        "resizing": ("BicubicReduction",),
    },
)
