"""What is built: one top-level package, every declarative file in it, sdist and wheel alike."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build(kind, source, out):
    """Build without isolation, so that nothing is downloaded; hatchling is in the test extra."""
    arguments = ["--no-isolation", f"--{kind}", "--outdir", str(out), str(source)]
    done = subprocess.run(
        [sys.executable, "-m", "build", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = out.iterdir()
    return built


def contents(wheel):
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist() if not name.endswith("/RECORD")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_top_level_is_the_package_alone(wheel):
    assert {name.split("/")[0] for name in contents(wheel)} == {
        "pnp_priors",
        "pnp_priors-0.1.0.dist-info",
    }


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 40e6


def test_declarative_files_are_inside(wheel):
    inside = contents(wheel)
    for file in (ROOT / "pipelines").rglob("*"):
        if file.is_file():
            name = f"pnp_priors/pipelines/{file.relative_to(ROOT / 'pipelines').as_posix()}"
            assert inside.get(name) == file.read_bytes(), name
    for file in (ROOT / "examples" / "images").iterdir():
        assert inside.get(f"pnp_priors/sample_images/{file.name}") == file.read_bytes(), file.name
    assert "pnp_priors/pipelines/deconvolution.yaml" in inside
    table = (ROOT / "export" / "targets.yaml").read_bytes()
    assert inside.get("pnp_priors/export/targets.yaml") == table
    assert "pnp_priors/pipelines/examples/deconvolution_blurred.png" in inside


def test_every_file_of_the_package_is_inside(wheel):
    inside = contents(wheel)
    for suffix in (".py", ".c", ".yaml", ".safetensors"):
        for file in (ROOT / "pnp_priors").rglob(f"*{suffix}"):
            assert file.relative_to(ROOT).as_posix() in inside
    assert any(name.startswith("pnp_priors/training/recipes/") for name in inside)
    assert "pnp_priors/training/influence_lookup.c" in inside
    # without it, type checkers take everything of the package as Any
    assert "pnp_priors/py.typed" in inside


def test_a_wheel_from_the_sdist_is_the_same(wheel, tmp_path):
    import tarfile

    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    again = build("wheel", tmp_path / "pnp_priors-0.1.0", tmp_path / "again")
    assert contents(again) == contents(wheel)


def test_no_private_data_in_the_sdist(tmp_path):
    import tarfile

    with tarfile.open(build("sdist", ROOT, tmp_path)) as file:
        tops = {name.split("/")[1] for name in file.getnames()}
    assert "runs" not in tops
    assert "shared" not in tops
