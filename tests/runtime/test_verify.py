"""What passes: differences of pixels and of PSNR, each within its limit; NaN within none."""

import math

import numpy as np
import pytest

from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import (
    PSNR_LIMITS,
    Problem,
    Row,
    Verdict,
    _measured,
    psnr_difference,
    psnr_stated,
)

IMAGE = np.linspace(0, 1, 1200, dtype=np.float32).reshape(1, 1, 30, 40)
LEVEL = np.array([0.1], np.float32)


def row(difference=1e-7, psnr=None, psnr_allowed=None, stated=0.0, allowed=1e-6, label="a"):
    return Row(label, difference, allowed, psnr, 1.0, None, psnr_allowed, stated)


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
        (row(psnr=-0.6, psnr_allowed=0.5, stated=-0.2), True),
        # Better than is stated by as much is as wrong as worse.
        (row(psnr=0.4, psnr_allowed=0.5, stated=-0.2), False),
        (row(psnr=-0.8, psnr_allowed=0.5, stated=-0.2), False),
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
    stated = Verdict("torch", [row(psnr=0.4, psnr_allowed=0.5, stated=-0.2)], 1e-6)
    assert stated.summary.endswith("of PSNR: +0.4000 dB (allowed 0.5 about -0.20)")


def test_the_largest_is_said_and_all_are_judged():
    """The largest difference may be where more is allowed, the one that is wrong elsewhere."""
    rows = [row(9e-6, allowed=1e-5), row(3e-6, label="narrow"), row(1e-7)]
    verdict = Verdict("torch", rows, 1e-6)
    assert verdict.largest is rows[0]
    assert verdict.worst is rows[1]
    assert not verdict.passed
    assert verdict.summary == (
        "largest difference to torch: 9.0e-06 (allowed 1e-05); "
        "too much at narrow: 3.0e-06 (allowed 1e-06)"
    )
    assert Verdict("torch", [row(), row(math.nan)], 1e-6).largest.label == "a"
    assert math.isnan(Verdict("torch", [row(), row(math.nan)], 1e-6).largest.difference)


def test_what_a_passport_states_at_a_level(make_passport):
    stated = {"50": -0.2, "10": -0.4, "75": -1.2}
    passport = make_passport(precision="int8", psnr_difference=stated)
    found = [psnr_stated(passport, level) for level in (5, 10, 20, 50, 62.5, 90)]
    assert found == pytest.approx([-0.4, -0.4, -0.35, -0.2, -0.7, -1.2])
    assert psnr_stated(passport, None) == pytest.approx(-0.6)
    assert psnr_stated(make_passport(), 25) == 0


def test_the_same_image_has_the_same_psnr():
    assert psnr_difference(IMAGE, IMAGE, IMAGE) == 0
    assert psnr_difference(IMAGE + 0.1, IMAGE + 0.01, IMAGE) == pytest.approx(-20, abs=1e-3)


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
    ("changes", "limit", "stated"),
    [
        ({}, 0.001, 0),
        ({"precision": "float16"}, 0.01, 0),
        ({"precision": "int8", "psnr_difference": {"10": -0.3, "25": -0.1}}, 0.5, -0.1),
    ],
)
def test_limits_are_those_of_the_precision(
    write_toy, make_passport, tmp_path, changes, limit, stated
):
    """A thousandth of a dB more noise than torch leaves is too much in float32 alone."""
    metadata = make_passport(tolerance=1.0, **changes).metadata()
    session = open_session(write_toy(tmp_path / "toy.onnx", metadata), threads=1)
    inputs, clean = {"x": IMAGE, "sigma": LEVEL}, IMAGE
    exact = IMAGE + LEVEL * 10 ** (-0.005 / 20)  # 0.005 dB better than the toy
    found = _measured(session, Problem("a", inputs, lambda: exact, clean=clean, level=25), 1.0)
    assert found.psnr == pytest.approx(-0.005, abs=1e-4)
    assert (found.psnr_allowed, found.psnr_stated) == (limit, stated)
    assert found.passed is (limit > 0.005)
    assert set(PSNR_LIMITS) == {"float32", "float16", "int8"}
