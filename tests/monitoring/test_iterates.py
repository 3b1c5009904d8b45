"""The watch of a solver's iterates: sees real divergence, changes nothing where there is none."""

import deepinv
import numpy as np
import pytest
import torch

from pnp_priors.monitoring import iterates
from pnp_priors.solvers import SOLVERS, Schedule, dpir, solver


class Scale(deepinv.models.Denoiser):
    """Multiplies each image of a batch by its own factor: above 1 it expands."""

    def __init__(self, *factors):
        super().__init__()
        self.factors = torch.tensor(factors).reshape(-1, 1, 1, 1)
        self.calls = 0

    def forward(self, x, sigma, **_):
        self.calls += 1
        return self.factors.to(x) * x


class Smooth(deepinv.models.Denoiser):
    def forward(self, x, sigma, **_):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return 0.5 * x + 0.5 * torch.nn.functional.avg_pool2d(padded, 3, stride=1)


class Break(Smooth):
    """Returns NaN from its fourth call on."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, sigma, **_):
        self.calls += 1
        return super().forward(x, sigma) if self.calls < 4 else x * np.nan


@pytest.fixture(scope="module")
def physics():
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None] / 16
    return deepinv.physics.BlurFFT(img_size=(1, 16, 18), filter=kernel)


@pytest.fixture(scope="module")
def y(physics):
    generator = torch.Generator().manual_seed(0)
    sharp = torch.rand(2, 1, 16, 18, generator=generator)
    return physics.A(sharp) + 0.01 * torch.randn(2, 1, 16, 18, generator=generator)


def flat(iterations, stepsize=1.0):
    return Schedule((0.05,) * iterations, (stepsize,) * iterations)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_run_that_goes_well_is_the_very_same(name, physics, y):
    plain = solver(name, Smooth(), dpir(0.01, 6))(y, physics)
    model = solver(name, Smooth(), dpir(0.01, 6))
    watched = iterates.run(model, y, physics)
    assert torch.equal(watched.x, plain)
    assert [t.divergence for t in watched.traces] == [None, None]
    assert [len(t.change) for t in watched.traces] == [6, 6]
    assert not model.fixed_point.iterator._forward_hooks, "the hook is gone"


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_prior_that_expands_diverges_and_the_result_stays_usable(name, physics, y):
    prior = Scale(3.0)
    plain = solver(name, prior, flat(60))(y, physics)
    size = y.square().mean().sqrt()
    # It really diverges: the unwatched result is at least ten times as large as the photo.
    assert not plain.isfinite().all() or plain.square().mean().sqrt() > 10 * size
    prior.calls = 0
    watched = iterates.run(solver(name, prior, flat(60)), y, physics)
    assert prior.calls < 60, "it stopped early"
    assert watched.x.isfinite().all()
    for b, trace in enumerate(watched.traces):
        assert trace.divergence is not None
        assert 0 <= trace.divergence.fallback < trace.divergence.iteration <= len(trace.change)
        # The result explains y better than a black image.
        left = physics.A(watched.x) - y
        assert left[b].square().mean() <= y[b].square().mean()
        (line,) = trace.warnings
        assert "\n" not in line
        assert f"iteration {trace.divergence.iteration}" in line


def test_the_fallback_is_the_iterate_that_it_names(physics, y):
    trace_of = iterates.run(solver("pgd", Scale(1.35), flat(40)), y, physics)
    found = trace_of.traces[0].divergence
    assert found is not None
    assert found.fallback > 0
    stopped = solver("pgd", Scale(1.35), flat(found.fallback))(y, physics)
    torch.testing.assert_close(trace_of.x[:1], stopped[:1], rtol=0, atol=0)


def test_images_of_a_batch_are_judged_one_by_one(physics, y):
    plain = solver("hqs", Scale(0.9, 3.0), flat(12))(y, physics)
    watched = iterates.run(solver("hqs", Scale(0.9, 3.0), flat(12)), y, physics)
    good, bad = watched.traces
    assert good.divergence is None
    assert bad.divergence is not None
    assert torch.equal(watched.x[0], plain[0])
    assert watched.x[1].abs().max() < 2 < plain[1].abs().max()


def test_not_finite_falls_back_to_the_iterate_before(physics, y):
    watched = iterates.run(solver("hqs", Break(), flat(8)), y, physics)
    before = solver("hqs", Break(), flat(8))
    third = []
    before.fixed_point.iterator.register_forward_hook(
        lambda _, __, out: third.append(out["est"][0])
    )
    before(y, physics)
    assert torch.equal(watched.x, third[2])
    assert str(watched.traces[0].divergence) == (
        "diverged in iteration 4: values that are not finite; the result is iterate 3"
    )


def test_numbers_are_those_of_the_definition(physics, y):
    model = solver("hqs", Smooth(), dpir(0.01, 3))
    seen = [physics.A_adjoint(y)]
    model.fixed_point.iterator.register_forward_hook(lambda _, __, out: seen.append(out["est"][0]))
    trace = iterates.run(model, y, physics).traces[1]
    for k in (1, 2, 3):
        before, now = seen[k - 1][1], seen[k][1]
        assert trace.change[k - 1] == pytest.approx(float((now - before).norm() / now.norm()))
        left = physics.A(seen[k])[1] - y[1]
        assert trace.residual[k - 1] == pytest.approx(float(left.square().mean().sqrt()), rel=1e-5)


def test_measurements_of_jpeg_have_no_residual():
    from pnp_priors.physics.jpeg_fidelity import QuantisationInterval
    from pnp_priors.physics.jpeg_physics import JPEG

    physics = JPEG((1, 16, 16), quality=20)
    y = physics(torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)))
    model = solver("hqs", Smooth(), flat(3), QuantisationInterval())
    watched = iterates.run(model, y, physics)
    assert torch.equal(watched.x, model(y, physics))
    assert watched.traces[0].residual == []
    assert len(watched.traces[0].change) == 3
