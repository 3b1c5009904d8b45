"""The bundled example: restored, measured as stored, and drawn beside its original."""

from pathlib import Path

import numpy as np
import pytest

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.pipelines.example import restore_example


def test_example(folder, smoother, photo):
    images.write(folder / "sharp.png", images.Image(photo))
    settings = {"example.input": "in/a.png", "example.truth": "sharp.png"}
    result = restore_example(pipelines.load("p.yaml", settings), Path("out"))
    assert result.restored == Path("out/deconvolution_restored.png")
    assert result.restored.is_file()
    assert images.read(result.comparison).pixels.shape[2] > 3 * 52
    assert result.scores is not None
    assert result.scores.before == "input"
    assert result.scores.psnr[0] > 60, "scored as stored"
    assert result.scores.ssim is not None
    assert result.scores.ssim[0] == pytest.approx(1)
    del settings["example.truth"]
    without = restore_example(pipelines.load("p.yaml", settings), Path("out2"))
    assert without.scores is None


def test_a_truth_of_another_size_and_no_example(folder, smoother, photo):
    images.write(folder / "sharp.png", images.Image(photo[:, 1:]))
    settings = {"example.input": "in/a.png", "example.truth": "sharp.png"}
    with pytest.raises(InputError, match=r"truth: .*sharp\.png: 52x47 pixels, colour, the"):
        restore_example(pipelines.load("p.yaml", settings), Path("out"))
    with pytest.raises(ConfigError, match="no example"):
        restore_example(pipelines.load("p.yaml"), Path("out"))


def test_the_baseline_of_a_task_is_shown_and_measured(folder):
    """Demosaicing: not the gray mosaic, but what interpolation makes of it."""
    from pnp_priors.pipelines.files import folder as shipped

    restorer = pipelines.load(shipped() / "demosaicing.yaml", {"solver.iterations": 1})
    result = restore_example(restorer, Path("out"))
    assert result.scores is not None
    assert result.scores.before == "linear interpolation"
    mosaic = images.read(shipped() / "examples" / "demosaicing_mosaic.png").pixels
    linear = pipelines.load(
        shipped() / "demosaicing.yaml", {"strength": 0, "solver.iterations": 1}
    )(mosaic)
    truth = images.read(shipped() / "examples" / "photo.png").pixels
    error = ((images.to_unit(images.to_stored(linear, "uint8")) - truth) ** 2).mean()
    assert result.scores.psnr[0] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert result.scores.psnr[0] > 20, "the mosaic itself is at 11.5 dB"


def test_equal_images_are_identical_not_infinitely_good(command, folder, smoother, photo):
    settings = ["example.input=in/a.png", "example.truth=in/a.png", "strength=0"]
    options = [part for setting in settings for part in ("--set", setting)]
    code, out, err = command("run", "p.yaml", "-o", "out", "--report", *options)
    assert code == 0
    assert "PSNR   identical input   identical restored" in out
    assert "inf" not in out + err
