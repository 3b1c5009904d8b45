"""The script makes the shipped example again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pnp_priors import images

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    script = ROOT / "examples" / "make_deconvolution_example.py"
    subprocess.run([sys.executable, script, "--out", out], check=True)
    return out


@pytest.mark.parametrize("what", ["blurred", "kernel", "sharp"])
def test_the_script_makes_what_is_shipped(made, what):
    name = f"deconvolution_{what}.png"
    again = images.read(made / name)
    shipped = images.read(ROOT / "pipelines" / "examples" / name)
    assert again.dtype == shipped.dtype == ("uint16" if what == "kernel" else "uint8")
    # Another machine's rounding may tip a value over to the next level.
    np.testing.assert_allclose(again.pixels, shipped.pixels, atol=1.01 / 255)
    assert np.mean(again.pixels != shipped.pixels) < 1e-3
