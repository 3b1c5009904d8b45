"""
Your own photo
==============

Removes the noise of a photo file, whose level is estimated, and writes the result beside it::

    python own_photo.py holiday.jpg
    python own_photo.py holiday.jpg -o better.png --sigma 15

Without arguments it restores a noisy version of the bundled photo. What the file holds besides
pixels (bit depth, orientation, colour profile) is kept; the same on the command line, for folders
too, is ``pnp-priors run denoising holiday.jpg -o better.png``.
"""

import argparse
import tempfile
from pathlib import Path

import deepinv
import torch

from pnp_priors import images, pipelines, samples
from pnp_priors.showing.comparison import noisy_version

parser = argparse.ArgumentParser(description="Remove the noise of a photo.")
parser.add_argument("photo", type=Path, nargs="?", help="PNG, JPEG, TIFF, BMP or WEBP")
parser.add_argument("-o", "--output", type=Path, help="file to write")
parser.add_argument("--sigma", help="noise level, 15 or 15/255; else it is estimated")
arguments = parser.parse_args()

# %%
# The pipeline
# ------------
# ``prior.name`` and all other keys of ``pnp-priors schema denoising`` can be set in the same way.

sigma = arguments.sigma or "auto"
if sigma != "auto" and "/" not in sigma:
    sigma += "/255"
denoise = pipelines.load("denoising", {"noise.sigma": sigma, "prior.name": "ffdnet-color"})

# %%
# Restoring a file
# ----------------

photo = arguments.photo
if photo is None:
    photo = Path(tempfile.mkdtemp()) / "noisy_photo.png"
    clean = images.read(samples.path("photo"))
    images.write(photo, clean.with_pixels(noisy_version(clean.pixels, 20 / 255, seed=0)))
output = arguments.output or photo.with_name(f"{photo.stem}_restored.png")

restored, used = denoise.restore_file(photo)
images.write(output, restored)
print(f"{output.name}: {used.words}")
for note in used.notes:
    print(f"note: {note}")

# %%
# Before and after
# ----------------

before, after = (torch.from_numpy(images.read(file).pixels)[None] for file in (photo, output))
subtitles = ["", ""]
if arguments.photo is None:
    psnr, sharp = deepinv.metric.PSNR(), samples.load("photo")
    scores = [psnr(image, sharp).item() for image in (before, after)]
    print(f"PSNR: noisy {scores[0]:.2f} dB, restored {scores[1]:.2f} dB")
    subtitles = [f"{score:.2f} dB" for score in scores]
deepinv.utils.plot(
    {photo.name: before, output.name: after},
    subtitles=subtitles,
    rescale_mode=None,
    figsize=(8, 4.6),
    fontsize=12,
)
