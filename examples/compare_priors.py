"""
Several priors at several noise levels
======================================

Which prior for which noise? The same photo with the same noise, restored by priors that know the
level over a range (genericDP, FFDNet), by one that was trained for a single level (TRD), and by one
that is told nothing (DnCNN-B). One photo shows how priors behave, not how good they are: that is
measured on the field's test sets, see the page of results.
"""

import deepinv
import matplotlib.pyplot as plt
import torch

import pnp_priors
from pnp_priors import samples
from pnp_priors.showing.comparison import compare, noisy_version

names = ["ffdnet-gray", "genericdp", "dncnn-b", "trd-5x5-s25"]
for name in names:
    card = pnp_priors.describe(name)
    low, high = (255 * level for level in card.sigma_range)
    told = "blind" if card.blind else "told σ"
    print(f"{name:12} {told:7} trained for σ = {low:g} to {high:g} (of 255)")

# %%
# PSNR over the noise level
# -------------------------
# ``compare`` restores as ``pnp-priors run denoising`` does. A prior of one level meets others by
# rescaling the photo's contrast, and pays for that.

sharp = samples.load("photo")[0, :, 64:224, 64:224].mean(0, keepdim=True).numpy()
levels = [5, 15, 25, 35, 50]
sheets = {
    level: compare(noisy_version(sharp, level / 255, seed=0), names, level / 255, sharp)
    for level in levels
}

rows = {"noisy": [sheets[level].scores.psnr for level in levels]}
for index, name in enumerate(names):
    rows[name] = [sheets[level].results[index].scores.psnr for level in levels]
print(f"{'σ (of 255)':12}" + "".join(f"{level:9}" for level in levels))
for name, row in rows.items():
    print(f"{name:12}" + "".join(f"{value:6.2f} dB" for value in row))

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, style in zip(names, ("o-", "s--", "^:", "D-."), strict=True):
    difference = [a - b for a, b in zip(rows[name], rows["ffdnet-gray"], strict=True)]
    axes.plot(levels, difference, style, label=name)
axes.set(xlabel="σ (of 255)", ylabel="PSNR less that of FFDNet (dB)")
axes.legend()
plt.show()

# %%
# At σ = 25
# ---------

shown = sheets[25]
images = {"noisy": shown.noisy} | {result.name: result.pixels for result in shown.results}
print(f"PSNR: noisy {rows['noisy'][2]:.2f} dB, genericdp {rows['genericdp'][2]:.2f} dB")
deepinv.utils.plot(
    {name: torch.tensor(pixels)[None] for name, pixels in images.items()},
    subtitles=[f"{rows[name][2]:.2f} dB" for name in images],
    rescale_mode=None,
    figsize=(12, 3),
    fontsize=12,
)
