"""The images of the examples, all free to use: one photo, and three synthetic images.

``photo`` (CC0) is a part of the photo that the pipelines restore when given no input;
``document``, ``microscopy`` and ``astronomy`` are drawn or computed by ``examples/make_images.py``.
Licences are stated in the README beside the files, the folder of :func:`path`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pnp_priors import images
from pnp_priors.errors import UnknownNameError
from pnp_priors.pipelines import files

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["available", "load", "path"]

_PACKAGED = Path(__file__).parent / "sample_images"
#: in a checkout the files are in the top-level folder, which the wheel merges into the package
_CHECKOUT = Path(__file__).parents[1] / "examples" / "images"
_PHOTO = "photo"


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def available() -> list[str]:
    """Names that :func:`path` and :func:`load` take."""
    return sorted([_PHOTO, *(file.stem for file in _folder().glob("*.png"))])


def path(name: str) -> Path:
    """The file of an image, PNG of 8 or 16 bit; needs no torch.

    :param name: one of :func:`available`.
    :raises UnknownNameError: lists the known names.
    """
    if name not in available():
        raise UnknownNameError("sample image", name, available())
    folder = files.folder() / "examples" if name == _PHOTO else _folder()
    return folder / f"{name}.png"


def load(name: str) -> Tensor:
    """An image as deepinv takes it.

    :param name: one of :func:`available`.
    :returns: float32 ``[1, C, H, W]`` in [0, 1]: ``photo`` with C = 3 and 256×256 pixels,
        ``document`` with C = 1 and 448×384, ``microscopy`` and ``astronomy`` with C = 1 and
        384×384.
    :raises UnknownNameError: lists the known names.
    :raises MissingExtraError: torch is not installed.
    """
    from pnp_priors.extras import need

    need("torch")
    import torch

    return torch.from_numpy(images.read(path(name)).pixels)[None]
