"""
Microscopy: Poisson-Gaussian noise through a variance-stabilising transform
===========================================================================

Where light is scarce, photons are counted: bright places are noisier than dark ones. Priors are
trained for noise that is equal everywhere. The generalised Anscombe transform makes it equal; the
prior denoises there, and an unbiased inverse leads back.
"""

import deepinv
import matplotlib.pyplot as plt
import torch
from deepinv.models import generalized_anscombe_transform

import pnp_priors
from pnp_priors import samples
from pnp_priors.showing.details import details
from pnp_priors.solvers.stabilising import stabilised

# %%
# Few photons
# -----------
# One photon is worth ``gain`` = 1/20 of white, so that the variance is gain · intensity + σ². The
# micrograph is synthetic (see ``examples/images/README.md``), and so is its noise.

gain, sigma = 1 / 20, 0.02
clean = samples.load("microscopy")
generator = torch.Generator().manual_seed(0)
counts = torch.poisson(clean / gain, generator=generator)
noisy = gain * counts + sigma * torch.randn(clean.shape, generator=generator)

# %%
# Three ways
# ----------
# The mean noise level is wrong nearly everywhere: too low on the filaments, too high between them.
# A map of levels, from a first estimate of the intensity, is much better, and needs a prior that
# takes maps. The transform needs none: any prior for Gaussian noise will do.

prior = pnp_priors.load("ffdnet-gray")
mean = prior(noisy, (gain * noisy.mean() + sigma**2).sqrt())
with_map = prior(noisy, (gain * mean.clamp(min=0) + sigma**2).sqrt())
transformed = stabilised(prior, noisy, gain, sigma)

psnr = deepinv.metric.PSNR()
images = {"noisy": noisy, "mean σ": mean, "map of σ": with_map, "transform": transformed}
scores = {name: psnr(image, clean).item() for name, image in images.items()}
print(f"PSNR: noisy {scores['noisy']:.2f} dB, transform {scores['transform']:.2f} dB")
print(f"mean σ: {scores['mean σ']:.2f} dB, map of σ: {scores['map of σ']:.2f} dB")

details(
    {**images, "original": clean},
    corner=(211, 161, 77),
    notes=[f"{score:.2f} dB" for score in scores.values()],
)
plt.show()

# %%
# What the transform does
# -----------------------
# The noise over the intensity, in units of its mean: measured before, and after the transform.

spread = {"as measured": noisy - clean}
both = [generalized_anscombe_transform(image, gain, sigma) for image in (noisy, clean)]
spread["transformed"] = both[0] - both[1]
middles = torch.linspace(0.05, 0.75, 15)
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for (name, noise), style in zip(spread.items(), ("s--", "o-"), strict=True):
    levels = [noise[(clean - middle).abs() < 0.03].std() for middle in middles]
    axes.plot(middles, torch.stack(levels) / noise.std(), style, label=name)
axes.set(xlabel="intensity", ylabel="noise (of its mean)", ylim=(0, None))
axes.legend()
plt.show()
