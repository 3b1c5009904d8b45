"""One small network trained with each loss, and what it then scores: the lecture's Tables I and II.

Zhao, Gallo, Frosio, Kautz: Loss functions for image restoration with neural networks, IEEE
Transactions on Computational Imaging 3(1), 2017. Every network starts from the same weights and
sees the same patches in the same order (benchmarks/recipes/training-losses.yaml); only the loss
differs.

    python benchmarks/training_losses.py --data ../shared/data

Measured on the images that the recipe holds out from training. What is trained lies in ``--runs``,
and a call that was stopped is continued by the same call.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from pnp_priors.benchmark.metrics import psnr, ssim
from pnp_priors.errors import InputError, exit_code
from pnp_priors.schema import parse_as, read_yaml
from pnp_priors.training.command import data_folder
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Recipe

BASE = Path(__file__).parent / "recipes" / "training-losses.yaml"
INPUT = "the input"
#: torchmetrics' MS-SSIM halves images four times and then needs more than 10 pixels
SMALLEST = 176

#: what a task changes in the recipe's ``architecture`` and ``data``
TASKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "denoising": ({}, {}),
    "super-resolution": (
        {"tasks": ["super-resolution"], "scales": [3]},
        {"degradation": "super-resolution", "scale": [3], "sigma": None},
    ),
    "jpeg": (
        {"tasks": ["jpeg"], "quality_range": [20, 20]},
        {"degradation": "jpeg", "quality": [20, 20], "sigma": None},
    ),
}
#: what a way of training changes in the recipe
WAYS: dict[str, dict[str, Any]] = {
    **{name: {"loss": name} for name in ("l2", "l1", "ssim", "ms-ssim", "mix")},
    "l1-then-l2": {"loss": "l1", "phases": [{"until": 0.7}, {"until": 1.0, "loss": "l2"}]},
}


def ms_ssim(restored: Tensor, clean: Tensor) -> float:
    """MS-SSIM of ``[1, C, H, W]`` images with the settings of its authors.

    :raises InputError: too small images.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    if min(clean.shape[-2:]) < SMALLEST:
        size = "x".join(map(str, clean.shape[-2:]))
        raise InputError(f"MS-SSIM needs {SMALLEST}x{SMALLEST} pixels or more, got {size}")
    return float(multiscale_structural_similarity_index_measure(restored, clean, data_range=1.0))


@dataclass(frozen=True)
class Metric:
    """One column: how it is computed, whether more of it is better, and its decimals."""

    of: Callable[[Tensor, Tensor], float]
    higher: bool
    digits: int


METRICS = {
    "1000·ℓ2": Metric(lambda x, y: 1000 * float((x - y).square().mean()), False, 3),
    "PSNR": Metric(psnr, True, 2),
    "1000·ℓ1": Metric(lambda x, y: 1000 * float((x - y).abs().mean()), False, 2),
    "SSIM": Metric(ssim, True, 4),
    "MS-SSIM": Metric(ms_ssim, True, 4),
}
#: means over the images by metric
Scores = Mapping[str, float]

#: the lecture's values in the order of METRICS: Table I; L1 first and L2 after, Table II
_LECTURE: dict[str, dict[str, tuple[float, ...]]] = {
    "denoising": {
        "l2": (0.56, 33.18, 15.90, 0.9346, 0.9636),
        "l1": (0.43, 34.42, 13.47, 0.9535, 0.9745),
        "ssim": (0.58, 33.15, 15.90, 0.9500, 0.9721),
        "ms-ssim": (0.55, 33.29, 15.99, 0.9536, 0.9741),
        "mix": (0.41, 34.61, 13.19, 0.9564, 0.9757),
        "l1-then-l2": (0.3896, 34.77, 12.8919, 0.9540, 0.9748),
    },
    "super-resolution": {
        "l2": (1.2407, 30.66, 20.4730, 0.9274, 0.9816),
        "l1": (1.1062, 31.26, 19.0643, 0.9322, 0.9826),
        "ms-ssim": (1.3223, 30.11, 22.3968, 0.9290, 0.9817),
        "mix": (1.0990, 31.34, 18.8983, 0.9334, 0.9829),
    },
    "jpeg": {
        "l2": (0.6511, 32.73, 16.2633, 0.9427, 0.9692),
        "l1": (0.6027, 32.96, 16.0687, 0.9467, 0.9714),
        "ms-ssim": (1.9262, 27.66, 33.6134, 0.9364, 0.9674),
        "mix": (0.5580, 33.25, 15.5489, 0.9501, 0.9734),
    },
}
LECTURE: dict[str, dict[str, Scores]] = {
    task: {way: dict(zip(METRICS, values, strict=True)) for way, values in rows.items()}
    for task, rows in _LECTURE.items()
}


