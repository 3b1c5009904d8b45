"""``pnp-priors tune`` as it is typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pnp_priors import registry
from pnp_priors.errors import BlindPriorWarning
from pnp_priors.priors.base import Prior
from pnp_priors.solvers.presets import ITERATIONS
from pnp_priors.tuning.schema import read
from pnp_priors.tuning.tune import WORTHWHILE, Tuner

Command = Callable[..., tuple[int, str, str]]
FAST = ("--crops", 2, "--side", 32, "--iterations", 2, "--evaluations", 3)


class Smoother(Prior):
    """Between the image and its 3×3 means: the more noise, the smoother."""

    def __init__(self) -> None:
        super().__init__(channels=1, sigma_range=(0.0, 0.3))
        self.strength = torch.nn.Parameter(torch.tensor(5.0), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        part = (self.strength * sigma).clamp(max=1)
        return x + part * (torch.nn.functional.avg_pool2d(padded, 3, stride=1) - x)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> Command:
    """In a folder with two images: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "load", lambda name, device=None: Smoother().eval())
    rng = np.random.default_rng(0)
    Path("clean").mkdir()
    for index in range(2):
        y, x = np.mgrid[:40, :48]
        waves = np.sin(x / rng.uniform(2, 5)) * np.cos(y / rng.uniform(2, 5))
        Image.fromarray(np.uint8(127 + 100 * waves)).save(f"clean/{index}.png")

    return partial(command, "tune")


@pytest.mark.parametrize(
    ("task", "levels", "solver"),
    [
        ("deconvolution", (5.1, 2.55), "hqs"),
        ("deconvolution", (5.1, 2.55), "admm"),
        ("deconvolution", (5.1, 2.55), "drs"),
        ("jpeg-deblocking", (10, 40), "drs"),
        ("super-resolution", (3, 2), "hqs"),
        ("super-resolution", (3, 2), "admm"),
    ],
)
def test_a_preset_is_written_and_the_trials_are_shown(
    command: Command, task: str, levels: tuple[float, float], solver: str
) -> None:
    chosen = [word for level in levels for word in ("--level", level)]
    arguments = ("ffdnet-gray", "--task", task, "--solver", solver, "--data", "clean")
    arguments = (*arguments, *chosen, *FAST)
    code, out, err = command(*arguments, "-o", "a.yaml")
    assert code == 0
    preset = read(Path("a.yaml"))
    assert (preset.task, preset.prior, preset.solver) == (task, "ffdnet-gray", solver)
    assert preset.iterations == 2
    assert sorted(knot.level for knot in preset.knots) == sorted(levels)
    assert sorted(preset.tuned.images) == ["0.png", "1.png"]
    assert preset.tuned.weights == registry.fingerprint(registry.describe("ffdnet-gray"))
    # Its best trials, and two defaults that have more iterations and are no trials.
    rows = [line.split() for line in out.splitlines() if line[:11].strip()[:1].isdigit()]
    assert len(rows) == preset.tuned.evaluations - 2
    # Two iterations may be worse than the default's 8 or 16, which is said.
    worse = [knot for knot in preset.knots if knot.psnr < knot.default_psnr - WORTHWHILE]
    assert len(err.splitlines()) == len(worse)
    for knot in worse:
        assert f"warning: level {knot.level:g}: this preset is " in err
    for knot in preset.knots:
        found = [float(row[5]) for row in rows if float(row[0]) == knot.level]
        assert max(found) == knot.psnr
        assert 1 <= len(found) <= 3
    assert out.splitlines()[-2] == "wrote a.yaml"
    assert out.splitlines()[-1] == (
        f"use it: pnp-priors run {task} --set prior.name=ffdnet-gray --set solver.name={solver} "
        "--set solver.preset=a.yaml"
    )
    assert command(*arguments, "-o", "b.yaml")[0] == 0
    assert Path("a.yaml").read_text() == Path("b.yaml").read_text()
    # The command it states makes it again, where the data folder is.
    words = preset.tuned.command.split()
    assert words[:3] == ["pnp-priors", "tune", "ffdnet-gray"]
    assert command(*words[2:], "-o", "c.yaml")[0] == 0
    assert Path("c.yaml").read_text() == Path("a.yaml").read_text()


