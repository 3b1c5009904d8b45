"""The fonts that documents are rendered with, all under free licences; where their files are.

They come with packages: matplotlib's, which deepinv needs, and those of the extra ``train``.
``PNP_PRIORS_FONTS`` names a folder that is looked into first, for a machine without the packages.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

from pnp_priors.errors import MissingExtraError, MissingFileError, UnknownNameError

FOLDER_VARIABLE = "PNP_PRIORS_FONTS"
Kind = Literal["serif", "sans", "mono"]
Weight = Literal["regular", "bold", "italic"]


@dataclass(frozen=True)
class Family:
    """A typeface, in up to three weights.

    :param module: the Python package that holds its files; ``PIL``: built into Pillow.
    :param files: regular, bold, italic; fewer where it has fewer.
    """

    name: str
    kind: Kind
    module: str
    files: tuple[str, ...]
    licence: str

    def file(self, weight: Weight) -> str:
        """The file of a weight, or of the regular one where it has no other."""
        index = ("regular", "bold", "italic").index(weight)
        return self.files[index] if index < len(self.files) else self.files[0]


#: where a package keeps its fonts, and what installs it
_PLACES = {
    "matplotlib": ("mpl-data/fonts/ttf", "matplotlib"),
    "font_source_sans_pro": ("files", "font-source-sans-pro"),
    "font_source_serif_pro": ("files", "font-source-serif-pro"),
}
_BUILT_IN = "PIL"
_DEJAVU, _KNUTH, _OFL = "Bitstream Vera licence", "BaKoMa Fonts Licence", "SIL Open Font Licence"

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "DejaVu Sans",
            "sans",
            "matplotlib",
            ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf"),
            _DEJAVU,
        ),
        Family(
            "DejaVu Serif",
            "serif",
            "matplotlib",
            ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf"),
            _DEJAVU,
        ),
        Family(
            "DejaVu Sans Mono",
            "mono",
            "matplotlib",
            ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSansMono-Oblique.ttf"),
            _DEJAVU,
        ),
        Family(
            "Computer Modern Roman",
            "serif",
            "matplotlib",
            ("cmr10.ttf", "cmb10.ttf", "cmti10.ttf"),
            _KNUTH,
        ),
        Family("Computer Modern Sans", "sans", "matplotlib", ("cmss10.ttf",), _KNUTH),
        Family("Computer Modern Typewriter", "mono", "matplotlib", ("cmtt10.ttf",), _KNUTH),
        Family(
            "STIX",
            "serif",
            "matplotlib",
            ("STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf"),
            _OFL,
        ),
        Family(
            "Source Sans",
            "sans",
            "font_source_sans_pro",
            ("SourceSansPro-Regular.ttf", "SourceSansPro-Bold.ttf", "SourceSansPro-It.ttf"),
            _OFL,
        ),
        Family(
            "Source Serif",
            "serif",
            "font_source_serif_pro",
            ("SourceSerifPro-Regular.ttf", "SourceSerifPro-Bold.ttf", "SourceSerifPro-It.ttf"),
            _OFL,
        ),
        Family("Aileron", "sans", _BUILT_IN, ("",), "CC0"),
    )
}
#: kept from training, one of each kind, to measure with
HELD_OUT = ("STIX", "Aileron", "Computer Modern Typewriter")
TRAINING = tuple(name for name in FAMILIES if name not in HELD_OUT)


def family(name: str) -> Family:
    """:raises UnknownNameError: lists the families."""
    if name not in FAMILIES:
        raise UnknownNameError("font family", name, list(FAMILIES))
    return FAMILIES[name]


def font_file(module: str, file: str) -> Path:
    """The path of a font file.

    :raises MissingExtraError: names the package that holds it.
    :raises MissingFileError: the package is there, the file is not.
    """
    own = os.environ.get(FOLDER_VARIABLE)
    if own and (Path(own) / file).is_file():
        return Path(own) / file
    folder, distribution = _PLACES[module]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"font {file} is in the package {distribution}, which is not installed: "
            f"pip install {distribution} (or 'pnp_priors[train]'), or name a folder that has it "
            f"in {FOLDER_VARIABLE}"
        )
    path = Path(spec.submodule_search_locations[0]) / folder / file
    if not path.is_file():
        raise MissingFileError(
            f"the package {distribution} has no font {file} ({path}); name a folder that has it "
            f"in {FOLDER_VARIABLE}"
        )
    return path


def files(names: tuple[str, ...] = TRAINING) -> list[Path]:
    """The files of some families, to take them elsewhere; none for what is built in."""
    return [
        font_file(chosen.module, file)
        for chosen in map(family, names)
        if chosen.module != _BUILT_IN
        for file in chosen.files
    ]


@lru_cache(maxsize=512)
def font(name: str, weight: Weight, size: float) -> ImageFont.FreeTypeFont:
    """A font of a family.

    :param size: in pixels per em.
    :raises UnknownNameError, MissingExtraError, MissingFileError: each says what is missing.
    """
    chosen = family(name)
    if chosen.module != _BUILT_IN:
        path = font_file(chosen.module, chosen.file(weight))
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    built_in = ImageFont.load_default(size)
    if not isinstance(built_in, ImageFont.FreeTypeFont):
        raise MissingExtraError(f"font {name} needs a Pillow that was built with FreeType")
    return built_in
