"""Sphinx extension: writes the pages that are generated, and mends links before pages are read."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import figures
import links
import prior_pages
from groups import Group, groups
from sphinx.application import Sphinx
from sphinx.config import Config

import pnp_priors
from pnp_priors.benchmark import results

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
#: files outside docs/ that are pages of the site, and their names there
PAGES = {
    ROOT / "README.md": DOCS / "index.md",
    ROOT / "export" / "README.md": DOCS / "exported-programs.md",
    ROOT / "benchmarks" / "README.md": DOCS / "benchmarks.md",
}
PAGES |= {
    path: DOCS / "gallery" / f"{path.stem}.rst"
    for path in (ROOT / "examples").glob("*.py")
    if not path.name.startswith(("make_", "_", "conftest"))
}
#: those that are copied
COPIED = [ROOT / "export" / "README.md", ROOT / "benchmarks" / "README.md"]


def write(path: Path, text: str) -> None:
    """Write a page if it changed, so that Sphinx reads again no more than it must."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_prior_pages(folder: Path, with_figures: bool) -> list[Group]:
    """The pages of all priors; of priors that are gone, none is left."""
    found = groups()
    cells = results.read(DOCS / "results.json")
    measured = prior_pages.speeds(DOCS / "speed.yaml")
    learned = figures.learned(found, folder / "figures") if with_figures else {}
    for group in found:
        curves = figures.curves(group, found, folder / "figures") if with_figures else None
        text = prior_pages.page(group, cells, measured, learned.get(group.key), curves)
        write(folder / f"{group.key}.md", text)
    write(folder / "index.md", prior_pages.index(found, measured))
    kept = {"index", *(group.key for group in found)}
    for path in folder.glob("*.md"):
        if path.stem not in kept:
            path.unlink()
    return found


def find_lazy_names() -> None:
    """Names that packages import when they are used: autodoc documents only what is there."""
    for found in pkgutil.iter_modules(pnp_priors.__path__, "pnp_priors."):
        if found.ispkg:
            package = importlib.import_module(found.name)
            for name in getattr(package, "__all__", ()):
                vars(package)[name] = getattr(package, name)


def generate(app: Sphinx, config: Config) -> None:
    """Write all generated pages, before Sphinx looks which pages there are."""
    find_lazy_names()
    write_prior_pages(DOCS / "priors", str(config.prior_figures) not in {"0", "False"})
    for source in COPIED:
        text = source.read_text(encoding="utf-8")
        write(PAGES[source], links.rewritten(text, source.parent, DOCS, PAGES, DOCS))


def mend_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the links of a page that is about to be read."""
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".md":
        source[0] = links.rewritten(source[0], path.parent, path.parent, PAGES, DOCS)


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.add_config_value("prior_figures", "1", "env")
    app.connect("config-inited", generate)
    app.connect("source-read", mend_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
