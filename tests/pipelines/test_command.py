"""``pnp-priors run``: what a newcomer types, what each mistake answers, how it ends and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from pnp_priors import images
from pnp_priors.pipelines import files

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130


@pytest.fixture(autouse=True)
def work(folder, smoother):
    return folder


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def said(err, kind):
    """Lines of one kind; monitoring may have its own to say of such small photos."""
    return [line for line in err.splitlines() if line.startswith(f"{kind}: ")]


def test_a_folder_is_mirrored_then_skipped(command, work):
    code, out, err = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert said(err, "error") == []
    assert files_below(work / "out") == ["a.png", "deep/b.tif"]
    assert images.read(Path("out/deep/b.tif")).dtype == "uint16"
    assert "2 restored, 0 skipped, 0 failed" in out
    assert (
        "in/a.png -> out/a.png (noise level 5.10/255, as given; schedule tuned for genericdp)"
        in out
    )
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert out.count("skipped, done already") == 2
    assert "0 restored, 2 skipped, 0 failed (whatever settings made them; --overwrite" in out
    _, out, _ = command("run", "p.yaml", "in", "-o", "out", "--overwrite")
    assert "2 restored, 0 skipped" in out


def test_pictures_of_kinds_that_cannot_be_read_are_said_once(command, work):
    def run():
        code, out, err = command("run", "p.yaml", "in", "-o", "out")
        assert code == 0
        assert "2 restored" in out or "2 skipped" in out
        return [line for line in said(err, "note") if "left out" in line]

    assert run() == []
    (work / "in/one.gif").touch()
    assert run() == [
        "note: in/one.gif is left out: such pictures cannot be read; convert to PNG or TIFF"
    ]
    (work / "in/deep/two.HEIC").touch()
    (line,) = run()
    assert "2 pictures are left out, which cannot be read: in/deep/two.HEIC, in/one.gif;" in line
    for number in range(3):
        (work / f"in/{number}.gif").touch()
    (line,) = run()
    assert "5 pictures are left out, which cannot be read: 4 .gif, 1 .heic;" in line


def test_patterns_batches_and_threads(command, work, photo):
    images.write(Path("in/deep/c.png"), images.Image(photo))
    options = ["--batch", 2, "--jobs", 2]
    code, out, _ = command("run", "p.yaml", "in/**/*.png", "-o", "out", *options)
    assert code == 0
    assert files_below(work / "out") == ["a.png", "deep/c.png"]
    assert "2 restored" in out


def test_settings(command):
    settings = ["noise.sigma=5.1/255", "solver.iterations=1", "prior.name=ffdnet-gray"]
    options = [part for setting in settings for part in ("--set", setting)]
    code, out, _ = command("run", "p.yaml", "in/a.png", "-o", "o", *options)
    assert code == 0
    assert "noise level 5.10/255" in out


def test_each_task_has_its_own_default_folder(command, work):
    code, _, _ = command("run", "p.yaml", "in/a.png")
    assert code == 0
    assert files_below(work / "pnp_priors_out") == ["deconvolution/a.png"]


def test_without_input_the_example_is_restored(command, work):
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
        (["p.yaml", "none/*.png"], "no images match none/*.png"),
        (["p.yaml", "in/notes.txt"], "in/notes.txt: not an image that can be read"),
        (
            ["p.yaml", "in", "--set", "solver.iteration=3"],
            "error: --set solver.iteration=3: unknown key 'solver.iteration'; nearest: "
            "solver.iterations; allowed: name",
        ),
        (
            ["p.yaml", "in", "--set", "solver.iterations=many"],
            "error: --set solver.iterations=many: solver.iterations: ",
        ),
        (
            ["p.yaml", "in", "--set", "noise.sigma=25", "--set", "solver.iterations=2"],
            "error: --set noise.sigma=25: noise.sigma: 25 looks like 0..255 units",
        ),
        (["p.yaml", "in", "--set", "scale=-1"], "--set scale=-1: scale: expected type, max or"),
        (["p.yaml", "in", "--set", "task=deblur"], "--set task=deblur: task: expected one of"),
        (["p.yaml", "in", "--set", "prior.name=generic"], "unknown prior 'generic'"),
        (["p.yaml", "in", "--set", "kernel.file=none.png"], "none.png"),
        (["p.yaml", "in", "--set", "kernel.key=k"], "no key 'k'"),
        (["p.yaml"], "this pipeline has no example"),
        (["p.yaml", "in", "--device", "abacus"], "device abacus"),
        (["p.yaml", "in", "--set", "kernel.file=none.npy"], "error: kernel.file: no such file"),
        (["p.yaml", "in", "--set", "prior.name=generic"], "error: prior.name: unknown prior"),
        (
            ["deconvolution", "--batch", "2", "--jobs", "1", "--reference", "in/a.png"],
            "error: --reference, --batch, --jobs: not for the bundled example; name the files",
        ),
        (["deconvolution", "--set", "example.input=no.png"], "error: example.input: no such file"),
        (["p.yaml", "in", "--set", "noise.sigma=.inf"], "expected a number in 0..1 units or auto"),
        (["p.yaml", "in", "--set", "tiles=16"], "error: tiles: 16: "),
    ],
)
def test_each_mistake_is_one_line_and_leaves_no_file(command, work, arguments, message):
    code, out, err = command("run", *arguments, "-o", "out")
    assert (code, out) == (MISTAKE, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (work / "out").exists()


@pytest.mark.parametrize("where", ["in/notes.txt", "in/notes.txt/out"])
def test_an_output_that_cannot_be_written_is_found_before_work(command, monkeypatch, where):
    from pnp_priors.pipelines import build

    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("it started to work"))
    code, out, err = command("run", "p.yaml", "in", "-o", where)
    assert (code, out) == (MISTAKE, "")
    assert err.startswith("error: in/notes.txt: ")
    assert err.count("\n") == 1


def test_files_that_fail_are_listed_at_the_end(command, work):
    tifffile.imwrite("in/nan.tif", np.full((32, 32), np.nan, np.float32))
    Path("in/text.png").write_text("no image")
    Path("in/empty.jpg").touch()
    Path("in/x.png").mkdir()
    np.save("large.npy", np.ones((49, 49)))
    code, out, err = command("run", "p.yaml", "in", "-o", "out")
    assert code == FAILED
    assert files_below(work / "out") == ["a.png", "deep/b.tif"]
    assert [line.split(" (")[0] for line in said(err, "error")] == [
        "error: in/empty.jpg: the file is empty",
        "error: in/nan.tif: 1024 of its values are NaN or infinite",
        "error: in/text.png: not an image: its content is none of PNG, JPEG, TIFF, BMP and WEBP",
    ]
    assert out.count("failed: in/") == 3
    assert "2 restored, 0 skipped, 3 failed" in out
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == FAILED
    assert "0 restored, 2 skipped, 3 failed" in out
    code, _, err = command("run", "p.yaml", "in/a.png", "-o", "b", "--set", "kernel.file=large.npy")
    assert code == FAILED
    assert "kernel (49x49 pixels) must be smaller than the image (52x48)" in err


def test_a_single_input_in_the_file_and_what_its_output_loses(command, work, photo):
    """One input may be written to another kind of file, which may not hold all of it."""
    content = yaml.safe_load(Path("p.yaml").read_text())
    Path("q.yaml").write_text(yaml.safe_dump({**content, "input": "in/c.png"}))
    alpha = np.full((48, 52), 1000, np.uint16)
    images.write(Path("in/c.png"), images.Image(photo, "uint16", alpha))
    code, _, err = command("run", "q.yaml", "-o", "out.jpg")
    assert code == 0
    assert said(err, "note") == [
        f"note: {work}/in/c.png: .jpg files hold no 16 bits and no opacity: "
        "write a .png file to keep that"
    ]
    tifffile.imwrite("f.tif", photo[0])
    _, _, err = command("run", "p.yaml", "f.tif", "-o", "f.png")
    assert "f.tif: .png files hold no floating point values: write a .tif file" in err
    _, _, err = command("run", "q.yaml", "-o", "out.png")
    assert said(err, "note") == []


def test_what_a_task_says_of_a_photo_is_a_note_with_its_name(command, monkeypatch):
    from pnp_priors.pipelines.outcome import Used
    from pnp_priors.pipelines.restorer import Restorer

    used = Used(None, "no noise level needed", ("saved twice",))
    monkeypatch.setattr(Restorer, "describe", lambda *_: used)
    code, out, err = command("run", "p.yaml", "in/a.png", "-o", "out")
    assert code == 0
    assert "(no noise level needed; schedule tuned for genericdp)" in out
    assert said(err, "note") == ["note: in/a.png: saved twice"]


def test_own_images_with_the_kernel_of_the_example_are_refused(command):
    code, _, err = command("run", "deconvolution", "in/deep", "-o", "out")
    assert code == 2
    assert said(err, "error") == [
        "error: in/deep: kernel.file is the bundled example's; name that of your photos: "
        "--set kernel.file=FILE"
    ]
    assert not Path("out").exists()
    _, _, err = command("run", "deconvolution", "in/deep", "--set", "kernel.file=kernel.npy")
    assert "bundled example" not in err


def test_the_example_may_be_named(command):
    photo = files.folder() / "examples" / "inpainting_damaged.png"
    code, _, _ = command("run", "inpainting", str(photo), "-o", "out")
    assert code == 0
    assert Path("out/inpainting_damaged.png").is_file()


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_ctrl_c_says_how_far_it_came(command, work, smoother, options):
    images.write(Path("out/a.png"), images.read(Path("in/a.png")))
    Path("in/another.png").write_bytes(Path("in/a.png").read_bytes())
    calls = []

    def interrupt(*_):
        calls.append(0)
        if len(calls) == 3:  # of two for each file
            raise KeyboardInterrupt

    hook = smoother.register_forward_hook(interrupt)
    code, _, err = command("run", "p.yaml", "in", "-o", "out", *options)
    hook.remove()
    assert code == INTERRUPTED
    if options:
        assert said(err, "interrupted") == [
            "interrupted: 1 of 3 done; the same command starts again"
        ]
        return
    assert said(err, "interrupted") == ["interrupted: 2 of 3 done; the same command continues"]
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert "1 restored, 2 skipped, 0 failed" in out


def test_ctrl_c_while_the_example_is_restored(command, monkeypatch):
    from pnp_priors.pipelines import build

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", interrupt)
    code, _, err = command("run", "deconvolution")
    assert code == INTERRUPTED
    assert err.startswith("interrupted: nothing was written")
    assert err.count("\n") == 1


def test_a_full_disk_ends_the_run_in_one_line(command, monkeypatch):
    import errno

    def full(path, stored):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images.codecs, "encode", full)
    code, _, err = command("run", "p.yaml", "in", "-o", "out")
    assert code == FAILED
    assert err == "out: No space left on device: 0 of 2 done; the same command continues\n"


#: a run whose second file never ends: Ctrl-C is the default signal again, whoever started this
ENDLESS = """
import signal, sys, time
import torch
signal.signal(signal.SIGINT, signal.default_int_handler)
from pnp_priors import cli, registry
from pnp_priors.priors.base import Prior

