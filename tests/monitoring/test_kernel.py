"""Kernels that are not what they seem: measured alone, and tried on a photo."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from pnp_priors.monitoring import kernel as kernels

LEVEL = 1.5 / 255


@pytest.fixture(scope="module")
def scene():
    """Discs and bars of different tones ``[200, 210]``."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:200, :210]
    image = np.full(y.shape, 0.4)
    for _ in range(60):
        cy, cx, r, tone = rng.uniform([0, 0, 4, 0.05], [200, 210, 22, 0.95])
        image[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = tone
    return image


def hook_shaped(size=13):
    """A path with a bright start, of no symmetry; centre of mass near its middle."""
    values = np.zeros((size, size))
    t = np.linspace(0, 1, 400)
    rows = 2 + 9 * t
    columns = 1 + 7 * np.sin(2.2 * t)
    for r, c, weight in zip(rows, columns, 1.1 - 0.6 * t, strict=True):
        values[round(r), round(c)] += weight
    return values / values.sum()


def photo(scene, kernel, seed=0):
    blurred = fftconvolve(scene, kernel, mode="valid")
    return blurred + LEVEL * np.random.default_rng(seed).normal(size=blurred.shape)


def test_a_flipped_kernel_is_found_and_the_right_one_is_not(scene):
    kernel = hook_shaped()
    y = photo(scene, kernel)
    right = kernels.orientation(y, kernel, LEVEL)
    assert not right.flipped
    assert right.warnings == []
    wrong = kernels.orientation(y, kernel[::-1, ::-1], LEVEL)
    assert wrong.flipped
    (line,) = wrong.warnings
    assert "flipped" in line
    # Both ways round are compared, so that flipping the question flips the answer.
    assert wrong.difference == pytest.approx(-right.difference, abs=1e-9)


def test_symmetric_kernels_are_silent(scene):
    half = hook_shaped(13)
    symmetric = half + half[::-1, ::-1]
    symmetric /= symmetric.sum()
    found = kernels.orientation(photo(scene, symmetric), symmetric, LEVEL)
    assert found.difference == pytest.approx(0, abs=1e-9)
    assert found.warnings == []
    # Symmetric about another point than its middle: the result is shifted, not worse.
    line = np.zeros((13, 13))
    line[6, 6:12] = 1 / 6
    assert not kernels.orientation(photo(scene, line), line, LEVEL).flipped
    assert not kernels.orientation(photo(scene, line), line[::-1, ::-1], LEVEL).flipped


def test_noise_alone_decides_nothing():
    rng = np.random.default_rng(0)
    kernel = hook_shaped()
    found = [kernels.orientation(0.1 * rng.normal(size=(120, 120)), kernel, 0.1) for _ in range(40)]
    assert not any(f.flipped for f in found)


def test_colours_and_photos_that_are_too_small(scene):
    kernel = hook_shaped()
    y = photo(scene, kernel)
    gray = kernels.orientation(y, kernel, LEVEL)
    assert kernels.orientation(np.stack([y] * 3), kernel, LEVEL).difference == pytest.approx(
        gray.difference
    )
    assert kernels.orientation(y[:40], kernel, LEVEL) is None


def test_offset_is_the_shift_of_the_restored_image(scene):
    kernel = np.zeros((9, 9))
    kernel[6, 1] = 1
    found = kernels.shape(kernel)
    assert found.offset == found.support_offset == (2.0, -3.0)
    # What the convolution does: y(p) = x(p - offset), so x(p) = y(p + offset).
    y = fftconvolve(scene, kernel, mode="same")
    np.testing.assert_allclose(y[20:100, 20:100], scene[18:98, 23:103], atol=1e-9)
    (line,) = [text for text in found.warnings if "centre" in text]
    assert "2.0 pixels down, 3.0 left" in line
    assert "shifted against the input by 2.0 pixels up, 3.0 right" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k: k, None),
        (lambda k: 255 * k, None),
        (lambda k: 0.93 * k, "sum is 0.93"),
        (lambda k: np.pad(k, 40), "array of 93x93"),
        (lambda k: np.pad(k, ((8, 0), (0, 0))), "centre of mass"),
    ],
)
def test_what_is_said_of_a_kernel(change, words):
    lines = kernels.shape(change(hook_shaped())).warnings
    if words is None:
        assert lines == []
    else:
        (line,) = lines
        assert words in line
