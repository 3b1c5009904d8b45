"""
Deconvolution: genericDP in half-quadratic splitting
====================================================

A photo was blurred by a camera in motion, and the blur is known. Dividing by it would drown the
photo in noise. Half-quadratic splitting (HQS) alternates two steps instead: one fits the data, in
closed form in the Fourier domain; one denoises, with less and less noise to remove. What the
denoiser knows about photos, the result has too.
"""

import deepinv
import matplotlib.pyplot as plt
import torch

import pnp_priors
from pnp_priors import samples
from pnp_priors.solvers import preset, solver

# %%
# The blurred photo
# -----------------
# A random motion of deepinv's, and white Gaussian noise of σ = 2.55/255. Images are in [0, 1], and
# so is σ. The blur is circular: the photo goes on at the opposite border. For real photos, whose
# borders saw more than the frame, ``pnp_priors.pipelines.load("deconvolution")`` extends them.

sigma = 2.55 / 255
sharp = samples.load("photo")
generator = torch.Generator().manual_seed(5)
motion = deepinv.physics.generator.MotionBlurGenerator((25, 25), rng=generator)
physics = deepinv.physics.BlurFFT(
    img_size=sharp.shape[1:],
    filter=motion.step()["filter"],
    noise_model=deepinv.physics.GaussianNoise(sigma, rng=generator),
)
y = physics(sharp)

# %%
# Solver, schedule and prior
# --------------------------
# The schedule says which σ the denoiser is told in each iteration. This one was tuned for genericDP
# and HQS; where nobody tuned, ``preset`` returns that of DPIR. genericDP is a prior for gray images
# and restores the three channels one by one.

tuned = preset("deconvolution", "genericdp", noise=sigma)
model = solver(tuned.solver, pnp_priors.load("genericdp"), tuned.schedule)
restored, metrics = model(y, physics, x_gt=sharp, compute_metrics=True)

psnr = deepinv.metric.PSNR()
before, after = psnr(y, sharp).item(), psnr(restored, sharp).item()
print(f"PSNR: blurred {before:.2f} dB, restored {after:.2f} dB")

deepinv.utils.plot(
    {"blurred": y, "restored": restored, "original": sharp},
    subtitles=[f"{before:.2f} dB", f"{after:.2f} dB", ""],
    rescale_mode=None,
    figsize=(9, 3.5),
    fontsize=12,
)

# %%
# Iteration by iteration
# ----------------------
# σ begins far above the noise, so that the prior removes what the data step has amplified, and
# falls evenly in its logarithm to the noise of the photo.

figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
axes[0].semilogy(range(1, len(tuned.schedule) + 1), [255 * s for s in tuned.schedule.sigma], "o-")
axes[0].axhline(255 * sigma, color="gray", linestyle="--", label="noise of the photo")
axes[0].set(xlabel="iteration", ylabel="σ told to the prior (of 255)")
axes[0].legend()
axes[1].plot(metrics["psnr"][0], "o-")
axes[1].set(xlabel="iteration (0: start)", ylabel="PSNR (dB)")
plt.show()
