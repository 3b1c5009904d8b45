"""Make what the pipelines other than deconvolution restore when given no input.

A part of the free photo of the deconvolution's example is degraded: noise is added to it, it is
compressed, reduced, scratched, and seen through a colour filter array. Needs nothing but the
repository:

    python examples/make_restoration_examples.py --out pipelines/examples
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pnp_priors import images

PHOTO = Path(__file__).parents[1] / "pipelines" / "examples" / "deconvolution_sharp.png"
CROP = (slice(None), slice(60, 316), slice(60, 316))
SEED = 6
NOISE = 25 / 255
QUALITY = 20
FACTOR = 2
PATTERN = "rggb"


def add_noise(photo: np.ndarray, out: Path) -> None:
    """Gaussian noise, stored at 8 bits like a photo, so that it is clipped to [0, 1]."""
    noise = np.random.default_rng(SEED).normal(scale=NOISE, size=photo.shape)
    images.write(out / "denoising_noisy.png", images.Image(photo + noise))


def compress(photo: np.ndarray, out: Path) -> None:
    """As most programs do by default: colours at half the size (4:2:0), standard tables."""
    from PIL import Image

    pixels = images.to_stored(photo, "uint8").transpose(1, 2, 0)
    target = out / "jpeg_deblocking_compressed.jpg"
    images.whole(target, lambda path: Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY))


def reduce(photo: np.ndarray, out: Path) -> None:
    """Half the size, bicubically and with antialiasing."""
    from PIL import Image

    pixels = images.to_stored(photo, "uint8").transpose(1, 2, 0)
    size = (photo.shape[2] // FACTOR, photo.shape[1] // FACTOR)
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    target = out / "super_resolution_small.png"
    images.whole(target, lambda path: small.save(path, "PNG"))


def scratch(photo: np.ndarray, out: Path) -> None:
    """Curves and specks of white, and the mask that is white where they are."""
    rng = np.random.default_rng(SEED)
    missing = rng.uniform(size=photo.shape[1:]) < 0.05
    rows, columns = np.mgrid[: photo.shape[1], : photo.shape[2]]
    for start in range(20, photo.shape[1], 45):
        curve = (
            start + 12 * np.sin(columns / rng.uniform(15, 40)) + rng.uniform(-0.2, 0.2) * columns
        )
        missing |= np.abs(rows - curve) < 2.5
    images.write(out / "inpainting_mask.png", images.Image(missing[None].astype(np.float32)))
    damaged = np.where(missing, np.float32(1), photo)
    images.write(out / "inpainting_damaged.png", images.Image(damaged))


def mosaic(photo: np.ndarray, out: Path) -> None:
    """One colour for each pixel, as a sensor under a Bayer filter has it."""
    seen = np.empty_like(photo[:1])
    for place, colour in enumerate(PATTERN):
        rows, columns = slice(place // 2, None, 2), slice(place % 2, None, 2)
        seen[0, rows, columns] = photo["rgb".index(colour), rows, columns]
    images.write(out / "demosaicing_mosaic.png", images.Image(seen))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    out = parser.parse_args().out

    photo = images.read(PHOTO).pixels[CROP]
    images.write(out / "photo.png", images.Image(photo))
    add_noise(photo, out)
    compress(photo, out)
    reduce(photo, out)
    scratch(photo, out)
    mosaic(photo, out)


if __name__ == "__main__":
    main()
