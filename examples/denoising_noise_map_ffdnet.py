"""
Denoising: FFDNet with a map of noise levels
============================================

FFDNet takes the noise level as an image, one number for each pixel. Where the noise differs from
place to place (vignetting that was corrected, merged exposures, signal-dependent noise) one number
for all leaves noise at one side and blurs the other.
"""

import deepinv
import matplotlib.pyplot as plt
import torch

import pnp_priors
from pnp_priors import samples

# %%
# Noise that grows from left to right
# -----------------------------------
# σ is 5/255 at the left border, 60/255 at the right one.

sharp = samples.load("photo")
levels = torch.linspace(5, 60, sharp.shape[-1]) / 255
sigma = levels.expand(1, 1, *sharp.shape[-2:])  # [B, 1, H, W]
noise = torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0))
noisy = sharp + sigma * noise

# %%
# One number, or the map
# ----------------------
# The number is the root mean square of the map, which is what an estimate over the whole photo
# would give.

prior = pnp_priors.load("ffdnet-color")
with_number = prior(noisy, sigma.square().mean().sqrt())
with_map = prior(noisy, sigma)

psnr = deepinv.metric.PSNR()
images = {"noisy": noisy, "one number": with_number, "map": with_map, "original": sharp}
scores = {name: psnr(image, sharp).item() for name, image in images.items() if name != "original"}
print(f"PSNR: one number {scores['one number']:.2f} dB, map {scores['map']:.2f} dB")

deepinv.utils.plot(
    images,
    subtitles=[*(f"{score:.2f} dB" for score in scores.values()), ""],
    rescale_mode=None,
    figsize=(11, 3.3),
    fontsize=12,
)

# %%
# Where the gain is
# -----------------
# The error of columns, from left to right. The number is right for those in the middle only.


def error(image):
    """Root mean square of 16 columns each, of 255."""
    return 255 * (image - sharp).square().mean(dim=(0, 1, 2)).unflatten(0, (-1, 16)).mean(1).sqrt()


figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
columns = torch.arange(8, sharp.shape[-1], 16)
axes.plot(columns, 255 * levels[columns], ":", color="gray", label="noise")
axes.plot(columns, error(with_number), "s--", color="tab:orange", label="one number")
axes.plot(columns, error(with_map), "o-", color="tab:blue", label="map")
axes.set(xlabel="column", ylabel="root mean square error (of 255)", ylim=(0, 30))
axes.legend()
plt.show()
