"""Make the blurred photo that `pnp-priors run deconvolution` restores when given no input.

A free photo is blurred with a camera-shake kernel and noise is added. The kernel is simulated: a
hand's slow drift and its tremor, integrated over the exposure. The blur is a *valid* convolution,
as in a camera: pixels at the border of the result saw scene outside the frame.

    python examples/make_deconvolution_example.py --out pipelines/examples

Needs scikit-image (in the `test` extra), whose wheel carries the photo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve
from skimage import data

from pnp_priors import images

SEED = 4
SIZE = 25
NOISE = 2.55 / 255
#: the cup, and as much around it as the blur reaches
CROP = (slice(0, 400), slice(130, 530))


def hand_shake_kernel(size: int, seed: int) -> np.ndarray:
    """The path of a hand-held camera during one exposure, as a kernel ``[size, size]``, sum 1.

    Velocity is a slowly varying drift plus tremor of about ten oscillations a second (Gaussian
    noise through a damped resonance) over half a second; the path is scaled to fill the kernel.
    """
    rng = np.random.default_rng(seed)
    exposure, steps = 0.5, 4000
    step = exposure / steps
    frequency = 2 * np.pi * 10.0
    drift = rng.normal(size=2)
    angle, speed = rng.normal(size=2) * 0.1, rng.normal(size=2)
    path = np.zeros((steps, 2))
    for i in range(1, steps):
        push = rng.normal(size=2) / np.sqrt(step)
        speed = (
            speed + step * (-(frequency**2) * angle - 0.6 * frequency * speed) + 60 * step * push
        )
        angle = angle + step * speed
        drift = drift + step * (-2.0 * drift) + 2.5 * step * push
        path[i] = path[i - 1] + step * (drift + 0.35 * speed)
    low, high = path.min(axis=0), path.max(axis=0)
    # One pixel of margin: a sample is shared among its four neighbours.
    path = (path - (low + high) / 2) * ((size - 3) / (high - low).max()) + size // 2
    kernel = np.zeros((size, size))
    corner = np.floor(path).astype(int)
    part = path - corner
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
            np.add.at(kernel, (corner[:, 0] + down, corner[:, 1] + right), share)
    return kernel / kernel.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    out = parser.parse_args().out

    kernel_file = out / "deconvolution_kernel.png"
    kernel = hand_shake_kernel(SIZE, SEED)
    images.write(kernel_file, images.Image(kernel[None] / kernel.max(), dtype="uint16"))
    # What is stored is rounded to 16 bit; blur with exactly that.
    stored = images.read(kernel_file).pixels[0].astype(np.float64)
    kernel = stored / stored.sum()

    scene = data.coffee()[CROP].transpose(2, 0, 1) / 255.0
    blurred = fftconvolve(scene, kernel[None], mode="valid", axes=(1, 2))
    noise = np.random.default_rng(SEED).normal(scale=NOISE, size=blurred.shape)
    margin = SIZE // 2
    sharp = scene[:, margin:-margin, margin:-margin]
    images.write(out / "deconvolution_blurred.png", images.Image(blurred + noise))
    images.write(out / "deconvolution_sharp.png", images.Image(sharp))


if __name__ == "__main__":
    main()
