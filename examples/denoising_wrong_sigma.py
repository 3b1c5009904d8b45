"""
What if σ is wrong?
===================

A prior believes the noise level that it is told. Told too little, it leaves noise; told too much,
it takes details for noise. How wrong may σ be, and does a prior that is told nothing do better?
"""

import deepinv
import matplotlib.pyplot as plt
import torch

import pnp_priors
from pnp_priors import samples

# %%
# The same noise, other words
# ---------------------------
# The noise has σ = 25/255; the priors are told from a quarter to four times that.

sigma = 25 / 255
sharp = samples.load("photo").mean(dim=1, keepdim=True)[..., 60:220, 60:220]
noisy = sharp + sigma * torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0))
factors = [2 ** (step / 2) for step in range(-4, 5)]
priors = {name: pnp_priors.load(name) for name in ("ffdnet-gray", "genericdp", "dncnn-b")}
restored = {
    name: [prior(noisy, None if prior.blind else factor * sigma) for factor in factors]
    for name, prior in priors.items()
}

psnr = deepinv.metric.PSNR()
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for (name, images), style in zip(restored.items(), ("o-", "s--", "^:"), strict=True):
    axes.semilogx(factors, [psnr(image, sharp).item() for image in images], style, label=name)
axes.axhline(psnr(noisy, sharp).item(), color="gray", label="noisy")
axes.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
axes.set_xticks([], minor=True)
axes.set(xlabel="σ told / σ of the noise", ylabel="PSNR (dB)")
axes.legend()
plt.show()

# %%
# What it looks like
# ------------------
# Too high a σ costs less than too low a one; where it must be guessed, guess up. A pipeline
# estimates it (``noise.sigma: auto``) and says how surely.

found = {"noisy": noisy, "blind (DnCNN-B)": restored["dncnn-b"][0]}
for name, factor in {"half": 0.5, "right": 1, "double": 2}.items():
    found[name] = restored["ffdnet-gray"][factors.index(factor)]
scores = {name: psnr(image, sharp).item() for name, image in found.items()}
print(f"PSNR: noisy {scores['noisy']:.2f} dB, right {scores['right']:.2f} dB")
print(", ".join(f"{name}: {score:.2f} dB" for name, score in scores.items()))
deepinv.utils.plot(
    found,
    subtitles=[f"{score:.2f} dB" for score in scores.values()],
    rescale_mode=None,
    figsize=(12, 3),
    fontsize=12,
)