@dataclass(frozen=True)
class Table:
    """What was measured on a task."""

    task: str
    level: str
    parameters: int
    images: int
    recipe: Recipe
    rows: Mapping[str, Scores]

    @property
    def trained(self) -> dict[str, Scores]:
        return {way: scores for way, scores in self.rows.items() if way != INPUT}


def recipe_for(task: str, way: str, steps: int | None) -> Recipe:
    """The base recipe for a task, trained in one of the ways."""
    content = read_yaml(BASE)
    architecture, data = TASKS[task]
    content["architecture"] |= architecture
    content["data"] |= data
    content |= WAYS[way] | {"name": f"{task}-{way}"}
    if steps is not None:
        content["steps"] = steps
    return parse_as(Recipe, content, str(BASE))


def scores(pairs: Sequence[tuple[Tensor, Tensor]]) -> Scores:
    """Means over pairs of restored and clean images ``[1, C, H, W]`` in [0, 1]."""
    return {
        name: fmean(metric.of(restored, clean) for restored, clean in pairs)
        for name, metric in METRICS.items()
    }


@torch.no_grad()
def measure(trainer: Trainer, restore: bool = True) -> Scores:
    """The held-out images restored and clipped to [0, 1]; or as they are degraded, not clipped."""
    network, degradation = trainer.averaged.for_release(), trainer.degradation
    (level,) = degradation.levels
    pairs = []
    for index, image in enumerate(trainer.validation):
        noisy, sigma = degradation.at(image[None], level, seed=index)
        clean = image[None, :, : noisy.shape[-2], : noisy.shape[-1]]
        pairs.append((network(noisy, sigma).clamp(0, 1) if restore else noisy, clean))
    return scores(pairs)


def train(task: str, data: Path, runs: Path, steps: int | None) -> Table:
    """Train with every loss what is not yet trained, and measure."""
    rows: dict[str, Scores] = {}
    for way in WAYS:
        recipe = recipe_for(task, way, steps)
        trainer = Trainer(recipe, data, runs / recipe.name, accelerator="cpu", devices=1)
        trainer.train()
        if not rows:
            rows[INPUT] = measure(trainer, restore=False)
        rows[way] = measure(trainer)
        figures = ", ".join(f"{name} {value:.4f}" for name, value in rows[way].items())
        print(f"{recipe.name}: {figures}", flush=True, file=sys.stderr)
    (level,) = trainer.degradation.levels
    return Table(
        task,
        f"{trainer.degradation.unit} {trainer.degradation.label(level)}",
        sum(p.numel() for p in trainer.network.parameters()),
        len(trainer.validation),
        recipe,
        rows,
    )


def order(rows: Mapping[str, Scores], metric: str) -> str:
    """The ways of training, the best first; equal ones with an equals sign."""
    sign = -1 if METRICS[metric].higher else 1
    ways = sorted(rows, key=lambda way: sign * rows[way][metric])
    text = ways[0]
    for better, way in pairwise(ways):
        text += (" = " if rows[better][metric] == rows[way][metric] else " > ") + way
    return text


def agreement(
    ours: Mapping[str, Scores], theirs: Mapping[str, Scores], metric: str
) -> tuple[int, int]:
    """Of the pairs that ``theirs`` orders, how many ``ours`` orders alike, and how many there are.

    Pairs of ways that are in both, and not equal in ``theirs``.
    """
    alike = total = 0
    for one, other in combinations([way for way in theirs if way in ours], 2):
        expected = theirs[one][metric] - theirs[other][metric]
        total += expected != 0
        alike += expected * (ours[one][metric] - ours[other][metric]) > 0
    return alike, total


