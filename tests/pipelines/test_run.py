"""Files and folders: mirrored, skipped when done, at their depth, never half written."""

from pathlib import Path

import numpy as np
import pytest

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError, MissingFileError
from pnp_priors.pipelines.run import Job, plan, restore_example, restore_files


def test_a_folder_is_mirrored(folder):
    jobs = plan([Path("in")], Path("out"))
    assert jobs == [
        Job(Path("in/a.png"), Path("out/a.png")),
        Job(Path("in/deep/b.tif"), Path("out/deep/b.tif")),
    ]


def test_single_files(folder):
    assert plan([Path("in/a.png")], Path("out")) == [Job(Path("in/a.png"), Path("out/a.png"))]
    assert plan([Path("in/a.png")], Path("x.tif")) == [Job(Path("in/a.png"), Path("x.tif"))]


def test_output_inside_the_input_is_no_input(folder, photo):
    images.write(folder / "in" / "out" / "a.png", images.Image(photo))
    images.write(folder / "in" / ".hidden.png", images.Image(photo))
    assert [job.source.name for job in plan([Path("in")], Path("in/out"))] == ["a.png", "b.tif"]


def test_bad_plans(folder, photo):
    with pytest.raises(MissingFileError, match="no such file or folder: none"):
        plan([Path("none")], Path("out"))
    with pytest.raises(InputError, match="overwrite the input"):
        plan([Path("in")], Path("in"))
    images.write(folder / "other" / "a.png", images.Image(photo))
    with pytest.raises(InputError, match=r"would both be written to out.a\.png"):
        plan([Path("in"), Path("other")], Path("out"))
    Path("empty").mkdir()
    with pytest.raises(InputError, match="empty: no images"):
        plan([Path("empty")], Path("out"))
    with pytest.raises(InputError, match="must be a folder"):
        plan([Path("in")], Path("in/a.png"))


def test_restores_skips_and_overwrites(folder, smoother):
    restorer = pipelines.load("p.yaml")
    jobs = plan([Path("in")], Path("out"))
    first = list(restore_files(restorer, jobs))
    assert [done.noise for done in first] == [0.02, 0.02]
    assert images.read(Path("out/a.png")).dtype == "uint8"
    deep = images.read(Path("out/deep/b.tif"))
    assert deep.dtype == "uint16"
    assert np.abs(deep.pixels - images.read(Path("in/deep/b.tif")).pixels).max() > 1e-3
    assert len(np.unique(images.to_stored(deep.pixels, "uint16") % 257)) > 100, "really 16 bit"

    Path("out/a.png").write_text("mine")
    assert all(done.skipped for done in restore_files(restorer, jobs))
    assert Path("out/a.png").read_text() == "mine"
    assert not any(done.skipped for done in restore_files(restorer, jobs, overwrite=True))
    assert images.read(Path("out/a.png")).pixels.shape == (3, 48, 52)


def test_a_bad_file_is_named_and_does_not_stop_the_others(folder, smoother):
    bad = np.full((40, 40), np.nan, np.float32)
    import tifffile

    tifffile.imwrite("in/a_nan.tif", bad)
    images.write(Path("in/a_tiny.png"), images.Image(np.zeros((1, 4, 40))))
    done = list(restore_files(pipelines.load("p.yaml"), plan([Path("in")], Path("out"))))
    errors = [str(d.error) for d in done if d.error]
    assert len(errors) == 2
    assert errors[0].startswith("in/a_nan.tif: 1600 of its values are NaN")
    assert errors[1].startswith("in/a_tiny.png: kernel.file ")
    written = sorted(p.name for p in Path("out").rglob("*") if p.is_file())
    assert written == ["a.png", "b.tif"]


def test_opacity_stays(folder, smoother, photo):
    alpha = np.arange(48 * 52, dtype=np.uint16).reshape(48, 52)
    images.write(Path("in/c.png"), images.Image(photo, "uint16", alpha))
    list(restore_files(pipelines.load("p.yaml"), [Job(Path("in/c.png"), Path("out/c.png"))]))
    np.testing.assert_array_equal(images.read(Path("out/c.png")).alpha, alpha)


def test_example(folder, smoother, photo):
    images.write(folder / "sharp.png", images.Image(photo))
    settings = {"example.blurred": "in/a.png", "example.sharp": "sharp.png"}
    result = restore_example(pipelines.load("p.yaml", settings), Path("out"))
    assert result.restored.is_file()
    assert images.read(result.comparison).pixels.shape[2] > 3 * 52
    assert result.psnr is not None
    assert result.psnr[0] > 60, "scored as stored"
    assert result.ssim is not None
    assert result.ssim[0] == pytest.approx(1)
    del settings["example.sharp"]
    without = restore_example(pipelines.load("p.yaml", settings), Path("out2"))
    assert without.psnr is None


def test_no_example(folder, smoother):
    with pytest.raises(ConfigError, match="no example"):
        restore_example(pipelines.load("p.yaml"), Path("out"))
