"""
Training a prior of one's own
=============================

A recipe is all that decides what a training run does. This one trains a tiny FFDNet on rendered
pages in seconds. What is written is a prior as those that come along: weights, a card, and it goes
into the same solvers.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import deepinv
import torch

import pnp_priors
from pnp_priors import samples
from pnp_priors.solvers import dpir, solver
from pnp_priors.training.command import train

# %%
# The recipe
# ----------
# Images of one's own are a source ``{folder: my-images, hold_out: 4}``.

recipe = """
name: tiny
system: ffdnet
architecture: {channels: 1, depth: 6, width: 24, residual: true}
card:
  title: a tiny FFDNet for pages
  paper: "Zhang, Zuo, Zhang: FFDNet, IEEE TIP 2018"
  licence: CC0
  iterative_use: "well suited: takes sigma"
data:
  sources: [{rendered: documents, count: 8, hold_out: 2}]
  patch: 48
  batch: 8
  sigma: [0.0, 0.2]      # in 0..1 units
level_weight: 1.0        # little noise counts as much as strong noise
optimizer: {name: muon, lr: {weights: 1.0e-2}, warmup_steps: 20}
steps: 400
ema: 0.98                # of the weights that are released: over the last 50 steps
validate_every: 400
"""

# %%
# Training
# --------
# Called again, it goes on where it was stopped; so does ``pnp-priors train tiny.yaml``.

with TemporaryDirectory() as folder:
    run = Path(folder)
    (run / "tiny.yaml").write_text(recipe, encoding="utf-8")
    card = train(str(run / "tiny.yaml"), data=run, out=run / "run", accelerator="cpu")
    prior = pnp_priors.load(run / "run" / "cards" / "tiny.yaml")
print(f"{card.parameters:,} parameters; PSNR (dB) by σ (of 255): {card.training.validation_psnr}")

# %%
# In a solver
# -----------
# A blurred page, in a font that it was not trained on.

sigma = 2.55 / 255
page = samples.load("document")[..., 69:178, 20:220]
physics = deepinv.physics.BlurFFT(
    img_size=page.shape[1:],
    filter=deepinv.physics.functional.gaussian_blur(sigma=(1.0, 1.0)),
    noise_model=deepinv.physics.GaussianNoise(sigma, rng=torch.Generator().manual_seed(0)),
)
y = physics(page)
restored = solver("hqs", prior, dpir(sigma))(y, physics)

psnr = deepinv.metric.PSNR()
before, after = psnr(y, page).item(), psnr(restored, page).item()
print(f"PSNR: blurred {before:.2f} dB, restored {after:.2f} dB")
shown = {"blurred": y, "restored": restored, "original": page}
look = {"rescale_mode": None, "figsize": (12, 3.2), "fontsize": 12}
deepinv.utils.plot(shown, subtitles=[f"{before:.2f} dB", f"{after:.2f} dB", ""], **look)
