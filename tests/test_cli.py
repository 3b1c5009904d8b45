"""The command line: what a newcomer types, and what each mistake answers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pnp_priors import cli, images, registry
from pnp_priors.priors.base import Prior

ERRORS = 2


class Still(Prior):
    """Returns its input; the solver's data step does the restoring."""

    def __init__(self):
        super().__init__(channels=1, sigma_range=(0.0, 0.3))
        self.weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def _denoise(self, x, sigma):
        return x * self.weight


@pytest.fixture
def command(monkeypatch, capsys):
    """Run ``pnp-priors`` in this process: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["pnp-priors", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a photo, a kernel and a pipeline, and a prior that needs no weights."""
    real = registry.load

    def load(name, device=None, dtype=None, weights=None):
        return Still() if name in {"genericdp", "ffdnet-gray"} else real(name)

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", np.ones((3, 3)))
    y, x = np.mgrid[:32, :36] / 36
    images.write(Path("in/a.png"), images.Image(np.stack([x, y, x * y]), "uint8"))
    images.write(Path("in/sub/b.tif"), images.Image((x + y)[None] / 2, "uint16"))
    content = {"task": "deconvolution", "kernel": {"file": "k.npy"}, "noise": {"sigma": 0.02}}
    Path("p.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_list_shows_priors_and_pipelines(command):
    code, out, _ = command("list")
    assert code == 0
    assert "deconvolution" in out
    for name in registry.available():
        assert name in out


def test_list_and_info_say_what_is_blind_and_what_suits_a_solver(command):
    _, listed, _ = command("list")
    for name in registry.available():
        card = registry.describe(name)
        (row,) = (line for line in listed.splitlines() if line.startswith(f"{name} "))
        _, shown, _ = command("info", name)
        assert card.iterative_verdict in row
        assert f"  iterative use   {card.iterative_use}" in shown
        if "gaussian" in card.tasks:
            assert (", blind" in row) == (", blind" in shown) == card.blind
            assert (card.iterative_verdict == "not suited") == card.blind


def test_info_shows_a_card_and_an_unknown_name_the_known_ones(command):
    for name in registry.available():
        code, out, _ = command("info", name)
        assert code == 0
        assert out.startswith(f"{name}: ")
    code, out, err = command("info", "genericpd")
    assert (code, out) == (ERRORS, "")
    assert err.startswith("error: unknown prior 'genericpd'")
    assert err.count("\n") == 1


def test_schema_is_json_with_every_key(command):
    code, out, _ = command("schema")
    keys = json.loads(out)["properties"]
    assert code == 0
    assert {"task", "kernel", "noise", "prior", "solver", "boundary", "color"} <= set(keys)
    assert command("schema", "deblur")[0] == ERRORS


def test_run_mirrors_a_folder_then_skips_it(command, work):
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert files_below(work / "out") == ["a.png", "sub/b.tif"]
    assert images.read(Path("out/sub/b.tif")).dtype == "uint16"
    assert "2 restored, 0 skipped, 0 failed" in out
    assert "noise level 5.10/255, as given" in out
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert out.count("skipped, done already") == 2
    assert "0 restored, 2 skipped" in out
    _, out, _ = command("run", "p.yaml", "in", "-o", "out", "--overwrite")
    assert "2 restored, 0 skipped" in out


def test_run_takes_settings(command, work):
    settings = ["noise.sigma=5.1/255", "solver.iterations=1", "prior.name=ffdnet-gray"]
    options = [part for setting in settings for part in ("--set", setting)]
    code, out, _ = command("run", "p.yaml", "in/a.png", "-o", "o", *options)
    assert code == 0
    assert "noise level 5.10/255" in out


def test_run_without_input_restores_the_example(command, work):
    code, out, _ = command("run", "deconvolution", "--set", "solver.iterations=1")
    assert code == 0
    assert files_below(work / "pnp_priors_out") == [
        "deconvolution_comparison.png",
        "deconvolution_restored.png",
    ]
    assert "PSNR" in out
    assert "SSIM" in out
    assert f"wrote {work}/pnp_priors_out/deconvolution_restored.png" in out
    assert "estimated" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["deconvolutio", "in"], "unknown pipeline 'deconvolutio': nearest: deconvolution"),
        (["none.yaml", "in"], "no such file: none.yaml"),
        (["p.yaml", "none"], "no such file or folder: none"),
        (["p.yaml", "in", "--set", "solver.iteration=3"], "unknown key 'solver.iteration'"),
        (["p.yaml", "in", "--set", "solver.iterations=many"], "solver.iterations: "),
        (["p.yaml", "in", "--set", "noise.sigma=25"], "noise.sigma: 25 looks like 0..255 units"),
        (["p.yaml", "in", "--set", "prior.name=generic"], "unknown prior 'generic'"),
        (["p.yaml", "in", "--set", "kernel.file=none.png"], "none.png"),
        (["p.yaml", "in", "--set", "kernel.key=k"], "no key 'k'"),
        (["p.yaml", "in", "--set", "kernel.file=large.npy"], "kernel (33x33) must be smaller"),
        (["p.yaml", "nan.tif"], "nan.tif: 1024 of its values are NaN"),
        (["p.yaml", "damaged.png"], "damaged.png: damaged"),
        (["p.yaml"], "this pipeline has no example"),
        (["p.yaml", "in", "--device", "abacus"], "device abacus"),
    ],
)
def test_each_mistake_is_one_line_and_leaves_no_file(command, work, arguments, message):
    import tifffile

    np.save("large.npy", np.ones((33, 33)))
    tifffile.imwrite("nan.tif", np.full((32, 32), np.nan, np.float32))
    Path("damaged.png").write_bytes(b"\x89PNG but no more of it, really nothing")
    code, _, err = command("run", *arguments, "-o", "out")
    assert code == ERRORS
    lines = err.splitlines()
    # Each of two files is too small for the large kernel.
    assert len(lines) == (2 if "must be smaller" in message else 1)
    assert all(line.startswith("error: ") for line in lines)
    assert message in err
    assert files_below(work / "out") == [] if (work / "out").exists() else True


