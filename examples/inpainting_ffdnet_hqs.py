"""
Inpainting: FFDNet in half-quadratic splitting
==============================================

Somebody wrote over a photo. Where the pixels are is known, what was there is not: the solver keeps
the rest and fills in what fits. It continues edges and tones; it does not invent objects, and a
hole wider than the prior sees becomes smooth.
"""

import deepinv
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import pnp_priors
from pnp_priors import samples
from pnp_priors.solvers.inpainting import fill, inpaint

# %%
# What is missing
# ---------------

sharp = samples.load("photo")[..., 48:208, 48:208]
drawing = Image.new("L", (160, 160), 1)
pen = ImageDraw.Draw(drawing)
for line in range(8):
    text = "espresso espresso espresso"[line % 3 :]
    pen.text((4, 4 + 20 * line), text, fill=0, font=ImageFont.load_default(size=15))
known = torch.tensor(np.array(drawing)[None, None] > 0)
damaged = torch.where(known, sharp, torch.ones(()))
print(f"missing: {100 * (1 - known.float().mean()):.0f} % of the pixels")

# %%
# Restoring
# ---------
# The solver begins with a smooth filling, from means of the known pixels at all scales.

prior = pnp_priors.load("ffdnet-gray")
restored = inpaint(damaged, known, prior)
smooth = fill(damaged, known.float())

psnr = deepinv.metric.PSNR()
images = {"damaged": damaged, "smooth": smooth, "restored": restored}
scores = {name: psnr(image, sharp).item() for name, image in images.items()}
print(f"PSNR: smooth {scores['smooth']:.2f} dB, restored {scores['restored']:.2f} dB")
deepinv.utils.plot(
    {**images, "original": sharp},
    subtitles=[*(f"{score:.2f} dB" for score in scores.values()), ""],
    rescale_mode=None,
    figsize=(12, 3.5),
    fontsize=12,
)
