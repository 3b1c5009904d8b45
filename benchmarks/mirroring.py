"""What a solver gains where each iteration shows its prior the image mirrored another way.

    python benchmarks/mirroring.py --data DIR

Crops of training images, degraded as ``pnp-priors tune`` does; HQS with the schedule that pipelines
take, with the prior as it is, mirrored (:mod:`pnp_priors.solvers.mirroring`), and turned by all
eight flips and rotations one after the other, which is what mirroring leaves out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import torch
from deepinv.models import Denoiser
from deepinv.optim import HQS, L2, PnP
from measuring import page, show
from torch import Tensor

from pnp_priors import registry
from pnp_priors.benchmark.report import write_atomically
from pnp_priors.errors import exit_code
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
from pnp_priors.solvers.mirroring import mirrored
from pnp_priors.solvers.presets import preset
from pnp_priors.symmetries import INVERSES, NAMES, turn
from pnp_priors.training.command import data_folder
from pnp_priors.tuning.problems import Problem, crops
from pnp_priors.tuning.tasks import TASKS

PRIORS = ("ffdnet-gray", "genericdp")
LEVELS = (
    ("deconvolution", 2.55),
    ("deconvolution", 7.65),
    ("jpeg-deblocking", 10),
    ("jpeg-deblocking", 30),
    ("super-resolution", 2),
    ("super-resolution", 4),
)
COUNT, SIDE, SEED = 12, 128, 7


class Turned(Denoiser):
    """``prior`` for the image turned by one of eight symmetries, turned back."""

    def __init__(self, prior: Denoiser, index: int) -> None:
        super().__init__()
        self.prior, self.index = prior, index

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return turn(self.prior(turn(x, self.index), sigma), INVERSES[self.index])


def _turned(prior: Denoiser, iterations: int) -> list[Denoiser]:
    return [Turned(prior, k % len(NAMES)) for k in range(iterations)]


#: by column, a denoiser for each iteration
WAYS: dict[str, Callable[[Denoiser, int], list[Denoiser]]] = {
    "as it is": lambda prior, iterations: [prior] * iterations,
    "mirrored": mirrored,
    "turned": _turned,
}


@torch.no_grad()
def solve(problem: Problem, task: str, name: str, priors: list[Denoiser]) -> float:
    """PSNR in dB of HQS with a denoiser for each iteration; as many as its preset has."""
    tuned = preset(task, name, noise=problem.noise)
    model = HQS(
        prior=[PnP(denoiser=prior) for prior in priors],
        data_fidelity=L2() if tuned.width is None else QuantisationInterval(tuned.width),
        stepsize=list(tuned.schedule.stepsize),
        g_param=list(tuned.schedule.sigma),
        max_iter=len(tuned.schedule),
    )
    init = None
    if task == "jpeg-deblocking":
        init = problem.physics.A_dagger(problem.y)
    elif task == "super-resolution":
        init = resize(problem.y, *problem.clean.shape[-2:]).clamp(0, 1)
    return problem.psnr(model(problem.y, problem.physics, init=init))


def measure(name: str, task: str, problems: list[Problem]) -> dict[str, float]:
    """Mean PSNR in dB by way."""
    prior = registry.load(name)
    count = len(preset(task, name, noise=problems[0].noise).schedule)
    return {
        way: fmean(solve(problem, task, name, make(prior, count)) for problem in problems)
        for way, make in WAYS.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds train/ (PNP_PRIORS_DATA)")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file, too")
    parser.add_argument("--count", type=int, default=COUNT, help=f"crops (default {COUNT})")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: _table(options.data, options.count, options.out))


def _table(data: Path | None, count: int, out: Path | None) -> None:
    parts = crops(data_folder(data) / "train/bsd432_color", count, SIDE, 1, SEED)
    rows = []
    for task, level in LEVELS:
        problems = TASKS[task].degrade(parts, level, SEED)
        for name in PRIORS:
            found = measure(name, task, problems)
            first, second, third = found.values()
            gains = f"{second - first:+.3f}", f"{third - first:+.3f}"
            rows.append([task, f"{level:g}", name, f"{first:.2f}", *gains])
    title = "Mirrored iterations"
    columns = ("task", "level", "prior", "as it is", "mirrored", "turned")
    note = (
        f"HQS, {count} crops of {SIDE}×{SIDE} pixels of training images; PSNR in dB, output "
        "clipped to [0, 1]. Level: σ on 0..255, JPEG quality, or scale. As it is: the prior always "
        "sees the iterate itself; mirrored: another way in each iteration, as pipelines do; "
        "turned: all eight flips and rotations one after the other"
    )
    show(title, columns, rows, note)
    if out is not None:
        command = f"python benchmarks/mirroring.py --data DIR --out {out}"
        write_atomically(out, page(title, command, columns, rows, note))


if __name__ == "__main__":
    sys.exit(main())
