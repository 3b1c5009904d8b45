"""The residual's tests: their null distributions by simulation, and what they must find."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pnp_priors.errors import InputError
from pnp_priors.monitoring import residual

SIGMA = 0.02


def white(seed, shape=(48, 52)):
    return SIGMA * np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(40, 44), (3, 24, 25)])
def test_p_values_of_white_noise_are_uniform(shape):
    found = [residual.check(white(seed, shape), SIGMA) for seed in range(400)]
    for values in ([f.level_p for f in found], [f.whiteness_p for f in found]):
        # Kolmogorov-Smirnov: a true null exceeds 1.95 / sqrt(n) once in a thousand.
        ordered = np.sort(values)
        distance = np.abs(ordered - (np.arange(400) + 0.5) / 400).max()
        assert distance < 1.95 / np.sqrt(400)
    assert found[0].degrees == len(residual.LAGS) * (1 if len(shape) == 2 else 3)


def test_no_false_alarms_where_none_are_due():
    # At most one in a thousand by the tests; the size of deviations that is asked for leaves none.
    assert not any(residual.check(white(seed), SIGMA).warnings for seed in range(500))
    rejected = sum(residual.check(white(seed), SIGMA).level_rejected for seed in range(500))
    assert rejected <= 3


def test_whiteness_holds_for_rounding_noise():
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-0.5, 0.5, size=(200, 64, 64)) / 255
    p = [residual.check(one, 1 / 255 / np.sqrt(12)).whiteness_p for one in uniform]
    assert 0.4 < np.mean(p) < 0.6


def test_structure_is_found_and_named():
    y, x = np.mgrid[:48, :52]
    edges = white(0) + 0.03 * np.sign(np.sin(x / 6))
    lines = residual.check(edges, np.sqrt(SIGMA**2 + 0.03**2)).warnings
    (line,) = lines
    assert "not white" in line
    # Stripes are alike along themselves.
    assert " down, 0 right" in line
    assert "structure" in line
    across = residual.check(white(0) + 0.03 * np.sign(np.sin(y / 6)), 0.036)
    assert across.lag[0] == 0
    assert across.correlation > 0.5


def test_fitted_noise_is_told_from_structure():
    noise = white(7, (64, 64))
    # What is left when low frequencies of the noise were taken for image.
    left = noise - 0.5 * (np.roll(noise, 1, axis=1) + np.roll(noise, -1, axis=1))
    (line,) = residual.check(left, SIGMA).warnings
    assert "noise was fitted" in line


def test_blurred_noise_of_the_right_level_is_not_white():
    soft = gaussian_filter(white(1, (64, 64)), 0.7)
    soft *= SIGMA / soft.std()
    found = residual.check(soft, SIGMA)
    assert not found.level_rejected
    assert found.whiteness_rejected
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (SIGMA / 2, "too low"),
        (2.1 * SIGMA, "too high"),
        (SIGMA / 255, "too low"),
        (SIGMA * 255, "too high"),
    ],
)
def test_wrong_levels_are_found(stated, words):
    (line,) = residual.check(white(2), stated).warnings
    assert words in line
    assert "\n" not in line


def high_pass(noise):
    """Noise without its low frequencies, of the same level."""
    left = noise - 0.5 * (np.roll(noise, 1, axis=1) + np.roll(noise, -1, axis=1))
    return left * noise.std() / left.std()


def low_pass(noise):
    left = gaussian_filter(noise, 0.8)
    return left * noise.std() / left.std()


@pytest.mark.parametrize("colour", [high_pass, lambda noise: noise, low_pass])
@pytest.mark.parametrize("factor", [0.3, 1, 3])
@pytest.mark.parametrize("stated", [True, False])
def test_no_two_lines_contradict_each_other(factor, colour, stated):
    """Level and colour together are one line, with one word on the level, whosever it is."""
    found = residual.check(factor * colour(white(2, (96, 96))), SIGMA)
    lines = found.lines(stated)
    assert len(lines) == (factor != 1 or colour in (high_pass, low_pass))
    text = " ".join(lines)
    assert not ("too low" in text and "too high" in text)
    assert "too high" not in text or factor < 1
    assert "too low" not in text or factor > 1 or colour is high_pass
    assert ("estimated" if stated else "stated") not in text
    # Where the level was judged before, by an estimate, it is not once more.
    for line in found.lines(stated, level_said=True):
        assert "level is too" not in line
        assert not line.endswith(": ")


@pytest.mark.parametrize("factor", [0.2, 1, 3])
def test_a_level_that_was_judged_needs_no_other_reason(factor):
    """Structure that too high a level took out of the image is no property of the noise."""
    found = residual.check(factor * low_pass(white(2, (96, 96))), SIGMA)
    assert "the noise itself is correlated" in found.warnings[0]
    said = found.lines(level_said=True)
    assert "the noise itself" not in " ".join(said)
    assert len(said) == (factor >= 1)
    plain = residual.check(factor * white(2, (96, 96)), SIGMA)
    assert "noise was kept" not in " ".join(plain.lines(level_said=True))


def test_small_deviations_are_measured_but_not_shouted():
    found = residual.check(white(3, (256, 256)), 1.1 * SIGMA)
    assert found.level_rejected
    assert found.ratio == pytest.approx(1 / 1.1, rel=0.02)
    assert found.std == pytest.approx(SIGMA, rel=0.02)
    assert found.warnings == []


def test_autocorrelation_equals_brute_force():
    values = white(4, (17, 19))
    mask = np.random.default_rng(0).random(values.shape) < 0.95
    found = residual.check(values, SIGMA, mask=mask)
    centred = np.where(mask, values - values[mask].mean(), 0)
    variance = (centred[mask] ** 2).mean()
    statistic = 0.0
    for down, right in residual.LAGS:
        products = [
            centred[i, j] * centred[i + down, j + right]
            for i in range(17)
            for j in range(19)
            if 0 <= i + down < 17
            and 0 <= j + right < 19
            and mask[i, j]
            and mask[i + down, j + right]
        ]
        statistic += len(products) * (np.mean(products) / variance) ** 2
    assert found.whiteness == pytest.approx(statistic)
    assert found.pixels == mask.sum()


def test_border_and_mask_and_noise_map():
    spoiled = white(5)
    spoiled[:3] = spoiled[-3:] = 1
    spoiled[:, :3] = spoiled[:, -3:] = 1
    assert residual.check(spoiled, SIGMA).warnings
    assert residual.check(spoiled, SIGMA, border=3).warnings == []
    assert residual.check(spoiled, SIGMA, mask=np.abs(spoiled) < 0.5).warnings == []
    levels = np.linspace(1, 5, 52)
    found = residual.check(white(6) * levels, SIGMA * levels)
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("values", "sigma", "keywords", "words"),
    [
        (np.zeros((8, 8)), 0.1, {}, "too few"),
        (np.zeros((32, 32)), 0.0, {}, "above 0"),
        (np.zeros(400), 0.1, {}, r"\[H, W\]"),
        (np.zeros((32, 32)), 0.1, {"border": -1}, "border"),
        (np.zeros((32, 32)), 0.1, {"border": 30}, "too few"),
        (np.zeros((32, 32)), 0.1, {"mask": np.ones((3, 4))}, "does not fit"),
        (np.full((32, 32), np.nan), 0.1, {}, "NaN"),
    ],
)
def test_impossible_arguments(values, sigma, keywords, words):
    with pytest.raises(InputError, match=words):
        residual.check(values, sigma, **keywords)


def test_a_residual_of_nothing_but_zeros_has_no_correlation():
    found = residual.check(np.zeros((32, 32)), 0.1)
    assert (found.correlation, found.whiteness_p) == (0.0, 1.0)
    assert found.level_rejected
