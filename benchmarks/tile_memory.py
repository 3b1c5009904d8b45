"""What tiles take in memory: counted by pnp_priors.tiles.footprint, and measured.

    python benchmarks/tile_memory.py

runs each prior in a process of its own and prints by how much a call raises the process's resident
memory at its peak, per pixel of a tile. On Linux, whose kernel can forget an earlier peak. About
half a minute of one core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from pnp_priors import registry
from pnp_priors.errors import InputError, exit_code
from pnp_priors.tiles import DEFAULT_TILE, footprint

USUAL = ("ffdnet-gray", "ffdnet-color", "dncnn-b", "genericdp", "genericdp-color", "foe-s-s25")
PROCESS = Path("/proc/self")


def resident(key: str) -> int:
    """``VmRSS``, resident now, or ``VmHWM``, at the peak; bytes."""
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def measured(name: str, side: int) -> int:
    """Bytes that a call on a tile takes beyond what the process had before."""
    if not (PROCESS / "clear_refs").exists():
        raise InputError(f"{PROCESS}/clear_refs: peaks are measured on Linux alone")
    prior = registry.load(name)
    level = prior.sigma_range[1]
    prior(torch.rand(1, prior.channels, 64, 64), level)
    x = torch.rand(1, prior.channels, side, side)
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")
    before = resident("VmRSS")
    prior(x, level)
    return resident("VmHWM") - before


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default one of each kind")
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE, help=f"default {DEFAULT_TILE}")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> None:
    """Print a Markdown table; with --alone, the bytes of the first prior."""
    if options.alone:
        print(measured(options.names[0], options.tile))
        return
    pixels = options.tile**2
    print("| prior | counted, bytes per pixel | fixed, MB | measured, bytes per pixel | MB |")
    print("| --- | --- | --- | --- | --- |")
    for name in options.names or USUAL:
        counted = footprint(registry.load(name))
        command = [sys.executable, __file__, name, "--alone", "--tile", str(options.tile)]
        command += ["--threads", str(options.threads)]
        taken = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"| {name} | {counted.per_pixel:.0f} | {counted.fixed / 1e6:.1f} | "
            f"{taken / pixels:.0f} | {taken / 1e6:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