def test_the_command_that_it_names_restores_with_it(command: Command) -> None:
    """With the released prior this time: the preset is for it."""
    words = ("ffdnet-gray", "--data", "clean", "--level", 2.55, "--solver", "admm", *FAST)
    code, out, _ = command(*words, "-o", "a.yaml")
    assert code == 0
    use = shlex.split(out.splitlines()[-1].removeprefix("use it: "))
    done = subprocess.run(
        [sys.executable, "-m", "pnp_priors.cli", *use[1:], "-o", "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "schedule of a.yaml" in done.stdout


@pytest.mark.parametrize(
    ("counts", "advice"),
    [((8,), "; tune with --iterations 2"), ((8, 2), None)],
)
def test_a_preset_that_is_worse_than_none_is_said(
    command: Command, monkeypatch: pytest.MonkeyPatch, counts: tuple[int, ...], advice: str | None
) -> None:
    """With as many iterations as the default has it cannot be: its parameters are tried first.

    The smoother does worse with more iterations, so that the default gets few.
    """
    monkeypatch.setitem(ITERATIONS, "deconvolution", 2)
    words = ("ffdnet-gray", "--data", "clean", "--level", 2.55, "--crops", 2, "--side", 32)
    chosen = [word for count in counts for word in ("--iterations", count)]
    code, out, err = command(*words, *chosen, "--evaluations", 1, "-o", "a.yaml")
    assert code == 0
    preset = read(Path("a.yaml"))
    (knot,) = preset.knots
    if advice is None:
        assert err == ""
        assert knot.psnr >= knot.default_psnr - WORTHWHILE
    else:
        assert knot.psnr < knot.default_psnr - 0.1
        assert re.fullmatch(
            r"warning: level 2\.55: this preset is \d+\.\d\d dB worse than the default, which "
            rf"has 2 iterations{advice}\n",
            err,
        )
    assert "against the default's" in out


def test_an_evaluation_set_is_said(command: Command) -> None:
    Path("clean").rename("eval")
    words = ("ffdnet-gray", "--level", 2.55, *FAST, "-o", "a.yaml")
    for folder in ("eval", "."):
        code, _, err = command(*words, "--data", folder)
        assert code == 0, err
        assert err.splitlines()[0] == (
            f"warning: images of {Path('eval').resolve()} are for measuring: on those that "
            "parameters were tuned on, results mean nothing"
        )
    Path("eval").rename("evaluated")
    assert "for measuring" not in command(*words, "--data", "evaluated")[2]


def test_a_blind_prior_is_one_plain_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    blind = Smoother().eval()
    blind.blind = True
    monkeypatch.setattr(registry, "load", lambda name, device=None: blind)
    code, _, err = command("ffdnet-gray", "--data", "clean", "--level", 2.55, *FAST)
    assert code == 0
    assert err.startswith("warning: ffdnet-gray is blind: it ignores the solver's sigma; ")
    assert err.count("is blind") == 1
    assert not [w for w in recwarn if issubclass(w.category, BlindPriorWarning)]


@pytest.mark.parametrize("keep", [False, True])
def test_ctrl_c(command: Command, monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    real, calls = Tuner._psnr, []

    def psnr(self: Tuner, *arguments: object) -> float:
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Tuner, "_psnr", psnr)
    words = ("ffdnet-gray", "--data", "clean", "--level", 2.55, "--level", 5.1, *FAST)
    code, out, _ = command(*words, "-o", "a.yaml", *(["--keep-partial"] if keep else []))
    assert code == 130
    assert Path("a.yaml").exists() == keep
    assert sorted(p.name for p in Path().iterdir()) == (["a.yaml"] if keep else []) + ["clean"]
    if keep:
        preset = read(Path("a.yaml"))
        assert [knot.level for knot in preset.knots] == [2.55]
        assert not preset.tuned.finished
        assert "wrote a.yaml, of what was found until Ctrl-C" in out
    else:
        assert "nothing written" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ffdnet-grey", "--data", "clean"), "unknown prior 'ffdnet-grey': nearest: ffdnet-gray"),
        (("ffdnet-gray", "--data", "clean", "--task", "denoising"), "unknown task 'denoising'"),
        (("ffdnet-gray", "--data", "clean", "--solver", "pgd"), "unknown solver 'pgd'"),
        (("ffdnet-gray", "--data", "nowhere"), "no such folder of training images: nowhere"),
        (("ffdnet-gray", "--data", "clean"), "0 of its 2 images are at least 128x128 pixels"),
        (("ffdnet-gray", "--data", "clean", "--level", "0.02", *FAST), "level 0.02: expected"),
        (("ffdnet-gray", "--data", "clean", "-o", "a.png"), "--output a.png: a preset is a .yaml"),
        (("ffdnet-gray", "--data", "clean", "-o", "/dev/null/a.yaml"), "cannot write there"),
        (("trd-jpeg-q10", "--data", "clean"), "trd-jpeg-q10 is trained for jpeg"),
    ],
)
def test_mistakes_are_one_line(command: Command, words: tuple[object, ...], message: str) -> None:
    code, out, err = command(*words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert [p.name for p in Path().iterdir()] == ["clean"]


def test_help_does_not_import_torch() -> None:
    code = "import sys, pnp_priors.tuning.command, pnp_priors.tuning.schema; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
