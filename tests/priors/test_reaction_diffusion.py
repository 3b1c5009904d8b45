"""Reaction diffusion against brute force, finite differences and the papers' formulas."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor, nn

from pnp_priors.errors import InputError, WeightsError
from pnp_priors.priors._diffusion_cpu import TILE, pack, tiled_term
from pnp_priors.priors.influence import InfluenceBasis
from pnp_priors.priors.reaction_diffusion import (
    ReactionDiffusion,
    colour_filters,
    dct_filters,
    lowest_components,
    symmetric_pad,
)


def random_process(seed: int = 0, **arguments: object) -> ReactionDiffusion:
    """A small process in float64, moved off its symmetric start at random."""
    process = ReactionDiffusion(
        **{"stages": 3, "filter_size": 3, "levels": 5, "sigma_range": (0.004, 0.02), **arguments}  # type: ignore[arg-type]
    ).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in process.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            scale = 0.3 if parameter is process.coefficients else 0.05
            parameter += scale * noise
    return process.eval()


def image(height: int = 6, width: int = 7, batch: int = 1, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("size", "count"), [(5, 24), (7, 48), (9, 80)])
def test_the_filters_are_the_dct_without_its_constant(size: int, count: int) -> None:
    filters = dct_filters(size).double()
    assert filters.shape == (count, size * size)
    torch.testing.assert_close(filters @ filters.T, torch.eye(count).double(), rtol=0, atol=1e-6)
    assert filters.sum(dim=1).abs().max() < 1e-6
    # The one-dimensional cosines, along both axes.
    n = np.arange(size)
    wave = np.cos(np.pi * (2 * n + 1) * 2 / (2 * size))
    wave /= np.linalg.norm(wave)
    flat = np.full(size, size**-0.5)
    found = filters.reshape(count, size, size).numpy()
    np.testing.assert_allclose(found[1], np.outer(flat, wave), atol=1e-6)
    np.testing.assert_allclose(found[2 * size - 1], np.outer(wave, flat), atol=1e-6)


def test_trained_filters_keep_unit_norm_and_zero_mean() -> None:
    filters = random_process(filter_size=5).filters().flatten(2)
    torch.testing.assert_close(filters.norm(dim=-1), torch.ones(3, 24).double())
    assert filters.sum(-1).abs().max() < 1e-5


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_colour_filters_are_a_basis_without_the_constant(channels: int) -> None:
    filters = colour_filters(5, channels).double()
    count = 25 * channels - 1
    assert filters.shape == (count, 25 * channels)
    torch.testing.assert_close(filters @ filters.T, torch.eye(count).double(), rtol=0, atol=1e-6)
    assert filters.sum(dim=1).abs().max() < 1e-5
    gray = dct_filters(5).double() / channels**0.5
    for channel in filters[:24].unflatten(1, (channels, 25)).unbind(1):
        torch.testing.assert_close(channel, gray, rtol=0, atol=1e-6)


def test_a_colour_network_starts_with_all_filters_of_the_sum_and_low_ones_of_differences() -> None:
    kept = lowest_components(3, 3, 12).tolist()
    # 8 of the sum; then each difference's constant (8, 17) and its two first cosines.
    assert kept == [*range(8), 8, 9, 11, 17]
    assert lowest_components(5, 1, 24).tolist() == list(range(24))


@pytest.mark.parametrize("shape", [(6, 7), (1, 1), (1, 5), (2, 3), (20, 3)])
@pytest.mark.parametrize("pad", [0, 1, 4, 8, 23])
def test_symmetric_padding_is_numpys(shape: tuple[int, int], pad: int) -> None:
    x = image(*shape)
    expected = np.pad(x[0, 0].numpy(), pad, mode="symmetric")
    np.testing.assert_array_equal(symmetric_pad(x, pad)[0, 0].numpy(), expected)


def brute_force_term(u: np.ndarray, process: ReactionDiffusion, stage: int) -> np.ndarray:
    """The diffusion term of eq. 7 with scipy's convolutions and the sum over all centres.

    ``u``: ``[C, H, W]``; a filter's response is the sum over its channels.
    """
    filters = process.filters()[stage].detach().numpy()
    weights = process.weights[stage].detach().numpy()
    centres = process.basis.centres.numpy()
    size = process.filter_size
    extended = [np.pad(channel, size - 1, mode="symmetric") for channel in u]
    total = np.zeros_like(u)
    for kernel, weight in zip(filters, weights, strict=True):
        parts = zip(extended, kernel, strict=True)
        response = sum(signal.correlate2d(channel, k, mode="valid") for channel, k in parts)
        r = np.abs(response[..., None] - centres) / process.basis.spacing
        basis = np.exp(-0.5 * r**2) if process.basis.kind == "gaussian" else np.maximum(1 - r, 0)
        # The filter turned by 180 degrees (k bar): correlation once, convolution once.
        total += [signal.convolve2d(basis @ weight, k, mode="valid") for k in kernel]
    return total


@pytest.mark.parametrize("gradient", [False, True], ids=["tiled", "plain"])
@pytest.mark.parametrize("shape", [(6, 7), (1, 1), (2, 3), (13, 1)])
@pytest.mark.parametrize(
    ("size", "basis", "channels"),
    [
        (3, "gaussian", 1),
        (5, "gaussian", 1),
        (5, "triangular", 1),
        (7, "gaussian", 1),
        (3, "gaussian", 3),
        (5, "gaussian", 2),
    ],
)
def test_one_term_against_brute_force(
    size: int, basis: str, channels: int, shape: tuple[int, int], gradient: bool
) -> None:
    process = random_process(filter_size=size, basis=basis, channels=channels)
    process.requires_grad_(gradient)
    u = 255 * image(*shape, channels=channels)
    expected = brute_force_term(u[0].numpy(), process, stage=1)
    found = process.diffusion(u, stage=1)[0].detach().numpy()
    spread = process.weights[1].abs().max().item() * size**2
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * spread)


def test_the_whole_process_is_equation_4() -> None:
    process = random_process()
    f = 255 * image()
    sigma, level = 3 / 255, 2  # the third reaction weight
    u = f[0].numpy()
    for stage in range(3):
        strength = process.reaction_weights[stage, level].item()
        u = u - (brute_force_term(u, process, stage) + strength * (u - f[0].numpy()))
    found = 255 * process(f / 255, sigma)[0].detach().numpy()
    np.testing.assert_allclose(found, u, rtol=0, atol=2e-2)


@pytest.mark.parametrize("shape", [(TILE + 1, TILE - 3), (TILE, 2 * TILE + 5), (1, TILE + 2)])
@pytest.mark.parametrize("size", [5, 7])
def test_tiles_equal_the_plain_form(size: int, shape: tuple[int, int]) -> None:
    process = random_process(filter_size=size).float()
    u = 255 * image(*shape, batch=2).float()
    filters, (values, steps) = process.filters(), process.tables()
    plain = process._term(u, filters[0], (values[0], steps[0]))
    packed = pack(filters[0], (values[0], steps[0]), process.basis)
    tiled = tiled_term(symmetric_pad(u, size - 1), packed)
    torch.testing.assert_close(tiled, plain, rtol=1e-4, atol=2e-3)


def test_without_gradients_nothing_changes() -> None:
    """The tiled path, which runs without gradients, and the one that has them."""
    process = random_process(filter_size=5)
    x = image(9, 8, batch=2)
    with torch.no_grad():
        fast = process(x, 0.01)
    torch.testing.assert_close(fast, process(x, 0.01).detach(), rtol=0, atol=1e-9)


def with_parameters(process: ReactionDiffusion, x: Tensor, sigma: object) -> Callable[..., Tensor]:
    names = ("coefficients", "weights", "reaction_weights")

    def run(*parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(process, given, (x, sigma))

    return run


@pytest.mark.parametrize("basis", ["gaussian", "triangular"])
def test_gradients_of_all_parameters_against_finite_differences(basis: str) -> None:
    process = random_process(stages=2, basis=basis).train()
    x = image(4, 4, batch=2)
    sigma = torch.tensor([2.5, 4.0], dtype=torch.float64) / 255
    parameters = [
        getattr(process, name).detach().clone()
        for name in ("coefficients", "weights", "reaction_weights")
    ]
    run = with_parameters(process, x, sigma)
    generator = torch.Generator().manual_seed(5)
    for index in range(3):
        # Along random directions: thousands of parameters share one table each.
        inputs = [p.clone() for p in parameters]
        inputs[index].requires_grad_()
        cotangent = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((run(*inputs) * cotangent).sum(), inputs[index])
        for _ in range(4):
            direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
            step = 1e-7
            values = []
            for sign in (1, -1):
                moved = [p.clone() for p in parameters]
                moved[index] += sign * step * direction
                values.append((run(*moved) * cotangent).sum())
            numerical = (values[0] - values[1]) / (2 * step)
            scale = gradient.norm() * direction.norm()
            assert abs(numerical - (gradient * direction).sum()) < 1e-5 * scale
            assert scale > 0


def test_gradient_of_the_image_against_finite_differences() -> None:
    process = random_process(stages=2).requires_grad_(False)
    x = image(4, 5, batch=2).requires_grad_()
    sigma = torch.tensor([2.5, 4.0], dtype=torch.float64) / 255
    assert torch.autograd.gradcheck(lambda v: process(v, sigma), x, eps=1e-8, atol=1e-5)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_the_papers_closed_form_for_the_reaction_weight(stage: int) -> None:
    """genericDP, eq. 7 and 8: d loss / d lambda_t = -(u_{t-1} - f)' e with e = d loss / d u_t."""
    process = random_process()
    x, clean = image(), image(6, 7) * 0.5
    level = 2
    sigma = (level + 1) / 255
    loss = 0.5 * (255 * (process(x, sigma) - clean)).square().sum()
    (gradient,) = torch.autograd.grad(loss, process.reaction_weights)

    f, states = 255 * x, [255 * x]
    strengths = process.reaction_weights[:, level].detach()
    for t in range(3):
        u = states[-1].detach().requires_grad_() if t == stage + 1 else states[-1]
        if t == stage + 1:
            states[-1] = u
        states.append(u - (process.diffusion(u, t) + strengths[t] * (u - f)))
    u_t = states[stage + 1] if stage < 2 else states[-1].detach().requires_grad_()
    last = states[-1] if stage < 2 else u_t
    (e,) = torch.autograd.grad(0.5 * (last - 255 * clean).square().sum(), u_t)
    closed = -((states[stage] - f) * e).sum()
    torch.testing.assert_close(gradient[stage, level], closed.detach(), rtol=1e-9, atol=1e-9)
    others = torch.arange(5) != level
    assert torch.equal(gradient[:, others], torch.zeros(3, 4, dtype=torch.float64))
    assert (gradient[stage, level] == 0) == (stage == 0), "u_0 = f: the first has no effect"


