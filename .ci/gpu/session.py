"""Train recipes for some minutes on a lent machine with a GPU, and bring back what they became.

    python3 .ci/gpu/session.py --minutes 9 --plan ffdnet-color:4,dncnn-b:4 --out $OUT

Run from the checkout, with the folder that pack.py filled carried along. Each recipe has its share
of the minutes; it continues from a carried run folder where there is one, under the budget that
budgets.yaml gives it over all calls, so that its cosine spans them. What comes back in ``--out``:
``NAME.tar.gz`` for each recipe (checkpoint, recipe as run, log, weights, card) and
``session.json`` (pixels per second, scores, and the inference speed of every released prior).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pnp_priors.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
#: what pack.py fills and the tool carries: ``data``, ``wheels``, ``checkpoints``
CARRIED = ROOT / "runs" / "gpu"
#: the folder in it that holds fonts, for recipes with rendered pages
FONTS = "fonts"
BUDGETS = Path(__file__).with_name("budgets.yaml")
#: recipes that are trained but not released
EXPERIMENTS = ROOT / "benchmarks" / "recipes"
#: the machine's Python, which the carried wheels are for
PYTHON = (3, 12)
#: what the tool brings back: files, and bytes of each
FILES, BYTES = 8, 16 * 2**20
#: Recipes are made for a CPU, with batches of 4 to 16. On a GPU larger ones cost little more.
#: Between 4 and 16 patches FFDNet wanted Muon's rate to grow as the square root (2e-3, 4e-3; twice
#: that was too much for both): this share of the square root.
BATCH, LR_SHARE = 64, 0.75
#: share of the minutes that is kept for the last validation, for packing and for transfers
RESERVE = 0.05


@dataclass(frozen=True)
class Job:
    """One recipe of the plan, ready to run."""

    recipe: Recipe
    minutes: float
    budget: float
    start_from: str | None
    continued: bool

    @property
    def name(self) -> str:
        return self.recipe.name


def prepare(carried: Path) -> None:
    """Put the checkout, and on the lent machine what the wheels hold, first on the path."""
    paths = [str(ROOT), str(ROOT / "benchmarks")]
    wheels = sorted((carried / "wheels").glob("*.whl"))
    if wheels and sys.version_info[:2] == PYTHON:
        site = tempfile.mkdtemp(prefix="wheels-")
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
        paths.insert(0, site)
    sys.path[:0] = [path for path in paths if path not in sys.path]


def parse_plan(text: str) -> dict[str, float]:
    """``ffdnet-color:4,dncnn-b:5`` as minutes by recipe.

    :raises ConfigError: an item that is not ``NAME:MINUTES``, or a name given twice.
    """
    from pnp_priors.errors import ConfigError

    plan: dict[str, float] = {}
    for item in text.split(","):
        name, _, minutes = item.strip().rpartition(":")
        try:
            share = float(minutes)
        except ValueError:
            share = 0.0
        if not name or not 0 < share < float("inf"):
            raise ConfigError(f"--plan: expected NAME:MINUTES, above 0, got {item.strip()!r}")
        if name in plan:
            raise ConfigError(f"--plan: {name} is there twice")
        plan[name] = share
    return plan


def find_recipe(name: str) -> Path:
    """The YAML file of a recipe: an experiment's, or a shipped one.

    :raises UnknownNameError: lists the shipped ones.
    """
    from pnp_priors.training.command import recipe_path

    experiment = EXPERIMENTS / f"{name}.yaml"
    return experiment if experiment.is_file() else recipe_path(name)


def read_budgets(path: Path) -> dict[str, dict[str, Any]]:
    """``{minutes, start_from}`` by recipe.

    :raises MissingFileError, ConfigError: naming the file and the recipe.
    """
    from pydantic import BaseModel, ConfigDict, Field

    from pnp_priors.errors import ConfigError
    from pnp_priors.schema import parse_as, read_yaml

    class Budget(BaseModel):
        model_config = ConfigDict(extra="forbid")
        minutes: float = Field(gt=0)
        start_from: str | None = None

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected recipes and budgets, got {type(content).__name__}")
    return {
        name: parse_as(Budget, given, f"{path}: {name}").model_dump()
        for name, given in content.items()
    }


def scaled(recipe: Recipe, batch: int, lr_factor: float) -> Recipe:
    """The recipe with another batch and learning rates; its description says so.

    The card of what it trains holds this text, as it holds that of every recipe.
    """
    if batch == recipe.data.batch and lr_factor == 1:
        return recipe
    changed = recipe.model_copy(deep=True)
    changed.data.batch = batch
    changed.optimizer.lr = {group: lr_factor * lr for group, lr in recipe.optimizer.lr.items()}
    changed.description = (
        f"{recipe.description.strip()} For a GPU: batches of {batch} instead of "
        f"{recipe.data.batch}, learning rates times {lr_factor:g}."
    )
    return changed


def jobs(
    plan: dict[str, float],
    budgets: dict[str, dict[str, Any]],
    carried: Path,
    batch: int | None,
    lr_factor: float | None,
) -> list[Job]:
    """The plan with everything looked up, so that what is missing is known before the clock runs.

    A continued run keeps the recipe that it began with.

    :raises PnpPriorsError: a recipe, a budget or a start that is not there, or a batch or
        learning rate that a continued run did not begin with.
    """
    from pnp_priors.errors import ConfigError
    from pnp_priors.training.recipe import Recipe

    if len(plan) >= FILES:
        raise ConfigError(f"--plan: {FILES - 1} recipes at most, each comes back as a file")
    found: list[Job] = []
    for name, minutes in plan.items():
        if name not in budgets:
            raise ConfigError(f"--plan: no budget for {name}; there are: {', '.join(budgets)}")
        budget, start = budgets[name]["minutes"], budgets[name]["start_from"]
        shipped = Recipe.read(find_recipe(name))
        size = batch or BATCH
        factor = lr_factor or LR_SHARE * (size / shipped.data.batch) ** 0.5
        recipe = scaled(shipped, size, factor)
        folder = carried / "checkpoints" / name
        continued = (folder / "checkpoint.pt").is_file()
        if continued:
            began = Recipe.read(folder / "recipe.yaml")
            _check_settings(began, recipe, batch, lr_factor)
            found.append(Job(began, minutes, budget, None, True))
            continue
        start = start or recipe.warm_start
        if start is not None:
            _check_start(name, start, [job.name for job in found], carried)
        found.append(Job(recipe, minutes, budget, start, False))
    return found


def _check_settings(
    began: Recipe, asked: Recipe, batch: int | None, lr_factor: float | None
) -> None:
    from pnp_priors.errors import ConfigError

    for option, given, there, wanted in (
        ("--batch", batch, began.data.batch, asked.data.batch),
        ("--lr-factor", lr_factor, began.optimizer.lr, asked.optimizer.lr),
    ):
        if given is not None and there != wanted:
            raise ConfigError(f"{option}: {began.name} began with {there}, not with {wanted}")


def _check_start(name: str, start: str, earlier: Sequence[str], carried: Path) -> None:
    from pnp_priors import registry
    from pnp_priors.errors import MissingFileError

    card = carried / "checkpoints" / start / "cards" / f"{start}.yaml"
    if start not in earlier and not card.is_file() and start not in registry.available():
        raise MissingFileError(
            f"{name} starts from {start}, which is not released, not carried "
            f"and not earlier in the plan"
        )


def state_of(folder: Path) -> dict[str, Any]:
    """Steps, pixels and seconds of a run folder so far."""
    import torch

    file = folder / "checkpoint.pt"
    if not file.is_file():
        return {"step": 0, "pixels": 0, "seconds": 0.0, "validation": {}}
    return torch.load(file, map_location="cpu", weights_only=True)["progress"]


def train(job: Job, data: Path, work: Path, minutes: float) -> dict[str, Any]:
    """Train one recipe in ``work/NAME`` for some minutes; what ``session.json`` says of it."""
    import yaml

    from pnp_priors.training import command

    folder = work / job.name
    text = yaml.safe_dump(job.recipe.model_dump(mode="json"), sort_keys=False)
    file = work / f"{job.name}.yaml"
    file.write_text(text, encoding="utf-8")
    # What was trained in this session, or carried, is newer than what is released.
    own = work / str(job.start_from) / "cards" / f"{job.start_from}.yaml"
    start = str(own) if own.is_file() else job.start_from
    before = state_of(folder)
    card = command.train(
        str(file), data, folder, job.budget, session_minutes=minutes, start_from=start
    )
    after = state_of(folder)
    seconds = after["seconds"] - before["seconds"]
    pixels = after["pixels"] - before["pixels"]
    return {
        "continued": job.continued,
        "started_from": card.training.started_from,
        "minutes": round(seconds / 60, 3),
        "minutes_in_all": round(after["seconds"] / 60, 3),
        "budget_minutes": job.budget,
        "finished": card.training.finished,
        "steps": after["step"] - before["step"],
        "pixels_per_second": round(pixels / seconds) if seconds else None,
        "validation_psnr": after["validation"],
    }


def bundle(folder: Path, out: Path, limit: int = BYTES) -> list[Path]:
    """A run folder as ``NAME.tar.gz``; its checkpoint by itself where one file would be too large.

    :raises RuntimeError: even so a file is larger than ``limit`` bytes.
    """
    names = ("recipe.yaml", "log.csv", "cards", "weights", "checkpoint.pt")
    parts = [folder / name for name in names if (folder / name).exists()]
    files = [_tar(parts, out / f"{folder.name}.tar.gz")]
    if files[0].stat().st_size > limit:
        files = [
            _tar(parts[:-1], out / f"{folder.name}.tar.gz"),
            _tar(parts[-1:], out / f"{folder.name}.checkpoint.tar.gz"),
        ]
    for file in files:
        if file.stat().st_size > limit:
            raise RuntimeError(f"{file.name} has {file.stat().st_size:,} bytes, over {limit:,}")
    return files


def _tar(parts: Sequence[Path], target: Path) -> Path:
    with tarfile.open(target, "w:gz", compresslevel=6) as archive:
        for part in parts:
            archive.add(part, arcname=f"{part.parent.name}/{part.name}")
    return target


def inference(
    names: Sequence[str], deadline: float, size: int = 512, repeats: int = 5
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Milliseconds per megapixel of each prior on one image of ``size`` × ``size``, in float32.

    A prior that fails says why, one for which no time is left says that: the others still count.
    """
    from statistics import median

    import torch
    from measuring import interleaved

    from pnp_priors import registry

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in names:
        if time.monotonic() > deadline:
            yield name, {"skipped": "no time left"}
            continue
        try:
            prior = registry.load(name, device=device)
            shape = (1, prior.channels, size, size)
            image = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
            sigma = min(max(25 / 255, prior.sigma_range[0]), prior.sigma_range[1])
            with torch.no_grad():
                action = {name: lambda p=prior, x=image, s=sigma: p(x, s)}
                milliseconds = [
                    1e3 * s / (size**2 / 1e6) for s in interleaved(action, repeats, device)[name]
                ]
            yield (
                name,
                {
                    "best": round(min(milliseconds), 3),
                    "median": round(median(milliseconds), 3),
                },
            )
        except RuntimeError as error:
            yield name, {"error": _line(error)}


