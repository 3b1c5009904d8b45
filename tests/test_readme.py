"""What the README promises is what runs."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_solver_snippet_runs(tmp_path):
    snippet, _ = blocks("python")
    check = "\nassert x.shape == y.shape and (x - sharp).norm() < 0.7 * (y - sharp).norm()\n"
    # A smooth image instead of noise, so that restoring it means something.
    easier = snippet.replace(
        "torch.rand(1, 3, 128, 128)",
        "torch.eye(128).cumsum(0).cumsum(1).clamp(0, 9)[None, None].expand(1, 3, -1, -1) / 9",
    )
    assert easier != snippet
    run(easier + check, tmp_path)


def test_the_jpeg_snippet_runs(tmp_path):
    _, snippet = blocks("python")
    example = ROOT / "pipelines" / "examples" / "deconvolution_sharp.png"
    with Image.open(example) as photo:
        gray = photo.convert("L")
    gray.save(tmp_path / "photo.jpg", quality=10)
    np.save(tmp_path / "sharp.npy", np.asarray(gray, np.float32) / 255)
    check = """
import numpy
sharp = numpy.load("sharp.npy")
before, after = (((x[0, 0].numpy() - sharp) ** 2).mean() for x in (decoded, restored))
assert table.shape == (8, 8) and after < 0.85 * before, (before, after)
"""
    run(snippet + check, tmp_path)


def test_ci_runs_the_second_command_as_it_is_written():
    commands = [line for block in blocks("") for line in block.splitlines()]
    assert commands[0] == "pip install '.[torch]' && pnp-priors run deconvolution"
    second = next(line for line in commands if "pytest" in line)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert second in script.splitlines()


def test_links_lead_to_files():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_table_names_priors_that_there_are():
    import pnp_priors

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)]
    whole = {name for name in named if not name.startswith("-")}
    assert len(whole) > 8
    assert whole <= set(pnp_priors.available())
