"""
Structure that repeats: NN3D around FFDNet
==========================================

A network sees the surroundings of a pixel. NN3D lets it work together with a filter that looks for
similar blocks further away, and averages over them: on a page the same letters, on a wall the same
bricks.
"""

import deepinv
import torch

import pnp_priors
from pnp_priors import samples

# %%
# A noisy page
# ------------
# A synthetic page with noise of σ = 50/255.

sigma = 50 / 255
page = samples.load("document")[..., 60:220, :]
noisy = page + sigma * torch.randn(page.shape, generator=torch.Generator().manual_seed(0))

# %%
# Alone, and with the filter
# --------------------------
# ``base`` takes any prior for noise. The price: the prior runs twice, and the search takes longer
# than both.

base = pnp_priors.load("ffdnet-gray")
prior = pnp_priors.load("nn3d", base="ffdnet-gray")
images = {"noisy": noisy, "FFDNet": base(noisy, sigma), "NN3D": prior(noisy, sigma)}

psnr = deepinv.metric.PSNR()
scores = {name: psnr(image, page).item() for name, image in images.items()}
print(f"PSNR: FFDNet {scores['FFDNet']:.2f} dB, NN3D {scores['NN3D']:.2f} dB")
deepinv.utils.plot(
    {name: image[..., 8:116, 20:180] for name, image in {**images, "original": page}.items()},
    subtitles=[*(f"{score:.2f} dB" for score in scores.values()), ""],
    rescale_mode=None,
    figsize=(14, 2.8),
    fontsize=12,
)
