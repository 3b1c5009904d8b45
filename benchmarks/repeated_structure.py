"""NN3D against its base prior on images whose structure repeats.

    python benchmarks/repeated_structure.py

Cruz, Foi, Katkovnik, Egiazarian: Nonlocality-reinforced convolutional neural networks for image
denoising, IEEE SPL 25(8), 2018, gain most on Urban100, whose facades repeat. Here: scikit-image's
photograph of a brick wall, and a facade that is drawn, whose window is itself random, so that no
network can know it from training. No prior was trained on either. Needs no data.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from measuring import page, show
from skimage.data import brick
from torch import Tensor

from pnp_priors import registry
from pnp_priors.benchmark.data import centre
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.benchmark.report import write_atomically
from pnp_priors.errors import exit_code
from pnp_priors.priors.base import Prior

LEVELS = (15.0, 30.0, 50.0, 75.0)
SIDE = 256
#: rows and columns of a window with its wall, and pixels of a random cell in it
WINDOW, CELL = (30, 24), 6


def facade(side: int = SIDE, seed: int = 0) -> Tensor:
    """One random window, repeated. ``[1, 1, side, side]`` in [0, 1].

    The light falls off across the facade, so that copies are alike and not equal.
    """
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand([size // CELL for size in WINDOW], generator=generator)
    window = cells.repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)
    copies = [-(-side // size) for size in window.shape]
    wall = window.repeat(*copies)[:side, :side]
    light = torch.linspace(0.6, 1.0, side)
    return (wall * light)[None, None]


def images() -> dict[str, Tensor]:
    """Images ``[1, 1, SIDE, SIDE]`` by name."""
    wall = torch.from_numpy(brick()).float()[None, None] / 255
    return {"brick": centre(wall, SIDE), "facade": facade()}


@torch.no_grad()
def measure(
    priors: Mapping[str, Prior], clean: Tensor, sigma: float, problem: str
) -> dict[str, float]:
    """PSNR in dB by prior, output clipped.

    :param clean: ``[1, 1, H, W]``.
    :param sigma: on the 0..255 scale.
    """
    noisy = add_noise(clean, sigma, problem)
    return {
        name: psnr(prior(noisy, sigma / 255).clamp(0, 1), clean) for name, prior in priors.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", default="ffdnet-gray", help="a gray prior (default ffdnet-gray)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file, too")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: _table(options.base, options.out))


def _table(base: str, out: Path | None) -> None:
    priors = {base: registry.load(base), "nn3d": registry.load("nn3d", base=base)}
    rows = []
    for name, clean in images().items():
        for sigma in LEVELS:
            found = measure(priors, clean, sigma, name)
            gain = found["nn3d"] - found[base]
            rows.append([name, f"{sigma:g}", *(f"{v:.2f}" for v in found.values()), f"{gain:+.2f}"])
    title = f"Images of {SIDE}×{SIDE} pixels: PSNR in dB"
    columns = ("image", "σ", *priors, "gain")
    note = "White Gaussian noise, not clipped; output clipped to [0, 1]"
    show(title, columns, rows, note)
    if out is not None:
        command = f"python benchmarks/repeated_structure.py --base {base} --out {out}"
        said = f"{title}. {note}"
        write_atomically(out, page("Structure that repeats", command, columns, rows, said))


if __name__ == "__main__":
    sys.exit(main())
