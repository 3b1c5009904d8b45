"""Perona–Malik diffusion with learned diffusivities: the scheme, each diffusivity, its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors import registry
from pnp_priors.errors import ConfigError, InputError, UnknownNameError, WeightsError
from pnp_priors.priors._diffusivities import (
    AdaptiveK,
    DecreasingExperts,
    Diffusivity,
    Experts,
    MonomialExperts,
    RothBlackExperts,
    SplineExperts,
    squared_gradient,
    standardise,
)
from pnp_priors.priors._diffusivity_unet import UNet, from_cells, pooled_cells, to_cells
from pnp_priors.priors.perona_malik import KINDS, LARGEST_STEP, PeronaMalik, divergence

FIELDS = sorted(name for name, kind in KINDS.items() if issubclass(kind, Experts))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(height: int = 12, width: int = 15, batch: int = 1, seed: int = 0) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=generator(seed)).double()


def random_prior(kind: str, seed: int = 0, spread: float = 1.0, **settings: int) -> PeronaMalik:
    """Float64, its weights far off their start: nothing may depend on sensible ones."""
    torch.manual_seed(seed)
    prior = PeronaMalik(kind, settings or None).double().eval()
    with torch.no_grad():
        for parameter in prior.parameters():
            noise = torch.randn(parameter.shape, generator=generator(seed)).double()
            parameter += spread * noise
    return prior


# --- the scheme ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (3, 4)])
def test_the_divergence_is_a_symmetric_matrix_with_zero_row_sums(shape: tuple[int, int]) -> None:
    count = math.prod(shape)
    a = image(*shape)
    units = torch.eye(count).double().reshape(count, 1, *shape)
    matrix = divergence(units, a.expand_as(units)).reshape(count, count).T
    torch.testing.assert_close(matrix, matrix.T)
    assert matrix.sum(dim=1).abs().max() < 1e-12
    off = matrix - torch.diag(matrix.diagonal())
    assert (off >= 0).all()
    # one entry per pair of neighbours, with the mean of both diffusivities
    flat = a.reshape(-1)
    for p in range(count):
        for q in range(count):
            rows, columns = abs(p // shape[1] - q // shape[1]), abs(p % shape[1] - q % shape[1])
            expected = 0.5 * (flat[p] + flat[q]) if rows + columns == 1 else 0.0
            if p != q:
                assert matrix[p, q] == pytest.approx(float(expected))
    assert (matrix.diagonal() >= -4).all()


def test_the_divergence_of_three_pixels_by_hand() -> None:
    u = torch.tensor([[[[0.0, 1.0, 3.0]]]])
    a = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    # fluxes: 0.75 * 1 and 0.25 * 2
    expected = torch.tensor([[[[0.75, 0.5 - 0.75, -0.5]]]])
    torch.testing.assert_close(divergence(u, a), expected)
    torch.testing.assert_close(divergence(u.mT, a.mT), expected.mT)


@pytest.mark.parametrize("spread", [0.3, 3.0])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", [0, 1])
def test_keeps_the_mean_and_obeys_the_maximum_principle(
    kind: str, seed: int, spread: float
) -> None:
    prior = random_prior(kind, seed, spread)
    x = image(21, 18, batch=2, seed=seed) * 1.6 - 0.3
    a = prior.diffusivity(x)
    assert a.shape == x.shape
    assert (a >= 0).all()
    assert (a <= 1).all()
    out = prior(x, prior.sigma_range[0])
    torch.testing.assert_close(out.mean(dim=(2, 3)), x.mean(dim=(2, 3)), rtol=0, atol=1e-13)
    assert (out.amax(dim=(2, 3)) <= x.amax(dim=(2, 3)) + 1e-13).all()
    assert (out.amin(dim=(2, 3)) >= x.amin(dim=(2, 3)) - 1e-13).all()


@pytest.mark.parametrize("logit", [-60.0, 0.0, 60.0])
def test_no_learned_step_is_unstable(logit: float) -> None:
    """Even full diffusion of a checkerboard with the largest step stays inside its range."""
    prior = random_prior("splines")
    with torch.no_grad():
        prior.step_logit.fill_(logit)
        prior.diffusivity.start.fill_(1e3)
        prior.diffusivity.slopes.zero_()
    assert 0 <= prior.step <= LARGEST_STEP
    x = (torch.arange(8)[:, None] + torch.arange(8)[None]).remainder(2).double()[None, None]
    out = prior(x, prior.sigma_range[0])
    assert (out >= -1e-12).all()
    assert (out <= 1 + 1e-12).all()


def loop_perona_malik(u: np.ndarray, k: float, step: float, iterations: int) -> np.ndarray:
    """Perona–Malik in 0..255 units with a fixed K, pixel by pixel."""
    height, width = u.shape
    for _ in range(iterations):
        a = np.empty_like(u)
        for y in range(height):
            for x in range(width):
                north = u[y - 1, x] - u[y, x] if y > 0 else 0.0
                south = u[y + 1, x] - u[y, x] if y < height - 1 else 0.0
                west = u[y, x - 1] - u[y, x] if x > 0 else 0.0
                east = u[y, x + 1] - u[y, x] if x < width - 1 else 0.0
                s = (north**2 + south**2) / 2 + (west**2 + east**2) / 2
                a[y, x] = 1 / (1 + s / k**2)
        change = np.zeros_like(u)
        for y in range(height):
            for x in range(width):
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    j, i = y + dy, x + dx
                    if 0 <= j < height and 0 <= i < width:
                        change[y, x] += (a[y, x] + a[j, i]) / 2 * (u[j, i] - u[y, x])
        u = u + step * change
    return u


@pytest.mark.parametrize("shape", [(7, 6), (1, 5), (1, 1)])
def test_a_fixed_k_is_perona_and_malik_s_loop(shape: tuple[int, int]) -> None:
    prior = PeronaMalik("ka", step=0.15).double().eval()
    diffusivity = prior.diffusivity
    assert isinstance(diffusivity, AdaptiveK)
    with torch.no_grad():
        diffusivity.dense.weight.zero_()
        diffusivity.dense.bias.fill_(math.sqrt(29.0))
    x = image(*shape)
    expected = loop_perona_malik(255 * x[0, 0].numpy(), k=30.0, step=0.15, iterations=10)
    found = 255 * prior(x, prior.sigma_range[0])[0, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_the_diffusivity_is_that_of_the_current_iterate() -> None:
    prior = random_prior("decreasing", spread=0.1)
    u = image()
    expected = u
    for _ in range(prior.iterations):
        expected = expected + prior.step * divergence(expected, prior.diffusivity(expected))
    torch.testing.assert_close(prior(u, prior.sigma_range[0]), expected)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_untrained_prior_is_a_diffusion_that_denoises(kind: str) -> None:
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 48, 48)
    noisy = ramp + 25 / 255 * torch.randn(ramp.shape, generator=generator(1))
    torch.manual_seed(0)
    restored = PeronaMalik(kind).eval()(noisy, 25 / 255)
    assert (restored - ramp).square().mean() < 0.3 * (noisy - ramp).square().mean()


# --- sizes, settings, tiles ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "published"),
    [("ka", 206e3), ("splines", 2e3), ("decreasing", 2e3), ("unet", 27.6e3)],
)
def test_sizes_are_those_of_table_3(kind: str, published: float) -> None:
    assert sum(p.numel() for p in PeronaMalik(kind).parameters()) == pytest.approx(
        published, rel=0.03
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 2), (17, 30)])
def test_any_size_and_batches_equal_singles(kind: str, size: tuple[int, int]) -> None:
    prior = random_prior(kind, spread=0.05)
    x = image(*size, batch=2)
    singles = torch.cat([prior(x[i : i + 1], 0.1) for i in range(2)])
    torch.testing.assert_close(prior(x, 0.1), singles)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_arguments_rebuild_it(kind: str) -> None:
    prior = random_prior(kind)
    rebuilt = registry.build("perona-malik", prior.arguments())
    rebuilt.double().load_state_dict(prior.state_dict())
    assert rebuilt.arguments() == prior.arguments()
    assert torch.equal(rebuilt.eval()(image(), 0.1), prior(image(), 0.1))


def test_every_parameter_has_a_learning_rate() -> None:
    for kind in KINDS:
        prior = PeronaMalik(kind)
        grouped = [p for group in prior.parameter_groups().values() for p in group]
        assert len(grouped) == len({id(p) for p in grouped})
        assert {id(p) for p in grouped} == {id(p) for p in prior.parameters()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"diffusivity": "spline"}, "nearest: splines"),
        ({"iterations": 0}, "iterations"),
        ({"step": 0.25}, "step"),
        ({"step": 0.0}, "step"),
        ({"settings": {"kernel": 8}}, "odd"),
        ({"settings": {"experts": 0}}, "experts"),
        ({"settings": {"intervals": 0}}, "intervals"),
        ({"settings": {"expert": 3}}, "expert"),
        ({"diffusivity": "unet", "settings": {"levels": 1}}, "levels"),
        ({"diffusivity": "ka", "settings": {"widths": [32]}}, "two numbers"),
    ],
    ids=str,
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, InputError, UnknownNameError), match=message):
        registry.build("perona-malik", arguments)


@pytest.mark.parametrize("kind", ["ka", "unet"])
def test_what_looks_at_the_whole_image_refuses_tiles(kind: str) -> None:
    prior = PeronaMalik(kind)
    assert prior.receptive_field is None
    with pytest.raises(InputError, match="PeronaMalik cannot be tiled"):
        _ = prior.halo


def test_the_receptive_field_of_a_field_of_experts() -> None:
    torch.manual_seed(0)
    prior = PeronaMalik("splines", {"kernel": 3}, iterations=2).double().eval()
    assert prior.receptive_field == 2 * 2 * (1 + 1) + 1
    x = image(21, 21).requires_grad_()
    (gradient,) = torch.autograd.grad(prior(x, 25 / 255)[0, 0, 10, 10], x)
    rows = gradient[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (10 - prior.halo, 10 + prior.halo)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_gradients_reach_every_parameter(kind: str) -> None:
    prior = random_prior(kind, spread=0.02)
    prior(image(20, 24), 25 / 255).square().sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_still_compute_in_single(kind: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    prior = PeronaMalik(kind).eval()
    x = image().float()
    expected = prior(x, 25 / 255)
    found = prior.to(dtype)(x, 25 / 255)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)


# --- K from a network ----------------------------------------------------------------------------


def test_the_squared_gradient_by_hand() -> None:
    u = torch.tensor([[[[0.0, 2.0, 3.0], [4.0, 2.0, 3.0]]]])
    rows = torch.tensor([[16.0, 0.0, 0.0], [16.0, 0.0, 0.0]])
    columns = torch.tensor([[4.0, 5.0, 1.0], [4.0, 5.0, 1.0]])
    torch.testing.assert_close(squared_gradient(u)[0, 0], (rows + columns) / 2)


def test_k_is_one_number_per_image_and_at_least_one() -> None:
    diffusivity = random_prior("ka", spread=0.1).diffusivity
    assert isinstance(diffusivity, AdaptiveK)
    x = image(20, 20, batch=3)
    k = diffusivity.contrast(x)
    assert k.shape == (3, 1, 1, 1)
    assert (k >= 1).all()
    assert len(k.unique()) == 3
    a = diffusivity(x)
    torch.testing.assert_close(a, 1 / (1 + squared_gradient(255 * x) / k**2))


# --- fields of experts ---------------------------------------------------------------------------


def spline_in_numpy(x: np.ndarray, start: float, slopes: np.ndarray) -> np.ndarray:
    knots = np.linspace(0, 1, len(slopes) + 1)
    values = start + np.concatenate([[0], np.cumsum(slopes) / len(slopes)])
    return np.interp(x, knots, values)


@pytest.mark.parametrize("kind", ["splines", "decreasing"])
def test_splines_are_numpy_s_interpolation(kind: str) -> None:
    field = random_prior(kind).diffusivity
    assert isinstance(field, SplineExperts)
    x = torch.linspace(0, 1, 1001).double()
    found = field.functions(x.expand(field.experts, -1))
    for i in range(field.experts):
        slopes = field.steepness()[i].detach().numpy()
        expected = spline_in_numpy(x.numpy(), field.start[i].item(), slopes)
        np.testing.assert_allclose(found[i].detach().numpy(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_decreasing_splines_decrease_whatever_the_weights(seed: int) -> None:
    field = random_prior("decreasing", seed, spread=5.0).diffusivity
    assert isinstance(field, DecreasingExperts)
    x = torch.linspace(0, 1, 500).double().expand(field.experts, -1)
    assert (torch.diff(field.functions(x), dim=1) <= 1e-12).all()


def test_monomials_and_roth_black_functions_are_the_paper_s() -> None:
    x = torch.linspace(0, 1, 11).double()
    monomials = random_prior("monomials").diffusivity
    assert isinstance(monomials, MonomialExperts)
    for i, row in enumerate(monomials.functions(x.expand(monomials.experts, -1))):
        torch.testing.assert_close(row, monomials.coefficients[i] * x**i)
    roth_black = random_prior("roth-black").diffusivity
    assert isinstance(roth_black, RothBlackExperts)
    alpha = roth_black.log_alpha.exp()
    for i, row in enumerate(roth_black.functions(x.expand(roth_black.experts, -1))):
        torch.testing.assert_close(row, (1 + (2 * x - 1) ** 2 / 2) ** -alpha[i])


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (11, 13)])
def test_a_field_of_experts_by_its_formula(kind: str, shape: tuple[int, int]) -> None:
    field = random_prior(kind, experts=5, kernel=5).diffusivity
    assert isinstance(field, Experts)
    u = image(*shape)
    padded = np.pad((u[0, 0].numpy() - 0.5) / 0.25, 2, mode="symmetric")
    total = torch.zeros(shape).double() + field.offset()
    responses = np.empty((5, *shape))
    for i in range(5):
        kernel = field.filters[i, 0].detach().numpy()
        for y in range(shape[0]):
            for x in range(shape[1]):
                responses[i, y, x] = (kernel * padded[y : y + 5, x : x + 5]).sum()
    arguments = torch.sigmoid(torch.from_numpy(responses)).flatten(1)
    total = total + field.functions(arguments).sum(dim=0).reshape(shape)
    torch.testing.assert_close(field(u)[0, 0], torch.sigmoid(total))


# --- U-Net ---------------------------------------------------------------------------------------


def plain_unet(net: UNet, u: Tensor) -> Tensor:
    """The network by its own convolutions, pooling and transposed convolutions."""
    height, width = u.shape[-2:]
    multiple = 2**net.levels
    x = F.pad(standardise(u), (0, -width % multiple, 0, -height % multiple), mode="replicate")
    kept = []
    for level, block in enumerate(net.down):
        x = F.max_pool2d(x, 2) if level else x
        for layer in block.children():
            x = layer(x).relu()
        kept.append(x)
    for level in reversed(range(net.levels - 1)):
        x = torch.cat([net.rise[level](x), kept[level]], dim=1)
        for layer in block_layers(net.up[level]):
            last = level == 0 and layer is block_layers(net.up[0])[-1]
            x = layer(x) if last else layer(x).relu()
    return torch.sigmoid(x[..., :height, :width])


def block_layers(block: nn.Module) -> list[nn.Module]:
    return list(block.children())


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (32, 64), (37, 50)])
def test_the_u_net_on_cells_is_the_plain_one(shape: tuple[int, int]) -> None:
    net = random_prior("unet", spread=0.1).diffusivity
    assert isinstance(net, UNet)
    u = image(*shape, batch=2)
    torch.testing.assert_close(net(u), plain_unet(net, u), rtol=0, atol=1e-9)


def test_cells_go_back_and_forth() -> None:
    x = torch.randn(2, 3, 6, 8, generator=generator(0))
    cells = to_cells(x)
    assert torch.equal(from_cells(cells), x)
    assert torch.equal(pooled_cells(cells), F.max_pool2d(x, 2))
    assert torch.equal(cells[:, 3:6], x[:, :, 0::2, 1::2])


# --- training in bfloat16 ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("kernel", [5, 9])
def test_bfloat16_training_has_the_values_and_gradients_of_the_plain_form(
    kind: str, kernel: int
) -> None:
    torch.manual_seed(0)
    prior = PeronaMalik(kind, {"kernel": kernel}, iterations=3).train()
    # Whole cells and not; smooth, as functions of sharp responses differ by their slopes.
    coarse = torch.rand(2, 1, 4, 4, generator=generator(3))
    x = F.interpolate(coarse, (18, 23), mode="bicubic")
    gradients, outputs = [], []
    for bfloat16 in (False, True):
        prior.prepare_training(bfloat16)
        prior.zero_grad()
        out = prior(x, 25 / 255)
        (out - 0.5).square().sum().backward()
        outputs.append(out.detach())
        gradients.append(
            {n: p.grad.clone() for n, p in prior.named_parameters() if p.grad is not None}
        )
    moved = (outputs[0] - x).norm()
    assert (outputs[1] - outputs[0]).norm() < 0.01 * moved
    for name, exact in gradients[0].items():
        assert (gradients[1][name] - exact).norm() < 0.05 * exact.norm() + 1e-6, name


def test_in_eval_mode_the_plain_form_is_used() -> None:
    torch.manual_seed(0)
    prior = PeronaMalik("splines").eval()
    expected = prior(image().float(), 0.1)
    prior.prepare_training(bfloat16=True)
    assert torch.equal(prior(image().float(), 0.1), expected)


def test_a_diffusivity_without_arguments_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Diffusivity().arguments()


def test_another_diffusivity_is_no_start() -> None:
    """Splines and decreasing ones have tensors of the same sizes, with other meanings."""
    splines, other = random_prior("splines"), random_prior("splines", seed=1)
    splines.adopt(other)
    assert torch.equal(splines.diffusivity.slopes, other.diffusivity.slopes)
    for wrong in (random_prior("decreasing"), random_prior("splines", intervals=10)):
        with pytest.raises(WeightsError, match="another diffusivity than 'splines'"):
            splines.adopt(wrong)
