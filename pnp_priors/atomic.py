"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

_PART = ".pnp_priors-"
#: a file that nobody has written to for so long (seconds) is of a run that was killed
_ABANDONED = 60


def whole(path: Path, write_to: Callable[[Path], object]) -> None:
    """Call ``write_to`` with a temporary path in the folder of ``path``, then rename it there.

    Nothing is left behind when ``write_to`` fails; when the process is killed, what is left is
    hidden and goes with :func:`remove_leftovers`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{_PART}{secrets.token_hex(8)}.part{path.suffix}"
    temporary.open("xb").close()
    try:
        write_to(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left in a folder; files that may still be written to stay."""
    for part in folder.glob(f"{_PART}*.part*"):
        try:
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()
        except OSError:  # another process was quicker, or it is not ours to remove
            continue
