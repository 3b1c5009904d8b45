"""Fill the folder that travels to a lent GPU machine, and unpack what comes back from it.

    python .ci/gpu/pack.py --plan ffdnet-color:4,dncnn-b:4 --data ../shared/data
    python .ci/gpu/pack.py --collect FOLDER

The first writes ``runs/gpu`` anew: the images that the plan's recipes are trained on, the wheels
that the machine lacks, and the run folders that it continues or starts from. The second unpacks a
session's files into ``runs/gpu-results``, where the first looks for what there is to continue.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from session import (
    BUDGETS,
    CARRIED,
    FONTS,
    PYTHON,
    ROOT,
    find_recipe,
    jobs,
    parse_plan,
    prepare,
    read_budgets,
)

if TYPE_CHECKING:
    from pnp_priors.training.recipe import Source

RESULTS = ROOT / "runs" / "gpu-results"
#: bytes of the checkout and of what is carried, below the tool's 64 MiB
LIMIT = 60 * 2**20
#: What training imports and the machine lacks, by the names of its modules. deepinv: one of its
#: files is all that a prior needs, and its other dependencies are not imported.
WHEELS = {
    "annotated_types": "annotated-types",
    "deepinv": "deepinv",
    "lightning_fabric": "lightning-fabric",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "typing_extensions": "typing-extensions",  # there, but perhaps too old for pydantic
    "typing_inspection": "typing-inspection",
}
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


@dataclass(frozen=True)
class Copy:
    """A file and where it goes, below the carried folder."""

    source: Path
    target: Path

    @property
    def bytes(self) -> int:
        return self.source.stat().st_size


def sources(plan: Iterable[str], results: Path) -> list[Source]:
    """What the plan's recipes are trained on."""
    from pnp_priors.training.recipe import Recipe

    found: list[Source] = []
    for name in plan:
        continued = results / name / "recipe.yaml"
        recipe = Recipe.read(continued if continued.is_file() else find_recipe(name))
        found += recipe.data.sources
    return found


def images(data: Path, given: Iterable[Source]) -> list[Copy]:
    """The image files of the folders among these sources, unchanged.

    :raises MissingFileError, InputError: a folder that is not there or holds no images.
    """
    from pnp_priors.training.data import image_files

    folders = dict.fromkeys(source.folder for source in given if source.folder is not None)
    files = [file for folder in folders for file in image_files(data / folder)]
    return [Copy(file, Path("data") / file.relative_to(data)) for file in files]


def font_files(given: Iterable[Source]) -> list[Copy]:
    """The fonts that pages are rendered with there, where any of these sources is rendered."""
    from pnp_priors.training import fonts

    if all(source.rendered is None for source in given):
        return []
    return [Copy(file, Path(FONTS) / file.name) for file in fonts.files()]


def run_folders(
    plan: Iterable[str], budgets: dict[str, dict[str, Any]], results: Path, starts: Sequence[Path]
) -> list[Copy]:
    """Checkpoints that are continued; cards and weights that others start from.

    :param starts: run folders, named as their recipes, to start from; the results of earlier
        sessions are looked through, too, and what is released travels in any case.
    :raises MissingFileError: a folder of ``starts`` without a card.
    """
    from pnp_priors.errors import MissingFileError
    from pnp_priors.training.recipe import Recipe

    given = {folder.resolve().name: folder for folder in starts}
    for name, folder in given.items():
        if not (folder / "cards" / f"{name}.yaml").is_file():
            raise MissingFileError(f"--start: no cards/{name}.yaml in {folder}")
    copies: dict[Path, Copy] = {}

    def take(folder: Path, names: Sequence[str]) -> None:
        for file in (folder / name for name in names):
            if file.is_file():
                target = Path("checkpoints") / folder.resolve().name / file.relative_to(folder)
                copies[target] = Copy(file, target)

    for name in plan:
        if (results / name / "checkpoint.pt").is_file():
            take(results / name, ("checkpoint.pt", "recipe.yaml", "log.csv"))
            continue
        recipe = Recipe.read(find_recipe(name))
        start = budgets.get(name, {}).get("start_from") or recipe.warm_start
        if start is not None:
            folder = given.get(start, results / start)
            take(folder, (f"cards/{start}.yaml", f"weights/{start}.safetensors"))
    return list(copies.values())