class Stuck(Prior):
    calls = 0

    def __init__(self):
        super().__init__(channels=1, sigma_range=(0.0, 0.3))
        self.weight = torch.nn.Parameter(torch.ones(()))

    def _denoise(self, x, sigma):
        self.calls += 1
        if self.calls > 2:
            print("stuck", flush=True)
            time.sleep(600)
        return x

registry.load = lambda *_, **__: Stuck()
sys.argv = ["pnp-priors", "run", "p.yaml", "in", "-o", "out"]
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_real_ctrl_c_and_what_a_kill_leaves_then_the_rest(command, work):
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        while process.stdout.readline() != "stuck\n":
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == INTERRUPTED
    assert said(err, "interrupted") == ["interrupted: 1 of 2 done; the same command continues"]
    assert "Traceback" not in err
    assert files_below(work / "out") == ["a.png"]
    # As if it had been killed while writing the second file, see test_atomic.
    part = Path("out/deep/.pnp_priors-0123.part.tif")
    part.parent.mkdir()
    part.write_bytes(b"half")
    os.utime(part, (time.time() - 3600,) * 2)
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert "1 restored, 1 skipped, 0 failed" in out
    assert files_below(work / "out") == ["a.png", "deep/b.tif"]


def test_nothing_is_loaded_where_all_is_done(command, monkeypatch):
    from pnp_priors.pipelines import build

    command("run", "p.yaml", "in", "-o", "out")
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("nothing to load for"))
    code, out, _ = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert "2 skipped" in out


def test_the_pipelines_own_input_output_and_scale(command, work, photo):
    content = yaml.safe_load(Path("p.yaml").read_text())
    tifffile.imwrite("counts.tif", (4000 * photo[0]).astype(np.float32))
    content |= {"input": ["counts.tif"], "output": "restored", "scale": 4000}
    Path("q.yaml").write_text(yaml.safe_dump(content))
    code, out, _ = command("run", "q.yaml")
    assert code == 0
    assert "1 restored" in out
    assert tifffile.imread("restored/counts.tif").max() > 1000