def test_own_images_with_the_kernel_of_the_example_are_warned_about(command, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"no photo")
    code, _, err = command("run", "deconvolution", photo, "-o", tmp_path / "out")
    assert code == 2  # it cannot be read
    assert err.startswith("warning: restoring with the blur of the bundled example")
    assert "--set kernel.file=FILE" in err
    kernel = images_kernel(tmp_path)
    _, _, err = command("run", "deconvolution", photo, "--set", f"kernel.file={kernel}")
    assert "warning" not in err


def images_kernel(folder):
    import numpy as np

    np.save(folder / "k.npy", np.full((3, 3), 1 / 9))
    return folder / "k.npy"


def test_train_passes_its_arguments_on(command, monkeypatch, tmp_path):
    from pnp_priors.training import command as training

    calls = []
    monkeypatch.setattr(training, "train", lambda *given, **named: calls.append((given, named)))
    arguments = ["--data", tmp_path, "--out", tmp_path / "run", "--minutes", 3]
    arguments += ["--start-from", "genericdp"]
    code, _, _ = command("train", "genericdp", *arguments)
    assert code == 0
    expected = ("genericdp", tmp_path, tmp_path / "run", 3.0, None)
    assert calls == [(expected, {"start_from": "genericdp"})]


def test_bench_is_mounted(command):
    code, out, _ = command("bench", "--help")
    assert code == 0
    assert "denoising" in out


@pytest.mark.parametrize("start", ["import pnp_priors", "import pnp_priors.cli"])
def test_importing_does_not_import_torch(start):
    heavy = "[m for m in ('torch', 'deepinv', 'scipy', 'matplotlib') if m in sys.modules]"
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; {start}; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_list_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['pnp-priors', 'list']\n"
        "from pnp_priors.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
