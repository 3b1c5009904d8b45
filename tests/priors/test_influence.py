"""Influence functions: the table against the sum of radial basis functions that it stands for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.priors.influence import InfluenceBasis

KINDS = ["gaussian", "triangular"]


def make_basis(kind: str) -> InfluenceBasis:
    return InfluenceBasis(kind).double()


def some_weights(count: int = 6) -> Tensor:
    """Random ones, and single basis functions: nothing interpolates worse than one alone."""
    generator = torch.Generator().manual_seed(3)
    random = torch.randn(count, 63, generator=generator, dtype=torch.float64)
    return torch.cat([random, torch.eye(63, dtype=torch.float64)[[0, 31, 62]]])


def grid(count: int, reach: float, points: int = 9973) -> Tensor:
    z = torch.linspace(-reach, reach, points, dtype=torch.float64)
    return z.expand(1, count, 1, -1).contiguous()


def formula(kind: str, z: Tensor, weights: Tensor) -> Tensor:
    """Eq. 6 of the TRD paper, written out: 63 centres from -310 to 310, gamma their distance."""
    out = torch.zeros_like(z)
    for j in range(63):
        distance = (z - (-310 + 10 * j)).abs() / 10
        phi = torch.exp(-0.5 * distance**2) if kind == "gaussian" else torch.relu(1 - distance)
        out += weights[:, j, None, None] * phi
    return out


def spread(values: Tensor) -> Tensor:
    """The range of each function: largest minus smallest value."""
    return values.amax(-1, keepdim=True) - values.amin(-1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_direct_sum_is_the_formula_of_the_paper(kind: str) -> None:
    basis, weights = make_basis(kind), some_weights()
    torch.testing.assert_close(basis.centres, torch.arange(-310.0, 311, 10, dtype=torch.float64))
    z = grid(len(weights), 400, 801)
    expected = formula(kind, z, weights)
    torch.testing.assert_close(basis.direct(z, weights), expected, rtol=0, atol=1e-12)
    at_all = torch.einsum("bnhwm,nm->bnhw", basis.values(z), weights)
    torch.testing.assert_close(at_all, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("reach", [12.0, 310.0, 2000.0])
@pytest.mark.parametrize("kind", KINDS)
def test_lookup_equals_the_direct_sum_to_1e_4_of_its_range(kind: str, reach: float) -> None:
    basis, weights = make_basis(kind), some_weights()
    z = grid(len(weights), reach)
    size = spread(basis.direct(grid(len(weights), 350), weights))
    error = (basis.lookup(z, basis.table(weights)) - basis.direct(z, weights)).abs()
    assert (error / size).max() <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_float32_lookup_is_as_good(kind: str) -> None:
    basis, weights = InfluenceBasis(kind), some_weights()
    z = grid(len(weights), 400)
    size = spread(basis.double().direct(grid(len(weights), 350), weights))
    exact = basis.direct(z, weights)
    single = InfluenceBasis(kind)
    found = single.lookup(z.float(), single.table(weights.float()))
    assert ((found - exact).abs() / size).max() <= 1.2e-4


def test_batches_read_the_same_functions() -> None:
    basis, weights = make_basis("gaussian"), some_weights()
    generator = torch.Generator().manual_seed(0)
    z = 100 * torch.randn(3, len(weights), 4, 5, generator=generator, dtype=torch.float64)
    table = basis.table(weights)
    one_by_one = torch.cat([basis.lookup(image[None], table) for image in z])
    assert torch.equal(basis.lookup(z, table), one_by_one)


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_in_z_is_that_of_the_sum(kind: str) -> None:
    """In the middle of table segments to 1e-4; anywhere within what straight segments allow."""
    basis, weights = make_basis(kind), some_weights()
    table = basis.table(weights)
    segment = torch.arange(table[0].shape[-1] - 1, dtype=torch.float64)
    worst = basis.table_step / 2 * 1.0  # max |d² exp(-r²/2)/dr²| = 1, weights below
    for offset, share in ((0.5, 1e-4), (0.1, None), (0.9, None)):
        z = basis.table_start + (segment + offset) * basis.table_step
        z = z.expand(1, len(weights), 1, -1).contiguous().requires_grad_()
        (direct,) = torch.autograd.grad(basis.direct(z, weights).sum(), z)
        (found,) = torch.autograd.grad(basis.lookup(z, table).sum(), z)
        error = (found - direct).abs()
        if share is None and kind == "gaussian":
            second = weights.abs().amax(-1)[None, :, None, None] * math.sqrt(2 * math.pi)
            assert (error <= worst * second / basis.spacing**2).all()
        else:  # triangles are straight between their corners, which are table entries
            assert (error / spread(direct)).max() <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_in_the_weights_is_that_of_the_sum(kind: str) -> None:
    basis, weights = make_basis(kind), some_weights(3)
    generator = torch.Generator().manual_seed(1)
    z = 120 * torch.randn(2, len(weights), 6, 7, generator=generator, dtype=torch.float64)
    cotangent = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    one, two = weights.clone().requires_grad_(), weights.clone().requires_grad_()
    (direct,) = torch.autograd.grad((basis.direct(z, one) * cotangent).sum(), one)
    (found,) = torch.autograd.grad((basis.lookup(z, basis.table(two)) * cotangent).sum(), two)
    # Each response adds its cotangent times a basis function, which is right to 1e-4 of 1.
    assert (found - direct).abs().max() <= 1e-4 * cotangent.abs().sum(dim=(0, 2, 3)).max()


def test_gradients_against_finite_differences() -> None:
    basis = make_basis("gaussian")
    generator = torch.Generator().manual_seed(2)
    # A third of a segment away from the table's entries, where straight segments meet.
    segment = torch.randint(0, 2000, (2, 3, 2, 2), generator=generator)
    z = basis.table_start + (segment + 1 / 3) * basis.table_step
    weights = torch.randn(3, 63, generator=generator, dtype=torch.float64)
    inputs = (z.double().requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(lambda z, w: basis.lookup(z, basis.table(w)), inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_fit_finds_the_weights_of_a_sum(kind: str) -> None:
    basis, weights = make_basis(kind), some_weights()
    z = torch.linspace(-310, 310, 1001, dtype=torch.float64)
    for weight in weights:
        target = formula(kind, z[None, None, None], weight[None]).flatten()
        fitted = basis.fit(z, target)
        refitted = formula(kind, z[None, None, None], fitted[None].double()).flatten()
        assert (refitted - target).abs().max() < 1e-3
    triangles = basis.fit(z, target)
    if kind == "triangular":  # well conditioned: the weights themselves come back
        torch.testing.assert_close(triangles.double(), weight, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_influence_function_is_the_derivative_of_the_penalty(kind: str) -> None:
    basis, weights = make_basis(kind), some_weights()
    penalty = basis.penalty(weights)
    assert penalty.shape == (len(weights), basis.sampled.shape[0])
    assert torch.equal(penalty.amin(-1), torch.zeros(len(weights), dtype=torch.float64))
    h = basis.table_step
    z = basis.table_start + h * torch.arange(1, penalty.shape[-1] - 1, dtype=torch.float64)
    slope = (penalty[:, 2:] - penalty[:, :-2]) / (2 * h)
    phi = formula(kind, z.expand(1, len(weights), 1, -1), weights)[0, :, 0]
    tolerance = 1e-3 if kind == "gaussian" else 2e-2  # at the corners of triangles
    assert ((slope - phi).abs() / spread(phi)).max() < tolerance


def test_the_penalty_of_one_gaussian_is_the_error_function() -> None:
    basis = make_basis("gaussian")
    weights = torch.zeros(1, 63, dtype=torch.float64)
    weights[0, 40] = 2.0
    penalty = basis.penalty(weights)[0]
    z = basis.table_start + basis.table_step * torch.arange(len(penalty), dtype=torch.float64)
    distance = (z - basis.centres[40]) / basis.spacing
    integral = 2 * basis.spacing * math.sqrt(math.pi / 2) * torch.erf(distance / math.sqrt(2))
    expected = integral - integral[0]
    assert (penalty - expected).abs().max() < 1e-4 * expected.max()


def test_an_unknown_basis_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'cubic'; known: gaussian, triangular"):
        InfluenceBasis("cubic")


def test_a_basis_has_nothing_to_save() -> None:
    assert not InfluenceBasis().state_dict()
    assert not list(InfluenceBasis().parameters())
