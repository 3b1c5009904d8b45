"""What passes: differences of pixels and of PSNR, each within its limit; NaN within none."""

import math

import numpy as np
import pytest

from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import PSNR_LIMITS, Problem, Row, Verdict, _measured

IMAGE = np.linspace(0, 1, 1200, dtype=np.float32).reshape(1, 1, 30, 40)
LEVEL = np.array([0.1], np.float32)


def row(difference=1e-7, psnr=None, psnr_allowed=None):
    return Row("a", difference, 1e-6, psnr, 1.0, None, psnr_allowed)


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (row(), True),
        (row(2e-6), False),
        (row(math.nan), False),
        (row(psnr=-0.02), True),
        (row(psnr=-0.02, psnr_allowed=0.01), False),
        (row(psnr=0.005, psnr_allowed=0.01), True),
        (row(psnr=math.nan, psnr_allowed=0.01), False),
    ],
)
def test_what_passes(found, passed):
    assert found.passed is passed
    assert Verdict("torch", [row(), found], 1e-6).passed is passed


def test_words():
    verdict = Verdict("torch", [row(psnr=0.001, psnr_allowed=0.01), row(5e-6, -0.02, 0.01)], 1e-6)
    lines = str(verdict).splitlines()
    assert lines[2].endswith("more than 1.0e-06  more than 0.01 dB")
    assert lines[-1] == verdict.summary
    assert verdict.summary == (
        "largest difference to torch: 5.0e-06 (allowed 1e-06); of PSNR: -0.0200 dB (allowed 0.01)"
    )
    assert "PSNR" not in Verdict("torch", [row()], 1e-6).summary


@pytest.mark.parametrize(
    ("clean", "level", "counts"),
    [
        (IMAGE, 25, True),
        (IMAGE, None, True),
        (IMAGE, 0, False),
        (IMAGE, 100, False),
        (IMAGE[..., :3], 25, False),
        (None, 25, False),
    ],
)
def test_where_psnr_counts(clean, level, counts):
    problem = Problem("a", {}, lambda: IMAGE, clean=clean, level=level)
    assert problem.psnr_counts is counts


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 0.001),
        ({"precision": "float16"}, 0.01),
        ({"precision": "int8", "psnr_difference": {"10": -0.3, "25": -0.1}}, 0.8),
    ],
)
def test_limits_are_those_of_the_precision(write_toy, make_passport, tmp_path, changes, limit):
    """A thousandth of a dB more noise than torch leaves is too much in float32 alone."""
    metadata = make_passport(tolerance=1.0, **changes).metadata()
    session = open_session(write_toy(tmp_path / "toy.onnx", metadata), threads=1)
    inputs, clean = {"x": IMAGE, "sigma": LEVEL}, IMAGE
    exact = IMAGE + LEVEL * 10 ** (-0.005 / 20)  # 0.005 dB better than the toy
    found = _measured(session, Problem("a", inputs, lambda: exact, clean=clean, level=25), 1.0)
    assert found.psnr == pytest.approx(-0.005, abs=1e-4)
    assert found.psnr_allowed == pytest.approx(limit)
    assert found.passed is (limit > 0.005)
    assert set(PSNR_LIMITS) == {"float32", "float16", "int8"}
