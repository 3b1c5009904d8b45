"""
Demosaicing: FFDNet in half-quadratic splitting
===============================================

A camera's sensor sees one colour for each pixel, in the Bayer pattern; the other two are to be
found. Linear interpolation leaves coloured fringes at edges. A prior for colour images knows that
edges are in all colours at the same place.
"""

import deepinv
import matplotlib.pyplot as plt

import pnp_priors
from pnp_priors import samples
from pnp_priors.physics.bayer import bayer_mask, interpolate
from pnp_priors.showing.details import details
from pnp_priors.solvers import demosaic

# %%
# The mosaic
# ----------
# With the gamma of photos, which the prior was trained for; linear raw values are to be converted
# before and after.

sharp = samples.load("photo")[..., 96:256, 96:256]
mask = bayer_mask("rggb", *sharp.shape[-2:])
raw = (mask * sharp).sum(dim=1, keepdim=True)  # [B, 1, H, W]

# %%
# Restoring
# ---------
# What the sensor saw is kept as it is.

restored = demosaic(raw, pnp_priors.load("ffdnet-color"), pattern="rggb")
linear = interpolate(raw, "rggb")

psnr = deepinv.metric.PSNR()
images = {"mosaic": mask * sharp, "linear": linear, "restored": restored}
scores = {name: psnr(images[name], sharp).item() for name in ("linear", "restored")}
print(f"PSNR: linear {scores['linear']:.2f} dB, restored {scores['restored']:.2f} dB")
details(
    {**images, "original": sharp},
    corner=(48, 48, 32),
    notes=["", *(f"{score:.2f} dB" for score in scores.values())],
)
plt.show()
