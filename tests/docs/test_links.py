"""Links of the documentation: rewritten for the site, and leading to something as they stand."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_links_follow_a_page_to_its_new_place(extension, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "docs").mkdir()
    for name in ("export/run.py", "docs/onnx.md"):
        (tmp_path / name).touch()
    text = "[a](run.py), [b](../docs/onnx.md#speed), [c](https://x.org/a.md), [d](#here)"
    links = extension("links")
    docs = tmp_path / "docs"
    moved = links.rewritten(text, tmp_path / "export", docs, {}, docs)
    assert moved == (
        "[a](../export/run.py), [b](onnx.md#speed), [c](https://x.org/a.md), [d](#here)"
    )


def test_what_is_no_page_of_the_site_is_not_linked(extension, tmp_path):
    for folder in ("docs", "one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README.md").touch()
    docs = tmp_path / "docs"
    text = "[a](../one/), [b](../two), [`c`](../two/README.md), [d](README.md)"
    pages = {tmp_path / "one" / "README.md": docs / "page.md"}
    moved = extension("links").rewritten(text, docs, docs, pages, docs)
    assert moved == "[a](page.md), `b`, `c`, [d](README.md)"


def test_code_is_left_alone(extension, tmp_path):
    text = "```\n[a](folder)\n```\n~~~python\n[a](folder)\n```\n~~~\n[a](folder)"
    (tmp_path / "folder").mkdir()
    rewritten = extension("links").rewritten(text, tmp_path, tmp_path, {}, tmp_path)
    lines = rewritten.split("\n")
    assert lines[:-1] == text.split("\n")[:-1]
    assert lines[-1] == "`a`"


def test_a_link_may_run_over_two_lines(extension, tmp_path):
    (tmp_path / "run.py").touch()
    pages = {tmp_path / "run.py": tmp_path / "gallery" / "run.rst"}
    moved = extension("links").rewritten("a [b\nc](run.py)", tmp_path, tmp_path, pages, tmp_path)
    assert moved == "a [b\nc](gallery/run.rst)"


def test_links_of_pages_lead_to_files():
    """As on a code-hosting site, where nothing is generated."""
    generated = ("gallery/", "priors/", "exported-programs", "benchmarks.md")
    dead = []
    for page in [*DOCS.glob("*.md"), *(DOCS / "tasks").glob("*.md"), *(DOCS / "api").glob("*.md")]:
        if page.name in ("exported-programs.md", "benchmarks.md"):
            continue
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" in link or any(part in link for part in generated):
                continue
            if not (page.parent / link).exists():
                dead.append(f"{page.name}: {link}")
    assert dead == []


def test_pictures_are_small():
    committed = [*DOCS.glob("*.jpg"), *(DOCS / "tasks").glob("*.jpg")]
    assert len(committed) > 6
    assert [p.name for p in committed if p.stat().st_size >= 300_000] == []
