"""How much a deconvolution in tiles differs from that of the whole photo, by the tiles' halo.

    python benchmarks/tile_halo.py

restores a part of the bundled blurred photo whole and in two tiles, and prints a table for
docs/large-images.md. About a minute of one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from pnp_priors import images, pipelines
from pnp_priors.errors import exit_code
from pnp_priors.pipelines.build import Restorer
from pnp_priors.pipelines.files import folder

#: the part of the photo, and how far its borders are left out of what is measured at the seam:
#: what is beyond them is made up, a little differently for every size of photo
ROWS, COLUMNS, MARGIN = slice(60, 300), slice(60, 316), 48
#: width of what is measured beside the seam
STRIP = 16
HALOS = (8, 16, 32, 48, 64, 96)
#: what is measured without arguments: prior, solver, noise level on the 0..255 scale
USUAL = (
    ("trd-5x5-s15", "hqs", 2.55),
    ("trd-5x5-s15", "hqs", 7.65),
    ("trd-5x5-s15", "admm", 2.55),
    ("trd-5x5-s15", "drs", 2.55),
)
Row = tuple[int, float, float, float]


def restorer(prior: str, solver: str, noise: float) -> Restorer:
    """The shipped deconvolution with these settings."""
    settings = {"prior.name": prior, "solver.name": solver, "noise.sigma": noise / 255}
    return pipelines.load(folder() / "deconvolution.yaml", settings)


def photo() -> np.ndarray:
    """``[H, W]``, blurred by the bundled kernel."""
    pixels = images.read(folder() / "examples" / "deconvolution_blurred.png").pixels
    return pixels.mean(axis=0)[ROWS, COLUMNS]


def curve(restore: Restorer, blurred: np.ndarray, halos: Sequence[int]) -> Iterator[Row]:
    """For each halo: largest and RMS difference beside the seam, RMS over the whole tile."""
    whole = restore(blurred)
    seam = blurred.shape[1] // 2
    for halo in halos:
        tile = restore(blurred[:, : seam + halo])
        difference = tile[:, :seam] - whole[:, :seam]
        beside = difference[MARGIN:-MARGIN, -STRIP:]
        rms = (float(np.sqrt(np.square(part).mean())) for part in (beside, difference))
        yield (halo, float(np.abs(beside).max()), *rms)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prior", help="by default several combinations are measured")
    parser.add_argument("--solver", default="hqs", help="with --prior (default hqs)")
    parser.add_argument("--noise", type=float, default=2.55, help="of 255, with --prior")
    parser.add_argument("--halo", type=int, action="append", help="may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> None:
    """Print a Markdown table, differences on the 0..255 scale."""
    plan = USUAL
    if options.prior is not None:
        plan = ((options.prior, options.solver, options.noise),)
    blurred = photo()
    print("| prior | solver | σ | halo | largest | RMS beside the seam | RMS over the tile |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for prior, solver, noise in plan:
        for row in curve(restorer(prior, solver, noise), blurred, options.halo or HALOS):
            cells = " | ".join(f"{255 * value:.2f}" for value in row[1:])
            print(f"| {prior} | {solver} | {noise:g} | {row[0]} | {cells} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
