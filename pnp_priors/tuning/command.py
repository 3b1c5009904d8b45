"""``pnp-priors tune``: what it asks for, and the table it prints."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.errors import DivergenceWarning, InputError

if TYPE_CHECKING:
    from pnp_priors.tuning.tune import Trial, Tuner

#: as a shell reports a command that Ctrl-C ended
INTERRUPTED = 130


def tune(
    prior: Annotated[
        str,
        typer.Argument(
            help="A prior, see `pnp-priors list`, or its card.", autocompletion=completion.priors
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of clean images. Not those that results are reported on: parameters "
            "chosen on them make the results meaningless."
        ),
    ],
    task: Annotated[
        str, typer.Option(help="deconvolution, jpeg-deblocking or super-resolution.")
    ] = "deconvolution",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="YAML file; PRIOR-TASK-SOLVER.yaml if not given."),
    ] = None,
    solver: Annotated[str, typer.Option(help="hqs, admm or drs.")] = "hqs",
    level: Annotated[
        list[float] | None,
        typer.Option(
            help="Noise level on 0..255 (deconvolution), JPEG quality, or scale "
            "(super-resolution) to tune for; repeatable."
        ),
    ] = None,
    iterations: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=10_000, help="A count to try, repeatable; 4, 8 and 16 if not given."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="Budget of time, shared by levels and counts.")
    ] = 10,
    evaluations: Annotated[
        int,
        typer.Option(min=1, help="Budget of each level and count, in restorations of all crops."),
    ] = 25,
    crops: Annotated[int, typer.Option(min=1, help="How many images.")] = 6,
    side: Annotated[int, typer.Option(min=16, help="Of the part of each image, pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Of crops, kernels and noise.")] = 0,
    keep_partial: Annotated[
        bool, typer.Option("--keep-partial", help="After Ctrl-C, write the best found so far.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute.")] = "cpu",
) -> None:
    """Find a solver's schedule and weight for a prior, on clean images degraded here."""
    from pnp_priors import registry
    from pnp_priors.benchmark.command import check_device
    from pnp_priors.benchmark.tasks import known
    from pnp_priors.pipelines.inputs import Job, check_writable
    from pnp_priors.pipelines.watching import blind, quiet
    from pnp_priors.solvers.presets import TUNED_SOLVERS
    from pnp_priors.tuning import schema
    from pnp_priors.tuning.problems import crops as cut
    from pnp_priors.tuning.problems import for_measuring
    from pnp_priors.tuning.search import Budget
    from pnp_priors.tuning.tasks import TASKS
    from pnp_priors.tuning.tune import Tuner, to_preset, write

    schema.check_task(task)
    card = registry.describe(prior)
    if "gaussian" not in card.tasks:
        raise InputError(
            f"{card.name} is trained for {', '.join(card.tasks)}; a solver needs a prior trained "
            "for noise (gaussian)"
        )
    path = output or Path(f"{card.name}-{task}-{solver}.yaml")
    if path.suffix not in {".yaml", ".yml"} or path.is_dir():
        raise InputError(f"--output {path}: a preset is a .yaml file")
    # Before the search, not after it.
    check_writable([Job(data, path)])
    known("solver", solver, TUNED_SOLVERS)
    levels = level or TASKS[task].levels
    for value in levels:
        TASKS[task].check(value)
    check_device(device)
    parts = cut(data, crops, side, card.channels, seed)
    measuring = ", ".join(map(str, for_measuring(data, parts)))
    if measuring:
        _warn(
            f"images of {measuring} are for measuring: on those that parameters were tuned on, "
            "results mean nothing"
        )
    tell = _table()
    counts = iterations or [4, 8, 16]
    denoiser = registry.load(prior, device=device)
    if denoiser.blind:
        _warn(blind(card.name))
    tuner = Tuner(task, denoiser, solver, parts, levels, counts, seed, tell, device)
    try:
        with quiet(), warnings.catch_warnings():
            # A trial that diverges is one of many, and its PSNR says so.
            warnings.simplefilter("ignore", DivergenceWarning)
            tuner.run(Budget(60 * minutes, evaluations))
    except KeyboardInterrupt:
        if not keep_partial or not any(tuner.found.best.values()):
            print("interrupted, nothing written (--keep-partial writes the best found so far)")
            raise typer.Exit(INTERRUPTED) from None
    # Of the folder only its name, as it is where others have it; `.` has none of its own.
    folder = data.resolve().name or "/"
    words = ["pnp-priors", "tune", prior, "--task", task, "--solver", solver, "--data", folder]
    for value in levels:
        words += ["--level", f"{value:g}"]
    for count in counts:
        words += ["--iterations", str(count)]
    words += ["--evaluations", str(evaluations), "--crops", str(crops), "--side", str(side)]
    words += ["--seed", str(seed), "--minutes", f"{minutes:g}"]
    origin = {
        "data": folder,
        "images": [crop.name for crop in parts],
        "side": side,
        "seed": seed,
        "weights": registry.fingerprint(card),
        "command": shlex.join(words),
    }
    preset = to_preset(tuner, card.name, origin)
    write(path, preset)
    _summary(tuner, preset.iterations)
    print(f"wrote {path}" + ("" if tuner.found.finished else ", of what was found until Ctrl-C"))
    keys = [f"prior.name={prior}", f"solver.name={solver}", f"solver.preset={path}"]
    use = ["pnp-priors", "run", task, *(word for key in keys for word in ("--set", key))]
    print(f"use it: {shlex.join(use)}")
    if not tuner.found.finished:
        raise typer.Exit(INTERRUPTED)


def _table() -> Callable[[Trial], None]:
    """A line per evaluation, under a head where the parameters' names change."""
    heads: set[tuple[str, ...]] = set()

    def tell(trial: Trial) -> None:
        names = list(trial.values)
        if not heads:
            heads.add(tuple(names))
            print("".join(f"{word:>11}" for word in ["level", "iterations", *names, "PSNR"]))
        numbers = [f"{trial.level:g}", str(trial.iterations)]
        numbers += [f"{trial.values[name]:.4g}" for name in names] + [f"{trial.psnr:.3f}"]
        print("".join(f"{word:>11}" for word in numbers) + (" *" if trial.best else ""), flush=True)

    return tell


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _summary(tuner: Tuner, iterations: int) -> None:
    from pnp_priors.solvers.presets import ITERATIONS
    from pnp_priors.tuning.tune import WORTHWHILE

    found, usual = tuner.found, ITERATIONS[tuner.name]
    for level, trial in found.best[iterations].items():
        before = found.default[level]
        print(
            f"level {level:g}: {trial.psnr:.2f} dB with {iterations} iterations, "
            f"{trial.psnr - before:+.2f} dB against the default's {before:.2f}"
        )
        if trial.psnr < before - WORTHWHILE:
            # With as many iterations as the default, nothing is worse than that.
            more = (
                f"--iterations {usual}" if usual not in tuner.iterations else "more --evaluations"
            )
            _warn(
                f"level {level:g}: this preset is {before - trial.psnr:.2f} dB worse than the "
                f"default, which has {usual} iterations; tune with {more}"
            )