def test_between_levels_the_gradient_is_shared() -> None:
    process = random_process()
    loss = process(image(), 2.25 / 255).square().sum()
    (gradient,) = torch.autograd.grad(loss, process.reaction_weights)
    assert torch.equal(gradient[:, [0, 3, 4]], torch.zeros(3, 3, dtype=torch.float64))
    torch.testing.assert_close(gradient[1:, 1] / gradient[1:, 2], torch.full((2,), 3.0).double())


def test_reaction_weights_are_interpolated_between_levels() -> None:
    process = random_process(stages=2)
    own = process.reaction_weights.detach()
    sigma = torch.tensor([1.0, 2.0, 5.0, 1.5, 4.25, 0.3, 7.0], dtype=torch.float64) / 255
    found = process.reaction_at(sigma)
    expected = torch.stack(
        [
            own[:, 0],
            own[:, 1],
            own[:, 4],
            (own[:, 0] + own[:, 1]) / 2,
            0.75 * own[:, 3] + 0.25 * own[:, 4],
            own[:, 0],
            own[:, 4],
        ],
        dim=1,
    )
    torch.testing.assert_close(found, expected)
    assert process.reaction_at(sigma.reshape(1, 1, 1, 7)).shape == (2, 1, 1, 1, 7)


def test_a_single_level_has_a_single_weight() -> None:
    process = random_process(levels=1)
    sigma = torch.tensor([[[[0.005]]], [[[0.02]]]], dtype=torch.float64)
    found = process.reaction_at(sigma)
    assert found.shape == (3, 2, 1, 1, 1)
    assert torch.equal(found[:, 0], found[:, 1])
    torch.testing.assert_close(found[:, 0, 0, 0, 0], process.reaction_weights[:, 0])
    x = image(batch=2)
    torch.testing.assert_close(process(x, 0.005), process(x, 0.02))