def run(options: argparse.Namespace) -> int:
    """The whole session.

    :returns: 0, or 1 where a recipe failed; what the others became is in ``--out`` all the same.
    """
    from measuring import machine

    from pnp_priors import registry
    from pnp_priors.errors import ConfigError

    began = time.monotonic()
    end = began + 60 * options.minutes * (1 - RESERVE)
    plan = parse_plan(options.plan)
    if sum(plan.values()) > options.minutes:
        raise ConfigError(f"--plan takes {sum(plan.values()):g} of {options.minutes:g} minutes")
    carried: Path = options.carried
    budgets = read_budgets(options.budgets)
    todo = jobs(plan, budgets, carried, options.batch, options.lr_factor)
    options.out.mkdir(parents=True, exist_ok=True)

    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True  # patches all have one size
    report: dict[str, Any] = {"machine": machine(device), "recipes": {}}
    failed = False
    with tempfile.TemporaryDirectory(prefix="session-") as folder:
        work = Path(folder) / "runs"
        if (carried / "checkpoints").is_dir():
            shutil.copytree(carried / "checkpoints", work)
        work.mkdir(exist_ok=True)
        for job in todo:
            minutes = min(job.minutes, (end - time.monotonic()) / 60)
            try:
                if minutes <= 0:
                    raise RuntimeError("no time left for it")
                result = train(job, options.data or carried / "data", work, minutes)
            except Exception as error:
                # Whatever it is, the other recipes of this session must not be lost over it.
                traceback.print_exc()
                result, failed = {"error": f"{type(error).__name__}: {_line(error)}"}, True
            if (work / job.name / "checkpoint.pt").is_file():
                try:
                    bundle(work / job.name, options.out)
                except RuntimeError as error:
                    result, failed = result | {"error": _line(error)}, True
            report["recipes"][job.name] = result
            print(f"{job.name}: {json.dumps(result)}", flush=True)
            _write(report, options.out)
    report["inference_ms_per_megapixel"] = dict(inference(registry.available(), end))
    _write(report, options.out)
    count = len(list(options.out.iterdir()))
    if count > FILES:
        print(f"error: {count} files in {options.out}, only {FILES} come back", file=sys.stderr)
        failed = True
    return int(failed)


