"""The before/after picture: images side by side under their labels, the blur kernel inset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pnp_priors import images

if TYPE_CHECKING:
    from PIL.Image import Image

_MARGIN, _LABEL, _INK, _PAPER = 16, 38, (30, 30, 30), (255, 255, 255)


def draw(panels: Sequence[tuple[str, np.ndarray]], kernel: np.ndarray | None = None) -> Image:
    """Draw images of equal size side by side.

    :param panels: labels and pixels ``[C, H, W]`` in [0, 1], gray or RGB.
    :param kernel: ``[h, w]``, shown in the corner of the first image.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    height, width = panels[0][1].shape[-2:]
    size = (
        len(panels) * (width + _MARGIN) + _MARGIN,
        height + _LABEL + 2 * _MARGIN,
    )
    sheet = Pillow.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=20)
    for position, (label, pixels) in enumerate(panels):
        left = _MARGIN + position * (width + _MARGIN)
        sheet.paste(images.picture(pixels), (left, _MARGIN + _LABEL))
        middle = (left + width // 2, _MARGIN + _LABEL // 2 - 4)
        pen.text(middle, label, fill=_INK, font=font, anchor="mm")
    if kernel is not None:
        side = max(min(height, width) // 5, max(kernel.shape))
        scale = max(side // max(kernel.shape), 1)
        # The square root shows the path's faint ends as well.
        inset = images.picture(np.sqrt(kernel / kernel.max())[None])
        inset = inset.resize((scale * inset.width, scale * inset.height), Pillow.Resampling.NEAREST)
        corner = (_MARGIN + 8, _MARGIN + _LABEL + height - inset.height - 8)
        sheet.paste(inset, corner)
        frame = (corner[0] - 1, corner[1] - 1, corner[0] + inset.width, corner[1] + inset.height)
        pen.rectangle(frame, outline=_PAPER)
    return sheet
