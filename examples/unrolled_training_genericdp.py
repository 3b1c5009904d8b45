"""
Unrolled training: genericDP inside of HQS
==========================================

A prior was trained to remove noise from photos; here it is to sharpen text. In deepinv's unfolded
solver all can be trained, the prior and each σ. A few steps show the gain, and what it costs.
"""

import deepinv
import torch
from deepinv.optim import HQS, L2, PnP

import pnp_priors
from pnp_priors import samples
from pnp_priors.solvers import dpir
from pnp_priors.training.data import PatchSampler
from pnp_priors.training.documents import pages

# %%
# The problem and the unrolled solver
# -----------------------------------
# A loaded prior is frozen; ``requires_grad_`` thaws it.

noise = deepinv.physics.GaussianNoise(2.55 / 255, rng=torch.Generator().manual_seed(0))


def blur(image):
    kernel = deepinv.physics.functional.gaussian_blur(sigma=(1.3, 1.3))
    return deepinv.physics.BlurFFT(img_size=image.shape[1:], filter=kernel, noise_model=noise)


schedule = dpir(2.55 / 255, iterations=3)
model = HQS(
    prior=PnP(denoiser=pnp_priors.load("genericdp").requires_grad_(True)),
    data_fidelity=L2(),
    stepsize=list(schedule.stepsize),
    g_param=list(schedule.sigma),
    max_iter=len(schedule),
    unfold=True,
    trainable_params=["g_param"],
)
clean = {"page": samples.load("document")[..., 69:178, 20:200]}
clean["photo"] = samples.load("photo")[:, :1, 64:192, 64:192]
blurred = {name: blur(image)(image) for name, image in clean.items()}
with torch.no_grad():
    before = {name: model(y, blur(y)) for name, y in blurred.items()}

# %%
# Training
# --------
# Pages are rendered with random words, in fonts that the test page does not have. Of 16 patches the
# two with most contrast are taken: most are paper. Noise is drawn anew in each step.

rendered = list(pages(6, seed=1, channels=1, families=("DejaVu Serif", "Computer Modern Roman")))
patches = PatchSampler(rendered, patch=64, seed=0)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for _ in range(12):
    x = patches.sample(16)
    x = x[x.flatten(1).std(dim=1).topk(2).indices]
    physics = blur(x)
    loss = (model(physics(x), physics) - x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# What was gained, and lost
# -------------------------

with torch.no_grad():
    after = {name: model(y, blur(y)) for name, y in blurred.items()}
psnr, stages = deepinv.metric.PSNR(), {"blurred": blurred, "as loaded": before, "trained": after}
for kind, truth in clean.items():
    scores = {name: psnr(images[kind], truth).item() for name, images in stages.items()}
    print(f"PSNR, {kind}: " + ", ".join(f"{name} {value:.2f} dB" for name, value in scores.items()))
shown = {name: images["page"] for name, images in stages.items()} | {"original": clean["page"]}
values = [f"{psnr(image, clean['page']).item():.2f} dB" for image in list(shown.values())[:-1]]
look = {"rescale_mode": None, "figsize": (14, 2.9), "fontsize": 12}
deepinv.utils.plot(shown, subtitles=[*values, ""], **look)
