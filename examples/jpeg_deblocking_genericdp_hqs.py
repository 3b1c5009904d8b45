"""
JPEG deblocking: genericDP in half-quadratic splitting
======================================================

A JPEG file says of each coefficient in which interval it lay before it was rounded. Of all photos
that fit, a decoder shows one with blocks; the solver looks for one that the prior likes.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import deepinv
import matplotlib.pyplot as plt
from PIL import Image

import pnp_priors
from pnp_priors import samples
from pnp_priors.physics import read_file
from pnp_priors.showing.details import details
from pnp_priors.solvers import preset
from pnp_priors.solvers.deblocking import deblock, quantisation_noise

# %%
# A JPEG file
# -----------
# Saved by Pillow at quality 10, colours at half the resolution (4:2:0). ``read_file`` takes the
# tables and coefficients from the file: the degradation is known exactly, nothing is estimated.

sharp = samples.load("photo")
with TemporaryDirectory() as folder:
    path = Path(folder) / "photo.jpg"
    with Image.open(samples.path("photo")) as photo:
        photo.save(path, quality=10)
    print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB")
    file = read_file(path)

physics = file.physics()
y = file.measurements(physics)
decoded = physics.A_dagger(y)

# %%
# Restoring it
# ------------
# The data step moves each coefficient into its interval, or into a narrower one around the middle
# (``width``), where originals are more often than at the ends. The preset goes by how much noise
# the quantisation amounts to.

noise = quantisation_noise(y, physics)
tuned = preset("jpeg-deblocking", "genericdp", noise=noise)
prior = pnp_priors.load("genericdp")
restored = deblock(y, physics, prior, tuned.schedule, width=tuned.width)

psnr = deepinv.metric.PSNR()
before, after = psnr(decoded, sharp).item(), psnr(restored, sharp).item()
print(f"quantisation noise: about {255 * noise:.1f}/255")
print(f"PSNR: decoded {before:.2f} dB, restored {after:.2f} dB")

details(
    {"decoded": decoded, "restored": restored, "original": sharp},
    corner=(154, 102, 51),
    notes=[f"{before:.2f} dB", f"{after:.2f} dB"],
)
plt.show()

# %%
# What the file allows
# --------------------
# The restored photo, compressed again, gives the file that it was restored from: nothing that the
# file says was changed.

same = all((a == b).all() for a, b in zip(physics(restored), y, strict=True))
print(f"compressed again, it is the same file: {same}")
