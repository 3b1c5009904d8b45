"""CBDNet on the noise of cameras, against FFDNet told the best single noise level.

    python benchmarks/camera_noise.py --data ../shared/data --set CBSD68

Guo et al., CVPR 2019. Each image of the set is photographed by a simulated camera
(pnp_priors/training/camera.py): Poisson-Gaussian noise of the light, a mosaic, a response, JPEG.
FFDNet is run with every sigma of a grid, and given the one that is best for all images of a row,
and the one that is best for each image; both are chosen by looking at the clean images. CBDNet is
told nothing. Rows: a quarter, half and all of the strongest noise of the paper, then noise that is
drawn for each image, as in training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from measuring import page, show
from torch import Tensor

from pnp_priors import registry
from pnp_priors.benchmark.camera import GAMMA, QUALITY, READ, SHOT, ranges, shoot
from pnp_priors.benchmark.data import centre, evaluation_files, load_image
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.report import write_atomically
from pnp_priors.errors import InputError, exit_code
from pnp_priors.priors.base import Prior
from pnp_priors.training.camera import Ranges
from pnp_priors.training.command import data_folder

#: by the shot and read noise as the table names them
CAMERAS = {f"{s:g}+{s * READ / SHOT:g}": ranges(s) for s in (SHOT / 4, SHOT / 2, SHOT)}
CAMERAS["drawn"] = Ranges((0.0, SHOT), (0.0, READ), GAMMA, QUALITY)
#: noise levels on the 0..255 scale
GRID = tuple(range(5, 105, 5))


@dataclass(frozen=True)
class Row:
    """Mean PSNR in dB over a set; ``level`` is the best single sigma on the 0..255 scale.

    ``estimated`` is the estimate's mean as a multiple of the true noise level's.
    """

    photo: float
    told: float
    level: float
    told_each: float
    blind: float
    estimated: float

    @property
    def gain(self) -> float:
        return self.blind - self.told


@torch.no_grad()
def measure(
    prior: Prior,
    other: Prior,
    clean: Mapping[str, Tensor],
    cameras: Ranges,
    grid: Sequence[float] = GRID,
) -> Row:
    """One row of the table.

    :param prior: is told nothing.
    :param other: is told a single sigma.
    :param clean: images ``[1, 3, H, W]`` by name.
    """
    photos, blind, estimated = [], [], []
    told: dict[float, list[float]] = {level: [] for level in grid}
    for name, image in clean.items():
        photo, noise = shoot(image, cameras, name)
        photos.append(psnr(photo, image))
        blind.append(psnr(prior(photo).clamp(0, 1), image))
        estimated.append(float(prior.estimate(photo).mean() / noise.mean()))
        for level in grid:
            told[level].append(psnr(other(photo, level / 255).clamp(0, 1), image))
    best = max(grid, key=lambda level: fmean(told[level]))
    return Row(
        photo=fmean(photos),
        told=fmean(told[best]),
        level=best,
        told_each=fmean(max(values) for values in zip(*told.values(), strict=True)),
        blind=fmean(blind),
        estimated=fmean(estimated),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder, else PNP_PRIORS_DATA")
    parser.add_argument("--prior", default="cbdnet", help="name or card (default cbdnet)")
    parser.add_argument("--against", default="ffdnet-color", help="name or card")
    parser.add_argument("--set", default="CBSD68", help="evaluation set (default CBSD68)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file, too")
    parser.add_argument("--limit", type=int, help="first so many images only")
    parser.add_argument("--crop", type=int, help="side of the middle square, else whole images")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: _table(options))


def _table(options: argparse.Namespace) -> None:
    prior, other = registry.load(options.prior), registry.load(options.against)
    names = registry.describe(options.prior).name, registry.describe(options.against).name
    if not prior.estimates_sigma:
        raise InputError(f"--prior {names[0]}: does not estimate noise levels")
    if other.blind:
        raise InputError(f"--against {names[1]}: is blind, it cannot be told a noise level")
    clean = {}
    for file in evaluation_files(data_folder(options.data), options.set)[: options.limit]:
        image = load_image(file, 3)
        clean[file.stem] = centre(image, options.crop) if options.crop else image
    rows = []
    for name, cameras in CAMERAS.items():
        row = measure(prior, other, clean, cameras)
        end = " (end of the grid)" if row.level in (GRID[0], GRID[-1]) else ""
        rows.append(
            [
                name,
                f"{row.photo:.2f}",
                f"{row.told:.2f}",
                f"{row.level:g}{end}",
                f"{row.told_each:.2f}",
                f"{row.blind:.2f}",
                f"{row.gain:+.2f}",
                f"{row.blind - row.told_each:+.2f}",
                f"{row.estimated:.2f}",
            ]
        )
    where = f"{options.set}, {len(clean)} images"
    where += f", the middle {options.crop}×{options.crop} pixels" if options.crop else ""
    title = f"Photographs of {where}: PSNR in dB"
    columns = (
        *("shot+read noise", "photo", f"{names[1]}, one σ", "σ", "σ per image", names[0]),
        *("gain", "gain over σ per image", "estimate/truth"),
    )
    note = "Output clipped to [0, 1]; means of the images' PSNR over all channels"
    show(title, columns, rows, note)
    if options.out is not None:
        command = f"python benchmarks/camera_noise.py --data DIR --set {options.set}"
        for option, value in {"--limit": options.limit, "--crop": options.crop}.items():
            command += f" {option} {value}" if value else ""
        said = f"{title}. {note}"
        write_atomically(options.out, page("Noise of cameras", command, columns, rows, said))


if __name__ == "__main__":
    sys.exit(main())
