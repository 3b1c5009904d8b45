"""Relative links of Markdown pages: right on a code-hosting site, and right in the built pages.

A page links to files as they lie in the repository. Inside docs/, Sphinx understands that. A link
to a file outside becomes a download, which MyST does by itself; one to a page that is part of the
site under another name is rewritten here, and one to a folder, or to a Markdown file that is no
page of the site, is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def rewritten(text: str, folder: Path, target: Path, pages: Mapping[Path, Path], site: Path) -> str:
    """Markdown whose relative links hold where it is put.

    :param folder: which its links are relative to now.
    :param target: the folder of the page that it becomes.
    :param pages: by file of the repository, the page of the site that shows it.
    :param site: the folder of all pages.
    """

    def replace(found: re.Match[str]) -> str:
        picture, words, link = found.groups()
        place, anchor, fragment = link.partition("#")
        if "://" in link or link.startswith(("mailto:", "#")) or not place:
            return found.group()
        path = (folder / place).resolve()
        if path.is_dir() and (path / "README.md") in pages:
            path = path / "README.md"
        path = pages.get(path, path)
        if path.is_dir() or (path.suffix == ".md" and not path.is_relative_to(site)):
            return words if words.startswith("`") else f"`{words}`"
        return f"{picture}[{words}]({os.path.relpath(path, target)}{anchor}{fragment})"

    parts = (part if code else _LINK.sub(replace, part) for code, part in _parts(text))
    return "\n".join(parts)


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The lines of a page in runs: whether they are code, and the lines."""
    run: list[str] = []
    fence = None
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence is None and mark:
            if run:
                yield False, "\n".join(run)
            run, fence = [line], mark[1]
        elif fence is not None and mark and mark[1].startswith(fence):
            yield True, "\n".join([*run, line])
            run, fence = [], None
        else:
            run.append(line)
    if run:
        yield fence is not None, "\n".join(run)
