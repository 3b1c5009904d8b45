"""Every example runs as it is, shows pictures, and restores what it says that it restores."""

import io
import re
import runpy
import sys
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from pnp_priors import images, samples

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if not path.name.startswith("make_"))
DECIBELS = re.compile(r"(-?\d+\.\d+) dB")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs an example in a folder of its own and leaves its figures open; nothing else remains."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # With a display, but a backend without windows, matplotlib warns of every figure shown.
    monkeypatch.delenv("DISPLAY", raising=False)
    plt.close("all")

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    backend = matplotlib.get_backend()
    plt.switch_backend("Agg")
    with matplotlib.rc_context(), torch.random.fork_rng(devices=[]):
        yield run
    plt.close("all")
    plt.switch_backend(backend)


def drawn(figure):
    """The pixels of a figure, ``[H, W, 3]``."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=60)
    width, height = (round(60 * inches) for inches in figure.get_size_inches())
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs_and_restores(run, capsys, name):
    run(name)
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert figures
    for figure in figures:
        assert any(axes.images or axes.lines for axes in figure.axes)
        assert drawn(figure).std() > 10
    assert not list(Path().iterdir()), "it leaves files behind"
    claims = [line for line in capsys.readouterr().out.splitlines() if line.startswith("PSNR")]
    assert claims
    for line in claims:
        before, *_, after = (float(value) for value in DECIBELS.findall(line))
        assert after > before, line


def test_each_step_of_unrolled_training_has_noise_of_its_own():
    text = (EXAMPLES / "unrolled_training_genericdp.py").read_text(encoding="utf-8")
    problem, found, _ = text.partition("schedule = ")
    names = {}
    exec(problem, names)
    assert found
    image = torch.full((1, 1, 32, 32), 0.5)
    first, second = (names["blur"](image)(image) for _ in range(2))
    assert (first - second).std() > 2 / 255


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_short_and_plain(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    # deepinv frames details in red and lime, which some cannot tell apart
    assert "plot_inset" not in text
    # What an example uses is public.
    assert not re.findall(r"^\s*(?:from|import)\s.*[\s.]_\w", text, re.MULTILINE)
    title, line, *_ = text.removeprefix('"""\n').splitlines()
    assert len(line) >= len(title)
    assert set(line) == {"="}


@pytest.mark.parametrize("level", ["5", "5/255"])
def test_own_photo_takes_a_file(run, tmp_path, capsys, level):
    clean = images.read(samples.path("microscopy"))
    part = clean.pixels[:, :50, :61]
    images.write(tmp_path / "mine.png", clean.with_pixels(part))
    run("own_photo", tmp_path / "mine.png", "-o", tmp_path / "out.tif", "--sigma", level)
    restored = images.read(tmp_path / "out.tif")
    assert restored.dtype == "uint16"
    assert restored.pixels.shape == part.shape
    assert 0 < np.abs(restored.pixels - part).mean() < 5 / 255
    assert "5.00/255, as given" in capsys.readouterr().out


def test_the_index_has_every_script_once():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)\.py` \| .+ \|$", text, re.MULTILINE)
    assert sorted(named) == SCRIPTS


def test_every_image_has_a_licence():
    text = (EXAMPLES / "images" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)\.png` \| .* \| (.+) \|$", text, re.MULTILINE))
    assert sorted(rows) == sorted(path.stem for path in (EXAMPLES / "images").glob("*.png"))
    assert set(rows.values()) == {"CC0"}
