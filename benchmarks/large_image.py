"""Denoises an image of 100 megapixels in tiles, and prints peak memory and time.

    python benchmarks/large_image.py ffdnet-gray
    python benchmarks/large_image.py genericdp --megapixels 1

The image is made up, as a file in a temporary folder that is memory-mapped, and so is the result.
Peak resident memory is the process's own, mapped pages included; the exit code is 1 where it
exceeds --limit.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import machine
from rich.console import Console
from rich.progress import Progress

from pnp_priors import registry
from pnp_priors.errors import InputError, exit_code
from pnp_priors.tiles import DEFAULT_TILE, tile_side, tiled

#: rows that are made at a time
STRIP = 64


class OverLimitError(Exception):
    """More memory than --limit."""


def peak() -> float:
    """Largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def make(path: Path, channels: int, side: int, sigma: float) -> np.ndarray:
    """A noisy image ``[C, side, side]`` of waves and squares, as a mapped file."""
    image = np.lib.format.open_memmap(path, "w+", np.float32, (channels, side, side))
    generator = np.random.default_rng(0)
    columns = np.arange(side, dtype=np.float32)
    for top in range(0, side, STRIP):
        rows = np.arange(top, min(top + STRIP, side), dtype=np.float32)[:, None]
        waves = 0.5 + 0.2 * np.sin(rows / 37 + np.sin(columns / 101)) * np.cos(columns / 23)
        squares = 0.2 * ((rows // 96 + columns // 96) % 2)
        strip = image[:, top : top + STRIP]
        strip[:] = waves + squares - 0.1
        strip += sigma * generator.standard_normal(strip.shape, np.float32)
    image.flush()
    return image


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="a prior that can be tiled")
    parser.add_argument("--megapixels", type=float, default=100.0, help="default 100")
    parser.add_argument("--sigma", type=float, default=25.0, help="of 255 (default 25)")
    parser.add_argument("--tile", type=int, help=f"default {DEFAULT_TILE}")
    parser.add_argument("--memory", type=float, help="instead of --tile: GB for the computation")
    parser.add_argument("--batch", type=int, default=1, help="tiles in a call (default 1)")
    parser.add_argument("--device", default="cpu", help="default cpu")
    parser.add_argument("--limit", type=float, default=4.0, help="GB resident (default 4)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        return exit_code(lambda: measure(options))
    except OverLimitError as error:
        print(error, file=sys.stderr)
        return 1


def measure(options: argparse.Namespace) -> None:
    """Make, denoise, print."""
    side = round((1e6 * options.megapixels) ** 0.5)
    if side < 1:
        raise InputError(f"--megapixels: {options.megapixels:g} are no pixels")
    prior = registry.load(options.name, device=options.device)
    tile = options.tile or DEFAULT_TILE
    if options.memory is not None:
        tile = tile_side(prior, round(1e9 * options.memory), batch=options.batch)
    sigma = options.sigma / 255
    with tempfile.TemporaryDirectory() as folder:
        noisy = make(Path(folder) / "noisy.npy", prior.channels, side, sigma)
        restored = np.lib.format.open_memmap(
            Path(folder) / "restored.npy", "w+", np.float32, noisy.shape
        )
        before, began = peak(), time.perf_counter()
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task(options.name)
            tiled(
                prior,
                noisy,
                sigma,
                tile=tile,
                batch=options.batch,
                out=restored,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        restored.flush()
        seconds = time.perf_counter() - began
        strip = slice(side // 2, side // 2 + STRIP)
        change = float(np.sqrt(np.square(restored[:, strip] - noisy[:, strip]).mean()))
    print(machine(torch.device(options.device)))
    print(
        f"{options.name}: {side}x{side}x{prior.channels}, {side * side / 1e6:.1f} megapixels, "
        f"sigma {options.sigma:g}/255, tiles of {tile}, {options.batch} in a call"
    )
    print(f"time                  {seconds:.1f} s, {side * side / 1e6 / seconds:.3f} megapixels/s")
    print(f"peak resident memory  {peak() / 1e9:.2f} GB; {before / 1e9:.2f} GB before denoising")
    print(f"of these, files       {2 * noisy.nbytes / 1e9:.2f} GB at the most")
    print(f"RMS change            {255 * change:.1f}/255 in the middle rows")
    if peak() > 1e9 * options.limit:
        raise OverLimitError(f"more than the limit of {options.limit:g} GB")


if __name__ == "__main__":
    sys.exit(main())