def first_stages(process: ReactionDiffusion, count: int) -> ReactionDiffusion:
    """A model that has only the first stages of another."""
    short = ReactionDiffusion(**{**process.arguments(), "stages": count}).double()
    short.load_state_dict({k: v[:count] for k, v in process.state_dict().items()})
    return short.eval()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_first_stages_are_a_model_of_fewer(count: int) -> None:
    process, x = random_process(), image()
    short = first_stages(process, count)
    process.active_stages = count
    torch.testing.assert_close(process(x, 0.01), short(x, 0.01), rtol=0, atol=0)
    assert process.receptive_field == short.receptive_field == 4 * count + 1


def test_growing_copies_the_last_trained_stage() -> None:
    process = random_process()
    process.active_stages = 1
    before, x = copy.deepcopy(process), image()
    process.grow(stages=3)
    for name, parameter in process.named_parameters():
        first = getattr(before, name)[0]
        assert all(torch.equal(stage, first) for stage in parameter), name
    process.grow(stages=1)
    torch.testing.assert_close(process(x, 0.01), before(x, 0.01), rtol=0, atol=0)
    for wrong in (0, 4):
        with pytest.raises(InputError, match=f"1 to 3, got {wrong}"):
            process.grow(stages=wrong)


def test_a_greedy_phase_trains_the_last_stage_alone() -> None:
    process, x = random_process(), image()
    process.grow(stages=2, greedy=1)
    process.train()
    process(x, 0.01).square().sum().backward()
    process.mask_gradients()
    for name, parameter in process.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().max() == 0, name
        assert parameter.grad[1].abs().max() > 0, name
        assert parameter.grad[2].abs().max() == 0, name


