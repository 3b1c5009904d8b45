"""The order of the gallery: what most people come for, then by the names of the scripts."""

from __future__ import annotations

from pathlib import Path

FIRST = ("deconvolution_genericdp_hqs.py", "own_photo.py")


class Order:
    """A sort key of sphinx-gallery, which makes one for each folder of examples."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, filename: str | Path) -> tuple[int, str]:
        """Place of a script, and its name."""
        name = Path(filename).name
        return FIRST.index(name) if name in FIRST else len(FIRST), name

    def __repr__(self) -> str:
        return f"first {', '.join(FIRST)}"