def section(table: Table) -> list[str]:
    """A task's table and its order beside the lecture's, in Markdown."""
    best = {
        name: (max if metric.higher else min)(row[name] for row in table.trained.values())
        for name, metric in METRICS.items()
    }
    lines = [
        f"## {table.task}, {table.level}",
        "",
        f"| trained with | {' | '.join(METRICS)} |",
        "| --- " * (1 + len(METRICS)) + "|",
    ]
    for way, row in table.rows.items():
        cells = []
        for name, metric in METRICS.items():
            text = f"{row[name]:.{metric.digits}f}"
            # What looks equal to the best is the best, too.
            is_best = way != INPUT and text == f"{best[name]:.{metric.digits}f}"
            cells.append(f"**{text}**" if is_best else text)
        lines.append(f"| {way} | {' | '.join(cells)} |")
    theirs = LECTURE[table.task]
    ours = {way: row for way, row in table.trained.items() if way in theirs}
    lines += [
        "",
        "| order, the best first | in the lecture | here | pairs in the same order |",
        "| --- | --- | --- | --- |",
    ]
    alike = total = 0
    for name in METRICS:
        same, of = agreement(ours, theirs, name)
        alike, total = alike + same, total + of
        lines.append(f"| {name} | {order(theirs, name)} | {order(ours, name)} | {same} of {of} |")
    lines += ["", f"In all, {alike} of {total} pairs are in the lecture's order."]
    return lines


def page(tables: Sequence[Table], command: str) -> str:
    """All of them, and how they came about."""
    recipe = tables[0].recipe
    shape, data = recipe.architecture, recipe.data
    return (
        "\n".join(
            [
                "# One small network, trained with each loss",
                "",
                f"Written by `{command}`. DnCNN, {shape['depth']} layers of {shape['width']} "
                f"channels, {tables[0].parameters:,} parameters, colour; {recipe.steps:,} steps of "
                f"{data.batch} patches of {data.patch}×{data.patch} pixels from "
                f"{', '.join(map(str, data.sources))}; for every loss the same start and the same "
                f"patches in the same order. Means over the {tables[0].images} held-out images, "
                "output clipped to [0, 1]; best values in bold (of ℓ1 and ℓ2 the lowest).",
                "",
                "l1-then-l2: L1 for 70 % of the steps, L2 for the rest. The SSIM loss has the "
                "metric's Gaussian, sigma 1.5; MS-SSIM as a loss is that of Zhao et al. at full "
                "resolution, as a metric it is torchmetrics' on an image pyramid.",
                "",
                "Lecture: Zhao et al., Table I, and Table II for L1 first and L2 after. Its "
                "network and images are others, its denoising is joint with demosaicking, and its "
                "SSIM loss has a Gaussian of sigma 5. Orders are compared, not values.",
                *(line for table in tables for line in ("", *section(table))),
            ]
        )
        + "\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder, else PNP_PRIORS_DATA")
    parser.add_argument(
        "--task",
        choices=list(TASKS),
        action="append",
        help="may be repeated (default super-resolution)",
    )
    parser.add_argument("--steps", type=int, help="per loss, instead of the recipe's")
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs", "training-losses"),
        help="folder of what is trained (default runs/training-losses)",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default docs)")
    options = parser.parse_args(arguments)
    if options.steps is not None and options.steps < 1:
        parser.error(f"--steps must be at least 1, got {options.steps}")
    torch.set_num_threads(options.threads)
    return exit_code(lambda: print(_measure(options)))


def _measure(options: argparse.Namespace) -> str:
    data = data_folder(options.data)
    tasks = list(dict.fromkeys(options.task or ["super-resolution"]))
    tables = [train(task, data, options.runs, options.steps) for task in tasks]
    command = "python benchmarks/training_losses.py --data DIR"
    command += "".join(f" --task {task}" for task in tasks if options.task)
    command += f" --steps {options.steps}" if options.steps else ""
    text = page(tables, command)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "losses.md").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    sys.exit(main())
