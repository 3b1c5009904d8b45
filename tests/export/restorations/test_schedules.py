"""Schedules that a graph computes are those of the solvers."""

import numpy as np
import pytest

from pnp_priors.export.graphs.restorations import schedules
from pnp_priors.solvers import presets
from pnp_priors.solvers import schedules as exact

LEVELS = [0.0, 0.0005, 0.007, 0.01, 0.0137, 0.02, 0.035, 0.04, 0.1, 0.5]


def both(compute, write, level):
    """Sigma and gamma of each iteration."""
    noise = np.array([level], np.float32)

    def rows(value):
        found = write(value.reshape([]))
        parts = [found.sigma, 1.0 / found.inverse_step]
        return value.graph.concat([part.reshape([1, -1]) for part in parts], axis=0)

    return compute(rows, noise, axes=2)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["dpir", "genericdp"])
def test_those_without_parameters(compute, name, level):
    found = both(compute, lambda v: schedules.FIXED[name](v, 7), level)
    expected = exact.SCHEDULES[name](level, 7)
    np.testing.assert_allclose(found, [expected.sigma, expected.stepsize], rtol=2e-5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("prior", ["ffdnet-gray", "genericdp"])
def test_presets_are_interpolated(compute, prior, level):
    preset = presets.find("deconvolution", prior)

    def write(noise):
        given = schedules.parameters(noise, preset, "deconvolution", "hqs")
        return schedules.dpir(noise, 8, given)

    expected = presets.at(preset, level, 8).schedule
    found = both(compute, write, level)
    np.testing.assert_allclose(found, [expected.sigma, expected.stepsize], rtol=2e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_of_deblocking(compute, level):
    preset = presets.find("jpeg-deblocking", "ffdnet-gray")

    def write(noise):
        given = schedules.parameters(noise, preset, "jpeg-deblocking", "hqs")
        found = schedules.deblocking(noise, 5, given)
        return schedules.Schedule(found.sigma, found.inverse_step * found.width)

    tuned = presets.at(preset, level, 5)
    found = both(compute, write, level)
    np.testing.assert_allclose(found[0], tuned.schedule.sigma, rtol=2e-5)
    np.testing.assert_allclose(1 / found[1], tuned.width, rtol=2e-5)


@pytest.mark.parametrize("scale", [1.0, 1.5, 4.0])
def test_of_super_resolution(compute, scale):
    given = presets.default_values("super-resolution", "hqs")
    found = both(
        compute,
        lambda v: schedules.super_resolution(v, v * 0.0 + scale, 6, given),
        0.004,
    )
    expected = exact.super_resolution(0.004, scale, 6, **given)
    np.testing.assert_allclose(found, [expected.sigma, expected.stepsize], rtol=2e-5)


def test_one_iteration(compute):
    found = both(compute, lambda v: schedules.FIXED["dpir"](v, 1), 0.01)
    expected = exact.dpir(0.01, 1)
    np.testing.assert_allclose(found, [expected.sigma, expected.stepsize], rtol=2e-5)
