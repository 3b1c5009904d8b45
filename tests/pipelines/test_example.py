"""The bundled example: restored, measured as stored, and drawn beside its original."""

from pathlib import Path

import numpy as np
import pytest

from pnp_priors import images, pipelines
from pnp_priors.errors import ConfigError, InputError
from pnp_priors.pipelines.example import enlarged, restore_example


def test_example(folder, smoother, photo):
    images.write(folder / "sharp.png", images.Image(photo))
    settings = {"example.input": "in/a.png", "example.truth": "sharp.png"}
    result = restore_example(pipelines.load("p.yaml", settings), Path("out"))
    assert result.restored == Path("out/deconvolution_restored.png")
    assert result.restored.is_file()
    assert images.read(result.comparison).pixels.shape[2] > 3 * 52
    assert result.psnr is not None
    assert result.psnr[0] > 60, "scored as stored"
    assert result.ssim is not None
    assert result.ssim[0] == pytest.approx(1)
    del settings["example.truth"]
    without = restore_example(pipelines.load("p.yaml", settings), Path("out2"))
    assert without.psnr is None


def test_a_truth_of_another_size_and_no_example(folder, smoother, photo):
    images.write(folder / "sharp.png", images.Image(photo[:, 1:]))
    settings = {"example.input": "in/a.png", "example.truth": "sharp.png"}
    with pytest.raises(InputError, match=r"sharp\.png: is \[3, 47, 52\], the restored"):
        restore_example(pipelines.load("p.yaml", settings), Path("out"))
    with pytest.raises(ConfigError, match="no example"):
        restore_example(pipelines.load("p.yaml"), Path("out"))


def test_enlarged_is_bicubic_and_gray_becomes_gray_in_colours():
    y, x = np.mgrid[:12, :16].astype(np.float32) / 16
    large = enlarged(np.stack([x, y, x]), (3, 24, 32))
    middle = (slice(6, -6), slice(6, -6))
    rows, columns = np.mgrid[:24, :32].astype(np.float32)
    # A ramp stays the ramp: pixel centres lie at halves.
    np.testing.assert_allclose(
        large[0][middle], ((columns + 0.5) / 2 - 0.5)[middle] / 16, atol=1e-6
    )
    np.testing.assert_allclose(large[1][middle], ((rows + 0.5) / 2 - 0.5)[middle] / 16, atol=1e-6)
    gray = enlarged(x[None], (3, 12, 16))
    assert gray.shape == (3, 12, 16)
    np.testing.assert_array_equal(gray[2], x)
