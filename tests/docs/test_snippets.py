"""The Python blocks of the first pages run as they are."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def blocks(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """With a photo as JPEG of quality 10, and what it was before."""
    with Image.open(ROOT / "pipelines" / "examples" / "photo.png") as photo:
        gray = photo.convert("L")
    gray.save(tmp_path / "photo.jpg", quality=10)
    np.save(tmp_path / "sharp.npy", np.asarray(gray, np.float32) / 255)
    return tmp_path


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_start(folder):
    first, solver, jpeg = blocks("start.md")
    # A smooth image instead of noise, so that restoring it means something.
    easier = solver.replace(
        "torch.rand(1, 3, 128, 128)",
        "torch.eye(128).cumsum(0).cumsum(1).clamp(0, 9)[None, None].expand(1, 3, -1, -1) / 9",
    )
    assert easier != solver
    checks = (
        """
assert restored.shape == noisy.shape
""",
        """
assert x.shape == y.shape and (x - sharp).norm() < 0.7 * (y - sharp).norm()
""",
        """
import numpy
sharp = numpy.load("sharp.npy")
before, after = (((x[0, 0].numpy() - sharp) ** 2).mean() for x in (decoded, restored))
assert table.shape == (8, 8) and after < 0.85 * before, (before, after)
""",
    )
    parts = zip((first, easier, jpeg), checks, strict=True)
    run("\n".join(code + check for code, check in parts), folder)


def test_concepts(folder):
    (schedule,) = blocks("concepts.md")
    check = "\nassert abs(schedule.sigma[0] - 49 / 255) < 1e-9"
    check += "\nassert abs(schedule.sigma[-1] - 2.55 / 255) < 1e-9\n"
    run(schedule + check, folder)


def test_every_task_page_shows_a_pipeline_of_its_own():
    pages = sorted((ROOT / "docs" / "tasks").glob("*.md"))
    shown = {
        name
        for page in pages
        for name in re.findall(r"literalinclude.*/(\w+)\.yaml", page.read_text(encoding="utf-8"))
    }
    assert shown == {path.stem for path in (ROOT / "pipelines").glob("*.yaml")}
