"""Draws the pictures of the task pages and of the concepts page.

    python docs/_ext/pictures.py [--only NAME …]

The tasks: what ``pnp-priors run TASK`` writes of its bundled example, smaller.
The concepts: plots and details of the bundled photo (CC0). They are committed, because restoring
takes longer than building the pages.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pnp_priors.atomic import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1]
#: page, and pipeline
TASKS = {
    "denoising": "denoising",
    "deconvolution": "deconvolution",
    "super-resolution": "super_resolution",
    "jpeg-deblocking": "jpeg_deblocking",
    "inpainting": "inpainting",
    "demosaicing": "demosaicing",
}
WIDTH, LIMIT = 1180, 300_000
NOISE = 2.55 / 255


def shrunk(picture: Image.Image, path: Path) -> None:
    """Write a picture as JPEG, no wider than a page and smaller than 300 kB."""
    picture = picture.convert("RGB")
    if picture.width > WIDTH:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    for quality in (92, 88, 84, 80):
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=quality, optimize=True)
        if buffer.tell() < LIMIT:
            break
    whole(path, lambda part: part.write_bytes(buffer.getvalue()))


def restore(pipeline: str, folder: Path) -> Path:
    """Run a pipeline's example; its before/after picture."""
    command = [sys.executable, "-m", "pnp_priors.cli", "run", pipeline, "-o", str(folder)]
    subprocess.run(command, check=True)
    return folder / f"{pipeline}_comparison.png"


def task(name: str) -> None:
    """The picture of a task's page; deconvolution's is the README's as well."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Image.open(restore(TASKS[name], Path(folder))) as picture,
    ):
        picture.load()
    shrunk(picture, DOCS / "tasks" / f"{name}.jpg")


def prior() -> None:
    """Noise of two levels, restored at half of sigma, at sigma and at twice sigma."""
    import torch

    import pnp_priors

    denoiser, clean = pnp_priors.load("ffdnet-gray"), _photo().mean(0, keepdim=True)[None]
    clean = clean[..., 64:208, 40:184]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    figure, axes = _figure(2, 4, (10, 5.6))
    for row, level in zip(axes, (15, 50), strict=True):
        sigma = level / 255
        noisy = clean + sigma * noise
        _show(row[0], noisy, f"x: noise of {level}/255", clean)
        for place, factor in zip(row[1:], (0.5, 1, 2), strict=True):
            words = f"D(x, {factor * level:g}/255)"
            _show(place, denoiser(noisy, factor * sigma), words, clean)
    _save(figure, "concepts-prior")


def schedule() -> None:
    """Sigma over the iterations of DPIR's schedule, and some of the iterates."""
    import deepinv
    import torch

    import pnp_priors
    from pnp_priors.kernels import read as read_kernel
    from pnp_priors.solvers import dpir, genericdp, solver

    clean = _photo().mean(0, keepdim=True)[None][..., 64:208, 40:184]
    kernel = read_kernel(DOCS.parent / "pipelines" / "examples" / "deconvolution_kernel.png")
    kernel = torch.as_tensor(kernel, dtype=torch.float32)[None, None]
    physics = deepinv.physics.BlurFFT(img_size=tuple(clean.shape[1:]), filter=kernel)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    y = physics(clean) + NOISE * noise
    steps, denoiser = dpir(NOISE, iterations=8), pnp_priors.load("ffdnet-gray")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.8), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1])
    left, right = upper.subplots(1, 2)
    for name, made, colour in (
        ("dpir", steps, "#0072B2"),
        ("genericdp", genericdp(NOISE, iterations=8), "#D55E00"),
    ):
        count = range(1, len(made) + 1)
        left.plot(count, [255 * s for s in made.sigma], "o-", color=colour, ms=4, label=name)
        right.plot(count, made.stepsize, "o-", color=colour, ms=4, label=name)
    left.axhline(255 * NOISE, color="#555555", linestyle=":", label="noise of the photo")
    left.set_ylabel("σ told to the prior (of 255)")
    right.set_ylabel("step size γ of the data")
    for axes, ticks in ((left, (3, 5, 10, 20, 50)), (right, (1, 10, 100, 1000))):
        axes.set_yscale("log")
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.legend(fontsize=8, frameon=False)
    row = lower.subplots(1, 4)
    _show(row[0], y, "blurred, with noise", clean)
    for place, count in zip(row[1:], (1, 4, 8), strict=True):
        first = type(steps)(steps.sigma[:count], steps.stepsize[:count])
        restored = solver("hqs", denoiser, first)(y, physics)
        _show(place, restored, f"after iteration {count}", clean)
    _save(figure, "concepts-schedule")


def boundary() -> None:
    """A part of the bundled blurred photo, restored with each way to treat its border."""
    from pnp_priors import pipelines

    blurred = _image("deconvolution_blurred.png")[:, 100:276, 60:236]
    clean = _image("deconvolution_sharp.png")[:, 100:276, 60:236]
    figure, axes = _figure(1, 4, (10, 2.9))
    _show(axes[0][0], blurred[None], "blurred", clean[None])
    for place, mode in zip(axes[0][1:], ("circular", "taper", "extend"), strict=True):
        settings = {"boundary": mode, "prior.name": "ffdnet-gray", "noise.sigma": NOISE}
        restored = pipelines.load("deconvolution", settings)(blurred)
        _show(place, restored.reshape(clean[None].shape), f"boundary: {mode}", clean[None])
    _save(figure, "concepts-boundary")


def _photo():  # type: ignore[no-untyped-def]
    return _image("photo.png")


def _image(name: str):  # type: ignore[no-untyped-def]
    """``[C, H, W]`` in [0, 1]."""
    import torch

    from pnp_priors import images

    pixels = images.read(DOCS.parent / "pipelines" / "examples" / name).pixels
    return torch.as_tensor(pixels, dtype=torch.float32)


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[list[Axes]]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _show(axes: Axes, image, words: str, clean) -> None:  # type: ignore[no-untyped-def]
    from pnp_priors.benchmark.metrics import psnr

    shown = image.detach()[0].clamp(0, 1)
    score = psnr(shown[None], clean)
    axes.imshow(shown.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_title(words, fontsize=10)
    axes.set_xlabel(f"{score:.2f} dB", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _save(figure: Figure, name: str) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=118, format="png")
    with Image.open(buffer) as picture:
        shrunk(picture, DOCS / f"{name}.jpg")


PICTURES: dict[str, Callable[[], None]] = {
    **{name: partial(task, name) for name in TASKS},
    "concepts-prior": prior,
    "concepts-schedule": schedule,
    "concepts-boundary": boundary,
}


def main() -> None:
    """Draw all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=list(PICTURES))
    for name in parser.parse_args().only:
        PICTURES[name]()
        print(f"drew {name}")


if __name__ == "__main__":
    main()