def _write(report: dict[str, Any], out: Path) -> None:
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (out / "session.json").write_text(text, encoding="utf-8")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, required=True, help="of the whole call")
    parser.add_argument("--plan", required=True, help="NAME:MINUTES,NAME:MINUTES,…")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--carried", type=Path, default=CARRIED, help="folder of pack.py")
    parser.add_argument("--data", type=Path, help="data folder, by default the carried one")
    parser.add_argument("--budgets", type=Path, default=BUDGETS, help="budgets.yaml by default")
    parser.add_argument("--batch", type=int, help=f"of new runs (default {BATCH})")
    parser.add_argument("--lr-factor", type=float, help="of new runs (see LR_SHARE)")
    options = parser.parse_args(arguments)
    for option, value in (("--minutes", options.minutes), ("--batch", options.batch)):
        if value is not None and value <= 0:
            parser.error(f"{option} must be above 0, got {value:g}")
    if options.lr_factor is not None and options.lr_factor <= 0:
        parser.error(f"--lr-factor must be above 0, got {options.lr_factor:g}")
    prepare(options.carried)
    if (options.carried / FONTS).is_dir():
        os.environ.setdefault("PNP_PRIORS_FONTS", str(options.carried / FONTS))

    from pnp_priors.errors import PnpPriorsError

    try:
        return run(options)
    except (PnpPriorsError, OSError) as error:
        print(f"error: {_line(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
