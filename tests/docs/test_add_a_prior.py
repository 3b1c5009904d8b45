"""docs/add-a-prior.md, followed to the letter in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "add-a-prior.md"


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder after everything on the page was done, and what was printed."""
    folder = tmp_path_factory.mktemp("add-a-prior")
    steps = []
    text = PAGE.read_text(encoding="utf-8")
    for _, block in re.findall(r"^```(python|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        named = re.match(r"# file: (\S+)\n", block)
        if named:
            (folder / named[1]).write_text(block, encoding="utf-8")
        else:
            steps.append(block)
    script = "import torch\ntorch.set_num_threads(1)\n" + "\n".join(steps)
    (folder / "steps.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "steps.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


def test_it_ends_with_a_card_and_weights(followed):
    folder, _ = followed
    card = yaml.safe_load((folder / "run/cards/dct-shrinkage.yaml").read_text(encoding="utf-8"))
    assert card["system"] == "dct-shrinkage"
    assert card["parameters"] == 63
    assert card["training"]["finished"]
    assert (folder / "run/weights/dct-shrinkage.safetensors").stat().st_size > 63 * 4


def test_it_restores(followed):
    _, printed = followed
    noisy, restored = map(float, re.findall(r"(\d+\.\d+) dB", printed)[-2:])
    assert noisy < 20.7
    assert restored > noisy + 6


def test_the_names_of_step_seven_are_there():
    root = PAGE.parents[1]
    text = PAGE.read_text(encoding="utf-8").partition("## 7.")[2]
    paths = re.findall(r"`((?:pnp_priors|tests|docs)/[\w./-]+)", text)
    assert len(paths) >= 7
    assert [path for path in paths if not (root / path).exists()] == []
