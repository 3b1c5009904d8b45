"""What works where torch and deepinv are not installed, and what the rest says."""

import importlib
import os
import subprocess
import sys

import pytest

from pnp_priors.errors import MissingExtraError

#: as a machine without them answers: nothing there, and an error that says which
FORBID = """
import sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "deepinv", "torchvision", "torchmetrics"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Forbid())
"""


def without_torch(code, folder, **environment):
    return subprocess.run(
        [sys.executable, "-c", FORBID + code],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env=os.environ | environment,
    )


def command(*arguments):
    return f"sys.argv = ['pnp-priors', *{arguments!r}]\nfrom pnp_priors import cli\ncli.main()"


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("schema",),
        ("info", "ffdnet-gray"),
        ("--help",),
        ("run", "--help"),
    ],
)
def test_what_needs_no_prior_runs(arguments, tmp_path):
    done = without_torch(command(*arguments), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "denoising"),
        ("train", "genericdp", "--data", ".", "--out", "run"),
        ("bench", "denoising", "ffdnet-gray"),
        ("assess", "ffdnet-gray"),
        ("receptive-field", "ffdnet-gray"),
    ],
)
def test_what_needs_one_says_what_to_install(arguments, tmp_path):
    done = without_torch(command(*arguments), tmp_path, PNP_PRIORS_DATA=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "pip install 'pnp_priors[torch]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_export_names_the_extra_that_brings_all_it_needs(tmp_path):
    code = FORBID.replace('{"torch",', '{"onnx", "torch",') + command("export", "ffdnet-gray")
    done = without_torch(code, tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: this needs onnx: pip install 'pnp_priors[export]'"


def test_in_python_it_is_an_import_error_of_this_package(tmp_path):
    code = """
import pnp_priors, pnp_priors.pipelines, pnp_priors.solvers, pnp_priors.tiles
from pnp_priors.errors import MissingExtraError

assert pnp_priors.describe("ffdnet-gray").name in pnp_priors.available()
for use in (
    lambda: pnp_priors.load("ffdnet-gray"),
    lambda: pnp_priors.pipelines.load,
    lambda: pnp_priors.solvers.solver,
    lambda: pnp_priors.tiles.tiled,
):
    try:
        use()
    except MissingExtraError as error:
        assert isinstance(error, ImportError) and error.name == "torch"
        print(error)
"""
    done = without_torch(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pip install 'pnp_priors[torch]'") == 4


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    from pnp_priors import extras

    (tmp_path / "jpeglib").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "jpeglib", raising=False)
    assert not extras.installed("jpeglib")
    with pytest.raises(MissingExtraError, match=r"pip install 'pnp_priors\[jpeg\]'"):
        extras.need("jpeglib")
    (tmp_path / "jpeglib" / "__init__.py").touch()
    importlib.invalidate_caches()
    extras.need("jpeglib")


def test_schedules_and_tiles_are_whole_numbers_and_formulas(tmp_path):
    code = """
from pnp_priors.pipelines import files, schedule
from pnp_priors.solvers import dpir
from pnp_priors.tiles import grid, solver_halo

assert len(dpir(0.01)) == 8 and len(grid(900, 900, 512, 20)) == 4 and solver_halo((5, 7)) == 14
pipeline = files.read(files.find("deconvolution"))
print(schedule.words(pipeline), schedule.iterations(pipeline), schedule.chosen(pipeline, 0.01))
"""
    done = without_torch(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Schedule(" in done.stdout
