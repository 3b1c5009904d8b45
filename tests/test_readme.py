"""What the README promises is what runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_python_snippet_runs(tmp_path):
    (snippet,) = blocks("python")
    check = "\nassert x.shape == y.shape and (x - sharp).norm() < 0.7 * (y - sharp).norm()\n"
    # A smooth image instead of noise, so that restoring it means something.
    easier = snippet.replace(
        "torch.rand(1, 3, 128, 128)",
        "torch.eye(128).cumsum(0).cumsum(1).clamp(0, 9)[None, None].expand(1, 3, -1, -1) / 9",
    )
    assert easier != snippet
    done = subprocess.run(
        [sys.executable, "-c", easier + check],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_ci_runs_the_second_command_as_it_is_written():
    commands = [line for block in blocks("") for line in block.splitlines()]
    assert commands[0] == "pip install . && pnp-priors run deconvolution"
    second = next(line for line in commands if "pytest" in line)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert second in script.splitlines()
