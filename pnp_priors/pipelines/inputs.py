"""Which files are restored and where to: files, folders and patterns, mirrored below a folder."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pnp_priors import images
from pnp_priors.atomic import remove_leftovers
from pnp_priors.errors import InputError, MissingFileError

#: how the pictures of :mod:`pnp_priors.report.files` end
_REPORT = ".report.png"
#: pictures of kinds that :mod:`pnp_priors.images` does not read, by their names' endings
_OTHER_KINDS = frozenset(
    (
        *(".gif", ".jp2", ".j2k", ".jpx", ".jxl", ".heic", ".heif", ".avif", ".jfif", ".jpe"),
        *(".psd", ".xcf", ".tga", ".exr", ".hdr", ".ppm", ".pgm", ".pbm", ".pnm"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"),
        *(".fits", ".fit", ".dcm"),
    )
)

#: whether a file is of a kind, by its name
Kind = Callable[[Path], bool]


@dataclass(frozen=True)
class Job:
    """One file to restore, and where to."""

    source: Path
    target: Path

    @property
    def done(self) -> bool:
        """Files appear whole or not at all, so one that is there is finished."""
        return self.target.is_file()


def plan(inputs: Iterable[str | Path], out: Path) -> list[Job]:
    """What to restore and where to.

    Folders are searched and mirrored below ``out``. A pattern such as ``photos/**/*.png`` is
    mirrored from its first folder without a wildcard on (``photos``). Hidden files, pictures
    of reports and what lies in ``out`` are left out of both.

    :param out: a folder; or, for a single input file, also a file name.
    :raises MissingFileError: an input does not exist.
    :raises InputError: no images in a folder, two inputs for one output, an input that would be
        overwritten, or a folder where a file should be written.
    """
    given = [Path(path) for path in inputs]
    if len(given) == 1 and given[0].is_file() and images.is_image(out) and not out.is_dir():
        jobs = [Job(given[0], out)]
    else:
        check_folder(out)
        jobs = [job for path in given for job in _jobs(path, out)]
    return list(_checked(jobs))


def left_out(inputs: Iterable[str | Path], out: Path) -> list[Path]:
    """Pictures in folders, or that match patterns, of kinds that cannot be read: GIF, HEIC, raw, …

    :func:`plan` passes over them as it does over other files, but a person may miss them.
    """
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if path.is_dir():
            found.update(dict.fromkeys(_in_folder(path, path, out, _is_of_other_kind)))
        elif not path.is_file() and glob.has_magic(str(path)):
            found.update(dict.fromkeys(_matches(path, out, _is_of_other_kind)))
    return list(found)


def check_folder(out: Path) -> None:
    """Refuse an output that is a file, or is named as one and not there.

    :raises InputError: names it.
    """
    if out.is_file():
        raise InputError(f"{out}: the output must be a folder here, this is a file")
    if images.is_image(out) and not out.exists():
        raise InputError(f"{out}: the output must be a folder here, this is the name of a file")


def check_writable(jobs: Iterable[Job]) -> None:
    """Try, before anything is computed, whether the outputs can be written.

    :raises InputError: one line with the folder and the reason.
    """
    for folder in {_existing(job.target.parent) for job in jobs}:
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{folder}: cannot write there ({reason})") from error


def tidy(jobs: Iterable[Job]) -> None:
    """Remove what killed runs left in the folders of the outputs."""
    for folder in {job.target.parent for job in jobs}:
        remove_leftovers(folder)


def _checked(jobs: Iterable[Job]) -> Iterator[Job]:
    sources: dict[Path, Path] = {}
    for job in jobs:
        target, source = job.target.resolve(), job.source.resolve()
        if target == source:
            raise InputError(f"{job.source}: the output would overwrite the input; choose another")
        if target.is_dir():
            raise InputError(f"{job.target} is a folder, so {job.source} cannot be written there")
        other = sources.get(target)
        if other is not None and other.resolve() != source:
            raise InputError(f"{job.source} and {other} would both be written to {job.target}")
        if other is None:  # the same file, named twice, is restored once
            sources[target] = job.source
            yield job


def _jobs(path: Path, out: Path) -> Iterator[Job]:
    if path.is_file():
        if not images.is_image(path):
            known = ", ".join(sorted(images.SUFFIXES))
            raise InputError(f"{path}: not an image that can be read ({known})")
        yield Job(path, out / path.name)
        return
    if path.is_dir():
        root, found = path, _in_folder(path, path, out)
        if not found:
            raise InputError(f"{path}: no images in this folder{_others(path, out)}")
    elif glob.has_magic(str(path)):
        root, found = _root(path), _matches(path, out)
        if not found:
            raise MissingFileError(f"no images match {path}{_others(path, out)}")
    else:
        raise MissingFileError(f"no such file or folder: {path}")
    for file in found:
        yield Job(file, out / file.relative_to(root))


def _others(path: Path, out: Path) -> str:
    kinds = sorted({file.suffix.lower() for file in left_out([path], out)})
    return f" (only {', '.join(kinds)}, which cannot be read)" if kinds else ""


def _matches(pattern: Path, out: Path, kind: Kind = images.is_image) -> list[Path]:
    root = _root(pattern)
    found: set[Path] = set()
    for name in glob.glob(str(pattern), recursive=True):
        match = Path(name)
        if match.is_dir():
            found.update(_in_folder(match, root, out, kind))
        elif _is_input(match, root, out, kind):
            found.add(match)
    return sorted(found)


def _root(pattern: Path) -> Path:
    """The folders of a pattern before its first wildcard."""
    for parent in pattern.parents:
        if not glob.has_magic(str(parent)):
            return parent
    return Path()


def _in_folder(folder: Path, root: Path, out: Path, kind: Kind = images.is_image) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if _is_input(file, root, out, kind))


def _is_of_other_kind(file: Path) -> bool:
    return file.suffix.lower() in _OTHER_KINDS


def _is_input(file: Path, root: Path, out: Path, kind: Kind) -> bool:
    if not kind(file) or not file.is_file():
        return False
    # Hidden files and the pictures of reports are no photos, and earlier results no input.
    if any(part.startswith(".") for part in file.relative_to(root).parts):
        return False
    if file.name.endswith(_REPORT):
        return False
    inside = out.resolve()
    return inside == root.resolve() or inside not in file.resolve().parents


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        # A dangling link is in the way as much as a file.
        if os.path.lexists(folder):
            break
        folder = folder.parent
    return folder
