"""What the README promises is what runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pnp_priors

ROOT = Path(__file__).parents[1]


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


SETTING = """
import torch
torch.manual_seed(0)
sharp = torch.eye(96).cumsum(0).cumsum(1).clamp(0, 9)[None, None].expand(1, 3, -1, -1) / 9
import deepinv
physics = deepinv.physics.BlurFFT(img_size=(3, 96, 96), filter=torch.ones(1, 1, 5, 5) / 25)
y = physics(sharp) + 2.55 / 255 * torch.randn_like(sharp)
"""


def test_the_snippet_runs(tmp_path):
    (snippet,) = blocks("python")
    check = "\nassert x.shape == y.shape and (x - sharp).norm() < 0.7 * (y - sharp).norm()\n"
    run(SETTING + snippet + check, tmp_path)


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
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture
def generator(extension):
    """The module that writes the README's tables."""
    return extension("readme")


def test_the_tables_are_as_cards_and_results_are_now(generator):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert generator.fresh(text) == text, "python docs/_ext/readme.py writes the tables"


def test_a_stale_table_is_written_again(generator):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    stale = text.replace("| `genericdp` |", "| `genericdp-of-old` |")
    assert stale != text
    assert generator.fresh(stale) == generator.fresh(text)
    with pytest.raises(ValueError, match="priors: begin"):
        generator.fresh(text.replace("<!-- priors: begin -->", ""))


def test_every_prior_is_in_the_table(generator):
    rows = re.findall(r"^\| (`[^|]*) \|", generator.priors(), re.MULTILINE)
    named = set()
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row)
        stem = re.sub(r"-[sq]\d+$", "", first)
        named |= {first, *(stem + other for other in others)}
    assert named == set(pnp_priors.available())


def test_results_are_those_of_the_bench(generator):
    cells = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))["cells"]
    (cell,) = (
        c for c in cells if (c["prior"], c["dataset"], c["level"]) == ("ffdnet-gray", "BSD68", 25.0)
    )
    (row,) = (line for line in generator.reached().splitlines() if "`ffdnet-gray`" in line)
    assert f"{cell['psnr']:.2f} (29.19)" in row  # FFDNet's paper, table III


def test_its_picture_is_small():
    assert (ROOT / "docs" / "tasks" / "deconvolution.jpg").stat().st_size < 300_000