def download(folder: Path) -> list[Path]:
    """The wheels of :data:`WHEELS`, in the versions installed here, for the machine's Python."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: version(name) for name in WHEELS.values()}
    missing = [f"{name}=={v}" for name, v in wanted.items() if not _wheels(folder, name, v)]
    if missing:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--implementation=cp"]
        command += [f"--python-version={PYTHON[0]}.{PYTHON[1]}", f"--dest={folder}"]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        subprocess.run([*command, *missing], check=True)
    files = [file for name, v in wanted.items() for file in _wheels(folder, name, v)]
    for other in set(folder.glob("*.whl")) - set(files):
        other.unlink()  # of another version: two would be one too many
    return files


def _wheels(folder: Path, name: str, wanted: str) -> list[Path]:
    return list(folder.glob(f"{name.replace('-', '_')}-{wanted}-*.whl"))


def checkout_bytes() -> int:
    """Bytes of the files that travel with the checkout: tracked, or untracked and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    files = {ROOT / name for name in listed.decode().split("\0") if name}
    return sum(file.stat().st_size for file in files if file.is_file())


def check_size(parts: dict[str, int], limit: int) -> str:
    """The sizes in one line.

    :raises InputError: all together are over ``limit`` bytes; nothing is left out to fit.
    """
    from pnp_priors.errors import InputError

    total = sum(parts.values())
    text = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in parts.items())
    text = f"{total / 2**20:.1f} MiB of {limit / 2**20:.0f}: {text}"
    if total > limit:
        raise InputError(f"too much to carry, {text}; put fewer recipes into the plan")
    return text


def pack(
    plan: dict[str, float],
    data: Path,
    carried: Path = CARRIED,
    results: Path = RESULTS,
    starts: Sequence[Path] = (),
    budgets: Path = BUDGETS,
    limit: int = LIMIT,
) -> str:
    """Write the carried folder anew; the sizes of its parts.

    :raises PnpPriorsError: something is missing, or it is more than ``limit`` bytes.
    """
    known = read_budgets(budgets)
    given = sources(plan, results)
    parts = {
        "images": images(data, given),
        "fonts": font_files(given),
        "run folders": run_folders(plan, known, results, starts),
    }
    wheels = download(carried / "wheels")
    sizes = {name: sum(copy.bytes for copy in copies) for name, copies in parts.items()}
    sizes["wheels"] = sum(file.stat().st_size for file in wheels)
    text = check_size({"checkout": checkout_bytes(), **sizes}, limit)
    for old in ("data", "checkpoints", FONTS):
        shutil.rmtree(carried / old, ignore_errors=True)
    (carried / "data").mkdir(parents=True)
    for copy in [copy for copies in parts.values() for copy in copies]:
        target = carried / copy.target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy.source, target)
    jobs(plan, known, carried, None, None)  # what would fail on the lent machine fails here
    return text


def collect(came_back: Path, results: Path = RESULTS) -> list[str]:
    """Unpack a session's files; the names of its recipes.

    :raises MissingFileError: the folder holds no files of a session.
    """
    from pnp_priors.errors import MissingFileError

    archives = sorted(came_back.glob("*.tar.gz"))
    report = came_back / "session.json"
    if not report.is_file():
        raise MissingFileError(f"no session.json in {came_back}")
    results.mkdir(parents=True, exist_ok=True)
    for archive in archives:
        with tarfile.open(archive) as file:
            file.extractall(results, filter="data")
    number = 1 + len(list(results.glob("session-*.json")))
    shutil.copyfile(report, results / f"session-{number}.json")
    return sorted({archive.name.partition(".")[0] for archive in archives})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", help="as session.py takes it: NAME:MINUTES,NAME:MINUTES,…")
    what.add_argument("--collect", type=Path, metavar="DIR", help="what a session brought back")
    parser.add_argument("--data", type=Path, help="data folder, as for pnp-priors train")
    parser.add_argument(
        "--start", type=Path, action="append", default=[], help="run folder to start from"
    )
    options = parser.parse_args(arguments)
    prepare(CARRIED)

    from pnp_priors.errors import PnpPriorsError
    from pnp_priors.training.command import data_folder

    try:
        if options.collect is not None:
            names = collect(options.collect)
            print(f"{RESULTS.relative_to(ROOT)}: {', '.join(names) or 'no recipe'}")
        else:
            data = data_folder(options.data)
            print(pack(parse_plan(options.plan), data, starts=options.start))
    except (PnpPriorsError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
