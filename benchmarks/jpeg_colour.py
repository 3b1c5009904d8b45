"""A gray against a colour prior in the deblocking of colour JPEG files.

    python benchmarks/jpeg_colour.py --data DIR

Parts of training images, saved by Pillow (4:2:0) and restored by the shipped pipeline with each
prior: the gray one restores the three channels one by one, by its tuned preset, the colour one all
at once, by the default schedule as long as none was tuned for it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from measuring import show
from PIL import Image

from pnp_priors import pipelines
from pnp_priors.errors import exit_code
from pnp_priors.report.similarity import psnr
from pnp_priors.training.command import data_folder
from pnp_priors.tuning.problems import crops

GRAY, COLOUR = "ffdnet-gray", "ffdnet-color"
QUALITIES = (10, 20, 40, 75)
COUNT, SIDE, SEED = 12, 176, 3


def measure(photos: Sequence[np.ndarray], quality: int) -> list[tuple[float, float]]:
    """PSNR in dB of each photo ``[3, H, W]``, uint8, by the gray and by the colour prior."""
    restorers = [pipelines.load("jpeg_deblocking", {"prior.name": name}) for name in (GRAY, COLOUR)]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        for photo in photos:
            Image.fromarray(photo.transpose(1, 2, 0)).save(path, quality=quality)
            restored = [one.restore_file(path)[0].pixels.clip(0, 1) for one in restorers]
            gray, colour = (psnr(image, photo / 255) for image in restored)
            found.append((gray, colour))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds train/ (PNP_PRIORS_DATA)")
    parser.add_argument("--count", type=int, default=COUNT, help=f"photos (default {COUNT})")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: _table(options.data, options.count))


def _table(data: Path | None, count: int) -> None:
    parts = crops(data_folder(data) / "train/bsd432_color", count, SIDE, 3, SEED)
    photos = [(255 * part.pixels[0]).round().byte().numpy() for part in parts]
    rows = []
    for quality in QUALITIES:
        found = measure(photos, quality)
        gains = [colour - gray for gray, colour in found]
        gray, colour = (fmean(values) for values in zip(*found, strict=True))
        spread = f"{min(gains):+.2f} to {max(gains):+.2f}"
        rows.append([f"{quality}", f"{gray:.2f}", f"{colour:.2f}", f"{fmean(gains):+.2f}", spread])
    title = f"Colour JPEG files, {count} photos of {SIDE}×{SIDE} pixels: PSNR in dB"
    show(
        title, ("quality", GRAY, COLOUR, "gain", "of single photos"), rows, "4:2:0, output clipped"
    )


if __name__ == "__main__":
    sys.exit(main())