def test_released_is_what_ran() -> None:
    process, x = random_process(), image()
    process.grow(stages=2)
    released = process.for_release()
    assert released.arguments()["stages"] == 2
    torch.testing.assert_close(released(x, 0.01), process(x, 0.01), rtol=0, atol=0)
    whole = random_process()
    torch.testing.assert_close(whole.for_release()(x, 0.01), whole(x, 0.01), rtol=0, atol=0)


def test_a_process_of_one_level_starts_as_the_first_stages_at_its_level() -> None:
    process, x = random_process(), image()
    sigma = 2.5 / 255
    single = random_process(seed=1, stages=2, levels=1, sigma_range=(sigma, sigma))
    single.adopt(process)
    process.active_stages = 2
    torch.testing.assert_close(single(x, sigma), process(x, sigma))


def test_a_colour_process_starts_with_the_gray_filters_on_the_sum() -> None:
    gray = random_process()
    colour = random_process(seed=1, channels=3, filters=12)
    others = colour.filters()[:, 8:].clone()
    colour.adopt(gray)
    for channel in colour.filters()[:, :8].unbind(2):
        torch.testing.assert_close(channel, gray.filters()[:, :, 0] / 3**0.5)
    assert torch.equal(colour.filters()[:, 8:], others)
    assert torch.equal(colour.weights[:, :8], gray.weights)
    assert torch.equal(colour.reaction_weights, gray.reaction_weights)


@pytest.mark.parametrize(
    "other",
    [{"stages": 2}, {"filter_size": 5}, {"levels": 4}, {"centres": 31}, {"channels": 3}],
    ids=str,
)
def test_what_does_not_fit_is_no_start(other: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="ReactionDiffusion does not fit"):
        random_process().adopt(random_process(**other))


