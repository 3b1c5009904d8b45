"""Each shipped pipeline does what its file says at the top, on its bundled example."""

import re

import pytest
from typer.testing import CliRunner

from pnp_priors.cli import app
from pnp_priors.pipelines import files


@pytest.mark.parametrize("name", files.available())
def test_it_restores_its_example(name, tmp_path):
    pipeline = files.read(files.find(name))
    # Two iterations, for the suite's sake: they must improve the example already.
    fewer = ["--set", "solver.iterations=2"] if hasattr(pipeline, "solver") else []
    result = CliRunner().invoke(app, ["run", name, "-o", str(tmp_path), *fewer])
    assert result.exit_code == 0, result.output
    before, after = map(float, re.findall(r"(-?\d+\.\d+) dB", result.output))
    assert after > before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}_comparison.png",
        f"{name}_restored.png",
    ]
