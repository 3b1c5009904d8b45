"""
Documents: a prior that knows what it looks at
==============================================

The class-aware prior has a network for photographs, one for documents, and a classifier that picks
from the noisy image. It is told neither the class nor the noise level.
"""

import deepinv
import torch

import pnp_priors
from pnp_priors import samples

# %%
# A noisy page
# ------------
# A synthetic page in a font that no prior was trained on; noise of σ = 50/255.

sigma = 50 / 255
page = samples.load("document")[..., :256, :]
noisy = page + sigma * torch.randn(page.shape, generator=torch.Generator().manual_seed(0))

prior = pnp_priors.load("class-aware")
print(f"the classifier picks: {prior.classify(noisy)[0]}")

# %%
# Both networks, and one for everything
# -------------------------------------
# FFDNet, trained on photographs, is told σ.

images = {
    "noisy": noisy,
    "FFDNet": pnp_priors.load("ffdnet-gray")(noisy, sigma),
    "photographs": prior.with_class("photographs")(noisy),
    "documents": prior(noisy),
}
psnr = deepinv.metric.PSNR()
scores = {name: psnr(image, page).item() for name, image in images.items()}
print(f"PSNR: FFDNet {scores['FFDNet']:.2f} dB, class-aware {scores['documents']:.2f} dB")

deepinv.utils.plot(
    {name: image[..., 10:142, 20:220] for name, image in images.items()},  # a part of the page
    subtitles=[f"{score:.2f} dB" for score in scores.values()],
    rescale_mode=None,
    figsize=(14, 3.1),
    fontsize=12,
)

# %%
# Layer by layer
# --------------
# Each of the 20 layers estimates a part of the noise; this is what is left of the image after some
# of them. The first five only begin, by the tenth most of the noise is gone, and the rest is for
# the strokes.

estimates = prior.estimates(noisy)
layers = [1, 5, 10, 15, 20]
parts = [estimates[layer - 1][..., 70:142, 20:160] for layer in layers]
deepinv.utils.plot(
    {f"layer {layer}": part for layer, part in zip(layers, parts, strict=True)},
    subtitles=[f"{psnr(estimates[layer - 1], page).item():.2f} dB" for layer in layers],
    rescale_mode=None,
    figsize=(14, 2.2),
    fontsize=12,
)
