"""
Export, and run without torch
=============================

A prior becomes one ONNX file, and whoever runs it needs neither torch nor this package: numpy and
ONNX Runtime are enough, from Python, C++, C# or a browser.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import torch

import pnp_priors
from pnp_priors import samples
from pnp_priors.export import export

# %%
# Where torch is
# --------------
# The graph of FFDNet, and what torch makes of a noisy photo, to compare with.

sharp = samples.load("photo")
noisy = sharp + 25 / 255 * torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0))
expected = pnp_priors.load("ffdnet-color")(noisy, 25 / 255).numpy()

with TemporaryDirectory() as folder:
    graph = export("ffdnet-color", Path(folder) / "ffdnet-color.onnx").read_bytes()
print(f"ffdnet-color.onnx: {len(graph) / 1e6:.2f} MB")

# %%
# Where it is not
# ---------------
# Only numpy and ONNX Runtime from here on. The file says of itself what it takes and how far it may
# be from torch.

session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
passport = session.get_modelmeta().custom_metadata_map
for key in ("title", "value_range", "sigma_range", "channels", "tolerance"):
    print(f"{key}: {passport[key]}")

x = noisy.numpy()  # [B, C, H, W] in [0, 1]
(restored,) = session.run(None, {"x": x, "sigma": np.array([25 / 255], np.float32)})
difference = np.abs(restored - expected).max()
print(f"largest difference to torch: {difference:.1e} of [0, 1]")

# %%
# The photo
# ---------


def psnr(image):
    return -10 * np.log10(np.square(image - sharp.numpy()).mean())


figure, axes = plt.subplots(1, 2, figsize=(7, 3.9), layout="constrained")
for axis, (name, image) in zip(axes, {"noisy": x, "ONNX Runtime": restored}.items(), strict=True):
    axis.imshow(image[0].transpose(1, 2, 0).clip(0, 1))
    axis.set_title(f"{name}\n{psnr(image):.2f} dB")
    axis.axis("off")
print(f"PSNR: noisy {psnr(x):.2f} dB, restored {psnr(restored):.2f} dB")
plt.show()
