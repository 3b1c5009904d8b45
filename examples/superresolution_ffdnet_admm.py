"""
Super-resolution: FFDNet in ADMM
================================

A photo was reduced to a third of its width and height. Enlarging it bicubically gives a soft
image; the alternating direction method of multipliers (ADMM) looks for one that is reduced to the
small photo again and that the prior, FFDNet, takes for a photo.
"""

import deepinv
import matplotlib.pyplot as plt

import pnp_priors
from pnp_priors import samples
from pnp_priors.physics import BicubicReduction
from pnp_priors.showing.details import details
from pnp_priors.solvers import preset
from pnp_priors.solvers.super_resolution import bicubic, enlarge, luminance, super_resolve

# %%
# The small photo
# ---------------
# Bicubic reduction with antialiasing, as image programs do it, of 255×255 pixels.

factor = 3
sharp = samples.load("photo")[..., :255, :255]
small = BicubicReduction(tuple(sharp.shape[1:]), (85, 85))(sharp)

# %%
# Enlarging the luminance
# -----------------------
# Eyes hardly see the resolution of colours, so the prior restores the luminance; the rest is
# enlarged bicubically. A preset of super-resolution goes by the scale. Where nobody tuned, it is
# the default schedule, whose σ falls to half the scale (of 255).

prior = pnp_priors.load("ffdnet-gray")


def restore(solver):
    tuned = preset("super-resolution", "ffdnet-gray", noise=factor / 255, solver=solver)

    def of_gray(gray):
        return super_resolve(bicubic(gray, factor), prior, tuned.schedule, name=solver)

    return luminance(small, factor, of_gray)


large = {
    "bicubic": enlarge(small, factor),
    "HQS": restore("hqs"),
    "ADMM": restore("admm"),
}

# %%
# Result
# ------
# HQS forgets in each iteration what the prior took away in the last one; ADMM carries it along in
# its multiplier.

psnr = deepinv.metric.PSNR()
scores = {name: psnr(image, sharp).item() for name, image in large.items()}
print(f"PSNR: bicubic {scores['bicubic']:.2f} dB, ADMM {scores['ADMM']:.2f} dB")
print(f"HQS: {scores['HQS']:.2f} dB")

details(
    {**large, "original": sharp},
    corner=(133, 128, 51),
    notes=[f"{score:.2f} dB" for score in scores.values()],
)
plt.show()