def test_without_reaction_only_diffusion_is_left() -> None:
    process = random_process(reaction=False)
    u = 255 * image()
    for stage in range(3):
        u = u - process.diffusion(u, stage)
    torch.testing.assert_close(255 * process(image(), 0.01), u)
    torch.testing.assert_close(process(image(), 0.01), process(image(), 0.02))
    assert not process.reaction_weights.requires_grad
    assert "reaction" not in process.parameter_groups()
    assert "reaction" in random_process().parameter_groups()
    assert process.blind
    assert torch.equal(process(image()), process(image(), 0.01))


def test_a_map_gives_each_pixel_its_reaction() -> None:
    process = random_process(stages=2)
    x = image(30, 5)
    level = torch.full((1, 1, 30, 5), 2 / 255, dtype=torch.float64)
    level[..., 15:, :] = 4 / 255
    mixed = process(x, level)
    away = process.halo
    low, high = process(x, 2 / 255), process(x, 4 / 255)
    torch.testing.assert_close(mixed[..., : 15 - away, :], low[..., : 15 - away, :])
    torch.testing.assert_close(mixed[..., 15 + away :, :], high[..., 15 + away :, :])
    assert (low - high).abs().max() > 1e-4


def frozen(process: ReactionDiffusion) -> ReactionDiffusion:
    return process.requires_grad_(False)


def test_tables_follow_loaded_weights() -> None:
    one, two, x = frozen(random_process(1)), frozen(random_process(2)), image()
    before, expected = one(x, 0.01), two(x, 0.01)
    assert not torch.allclose(before, expected)
    one.load_state_dict(two.state_dict())
    assert torch.equal(one(x, 0.01), expected)


def test_tables_follow_weights_loaded_through_a_parent() -> None:
    one, two, x = frozen(random_process(1)), frozen(random_process(2)), image()
    one(x, 0.01)
    nn.ModuleList([one]).load_state_dict(nn.ModuleList([two]).state_dict())
    assert torch.equal(one(x, 0.01), two(x, 0.01))


def test_tables_follow_changed_weights_after_a_switch_of_modes() -> None:
    one, two, x = frozen(random_process(1)), frozen(random_process(2)), image()
    one(x, 0.01)
    one.train()
    with torch.no_grad():
        for mine, other in zip(one.parameters(), two.parameters(), strict=True):
            mine.copy_(other)
    assert torch.equal(one.eval()(x, 0.01), two(x, 0.01))


def test_tables_follow_an_optimiser_in_eval_mode() -> None:
    process, x = random_process(), image()
    optimiser = torch.optim.SGD(process.parameters(), lr=1e-2)
    for _ in range(2):
        with torch.no_grad():
            process(x, 0.01)  # validation, which keeps its tables
        process(x, 0.01).square().sum().backward()
        optimiser.step()
    with torch.no_grad():
        fast = process(x, 0.01)
    torch.testing.assert_close(fast, process(x, 0.01).detach(), rtol=0, atol=1e-9)


def test_tables_follow_a_change_of_dtype() -> None:
    process, x = frozen(random_process()), image()
    expected = process(x, 0.01)
    single = process.float()(x, 0.01)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(process.double()(x, 0.01), single, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": 0},
        {"filter_size": 4},
        {"filter_size": 1},
        {"levels": 0},
        {"basis": "cubic"},
        {"filters": 0},
        {"filters": 49},
    ],
    ids=str,
)
def test_wrong_architectures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ReactionDiffusion(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "filters", "stages"), [(5, 24, 5), (7, 48, 8), (9, 80, 5)])
def test_the_papers_models_have_their_parameters(size: int, filters: int, stages: int) -> None:
    process = ReactionDiffusion(stages=stages, filter_size=size, levels=1)
    count = sum(p.numel() for p in process.parameters())
    assert count == stages * (filters * filters + filters * 63 + 1)
    assert isinstance(process.basis, InfluenceBasis)


def test_untrained_it_smooths_and_keeps_constants() -> None:
    process = ReactionDiffusion(stages=2, filter_size=5).eval()
    flat = torch.full((1, 1, 8, 8), 0.6)
    torch.testing.assert_close(process(flat, 25 / 255), flat, rtol=0, atol=1e-4)
    noisy = flat + 0.05 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    assert process(noisy, 25 / 255).std() < 0.9 * noisy.std()
