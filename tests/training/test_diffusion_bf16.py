"""The bfloat16 diffusion term for training, against the exact one and against itself in torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.training import diffusion_bf16
from pnp_priors.training.diffusion_bf16 import CELL, KEYS, DiffusionTerms, TabulatedFunction

COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
NAMES = ("coefficients", "weights")


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to read the tables."""
    if request.param == "native" and COMPILER is None:
        pytest.skip("no C compiler")
    if request.param == "torch":
        monkeypatch.setattr(diffusion_bf16, "native_kernel", lambda: None)
    return request.param


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def process_of(
    size: int, stages: int = 2, channels: int = 1, filters: int | None = None
) -> ReactionDiffusion:
    """A process whose filters and functions are off their start at random."""
    process = ReactionDiffusion(stages=stages, filter_size=size, channels=channels, filters=filters)
    generator = torch.Generator().manual_seed(size)
    with torch.no_grad():
        noise = torch.randn(process.coefficients.shape, generator=generator)
        process.coefficients += 0.1 * noise
        process.weights *= 1 + 0.3 * torch.randn(process.weights.shape, generator=generator)
    process.prepare_training(bfloat16=True)
    return process.train()


def image(height: int, width: int, batch: int = 2, channels: int = 1) -> Tensor:
    """0..255: smooth shades with noise."""
    generator = torch.Generator().manual_seed(height + width)
    coarse = torch.rand(batch, channels, 3, 3, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return 255 * (smooth + 0.1 * torch.randn(smooth.shape, generator=generator))


def exact_term(process: ReactionDiffusion, u: Tensor, stage: int) -> Tensor:
    filters, (values, steps) = process.filters(), process.tables()
    return process._term(u, filters[stage], (values[stage], steps[stage]))


def relative(found: Tensor, exact: Tensor) -> float:
    return ((found - exact).norm() / exact.norm()).item()


def test_the_library_is_built_where_there_is_a_compiler() -> None:
    assert (diffusion_bf16.native_kernel() is not None) == (COMPILER is not None)


def test_key_values_are_the_bfloat16_numbers() -> None:
    values = diffusion_bf16.key_values()
    assert values.shape == (2 * KEYS,)
    assert torch.equal(values.bfloat16().float(), values)
    inner = values[1:KEYS]
    assert inner[0] > 2**-4
    assert inner[-1] == 352
    assert torch.equal(inner.sort().values, inner)
    assert torch.equal(diffusion_bf16.keys_of(inner.bfloat16()), torch.arange(1, KEYS))
    assert torch.equal(diffusion_bf16.keys_of(-inner.bfloat16()), torch.arange(1, KEYS) + KEYS)
    ends = torch.tensor([0.0, 1e-3, 1e5, -1e-3, -1e5]).bfloat16()
    assert diffusion_bf16.keys_of(ends).tolist() == [0, 0, KEYS - 1, KEYS, 2 * KEYS - 1]


@pytest.mark.parametrize("shape", [(16, 16), (13, 18), (9, 7), (74, 74), (3, 2), (1, 1)])
@pytest.mark.parametrize("size", [5, 7, 9])
def test_the_term_is_the_exact_one_to_bfloat16(
    size: int, shape: tuple[int, int], path: str
) -> None:
    """8 bits in responses and forces: 2e-2 of the term's norm."""
    process, u = process_of(size), image(*shape)
    for stage in range(2):
        exact = exact_term(process, u, stage)
        found = DiffusionTerms(process)(u, stage)
        assert found.dtype == torch.float32
        assert found.shape == u.shape
        if shape == (1, 1):  # a constant: zero-mean filters see nothing
            assert found.abs().max() < 0.5
        else:
            assert relative(found, exact) < 2e-2


@pytest.mark.parametrize(("size", "channels", "filters"), [(5, 3, 74), (7, 3, 40), (5, 2, 20)])
def test_colour_terms_and_gradients_are_the_exact_ones(
    size: int, channels: int, filters: int, path: str
) -> None:
    process = process_of(size, channels=channels, filters=filters)
    u = image(22, 19, channels=channels)
    exact = exact_term(process, u, 1)
    assert relative(DiffusionTerms(process)(u, 1), exact) < 2e-2
    cotangent = exact.detach()
    found = gradients(process, u, cotangent, exact=False)
    expected = gradients(process, u, cotangent, exact=True)
    for name, one, other in zip(("image", *NAMES), found, expected, strict=True):
        assert relative(one, other) < 3e-2, name


def gradients(
    process: ReactionDiffusion, u: Tensor, cotangent: Tensor, exact: bool
) -> list[Tensor]:
    u = u.clone().requires_grad_()
    term = exact_term(process, u, 1) if exact else DiffusionTerms(process)(u, 1)
    parameters = [u, *(getattr(process, name) for name in NAMES)]
    return list(torch.autograd.grad((term * cotangent).sum(), parameters))


@pytest.mark.parametrize("size", [5, 7, 9])
def test_gradients_are_those_of_the_exact_term(size: int, path: str) -> None:
    """Image, filters and influence weights, to 3e-2 of their norms."""
    process, u = process_of(size), image(22, 19)
    # Unlike white noise, whose sums are small differences: a direction that the term itself has.
    cotangent = exact_term(process, u, 1).detach()
    found = gradients(process, u, cotangent, exact=False)
    exact = gradients(process, u, cotangent, exact=True)
    for name, one, other in zip(("image", *NAMES), found, exact, strict=True):
        assert relative(one, other) < 3e-2, name
        assert not other[0].isnan().any()
    assert found[2][0].abs().max() == 0, "stage 0 has no part in the term of stage 1"


@needs_compiler
@pytest.mark.parametrize("size", [5, 7])
def test_the_c_kernel_equals_torch(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    process, u = process_of(size), image(21, 26)
    cotangent = torch.randn(u.shape, generator=torch.Generator().manual_seed(0))
    native = DiffusionTerms(process)(u, 1), gradients(process, u, cotangent, exact=False)
    monkeypatch.setattr(diffusion_bf16, "native_kernel", lambda: None)
    plain = DiffusionTerms(process)(u, 1), gradients(process, u, cotangent, exact=False)
    assert torch.equal(native[0], plain[0])
    assert torch.equal(native[1][0], plain[1][0])
    for one, other in zip(native[1][1:], plain[1][1:], strict=True):
        assert relative(one, other) < 1e-5


def responses(count: int, rows: int = 37) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Responses and gradients ``[1, N*16, rows, 1]``, channels last; values, slopes of tables."""
    generator = torch.Generator().manual_seed(7)
    shape = (1, rows, 1, count * CELL**2)
    z = (60 * torch.randn(shape, generator=generator)).bfloat16()
    z[..., :3] = torch.tensor([0.0, -0.0, 5e4]).bfloat16()
    grad = torch.randn(shape, generator=generator).bfloat16()
    values = torch.randn(count, 2 * KEYS, generator=generator)
    slopes = torch.randn(count, 2 * KEYS, generator=generator)
    return z.permute(0, 3, 1, 2), grad.permute(0, 3, 1, 2), values, slopes


def look_up(z: Tensor, grad: Tensor, values: Tensor, slopes: Tensor) -> tuple[Tensor, ...]:
    z, values = z.clone(memory_format=torch.channels_last), values.clone().requires_grad_()
    z.requires_grad_()
    out = TabulatedFunction.apply(z, values, slopes)
    return out, *torch.autograd.grad(out, (z, values), grad)


def test_look_up_gradient_and_histogram_by_brute_force(path: str) -> None:
    count = 3
    z, grad, values, slopes = responses(count)
    out, grad_z, histogram = look_up(z, grad, values, slopes)
    keys = diffusion_bf16.keys_of(z.contiguous())
    bins = np.zeros((count, 2 * KEYS))
    for channel in range(count * CELL**2):
        f = channel // CELL**2
        key = keys[0, channel].flatten()
        assert torch.equal(out[0, channel].flatten(), values[f, key].bfloat16())
        expected = grad[0, channel].flatten().float() * slopes[f, key]
        assert torch.equal(grad_z[0, channel].flatten(), expected.bfloat16())
        weight = grad[0, channel].flatten().double().numpy()
        bins[f] += np.bincount(key.numpy(), weight, minlength=2 * KEYS)
    np.testing.assert_allclose(histogram.numpy(), bins, rtol=0, atol=1e-4)


@needs_compiler
def test_two_threads_equal_one(two_threads: None) -> None:
    inputs = responses(3)
    double = look_up(*inputs)
    again = look_up(*inputs)
    torch.set_num_threads(1)
    single = look_up(*inputs)
    assert torch.equal(double[0], single[0])
    assert torch.equal(double[1], single[1])
    assert torch.equal(double[2], again[2]), "not the same in every run"
    torch.testing.assert_close(double[2], single[2], rtol=1e-5, atol=1e-4)


def test_more_threads_than_rows(two_threads: None, path: str) -> None:
    inputs = responses(2, rows=1)
    double = look_up(*inputs)
    torch.set_num_threads(1)
    for one, other in zip(double, look_up(*inputs), strict=True):
        assert torch.equal(one, other)


def test_a_whole_training_step_is_near_the_exact_one(path: str) -> None:
    process = process_of(5)
    x, sigma = image(20, 20) / 255, 15 / 255
    fast = process(x, sigma)
    process.prepare_training(bfloat16=False)
    exact = process(x, sigma)
    assert relative(fast - x, exact - x) < 2e-2
    torch.testing.assert_close(process.eval()(x, sigma), exact, rtol=0, atol=1e-5)


def test_without_a_compiler_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    uncached = diffusion_bf16.native_kernel.__wrapped__
    monkeypatch.setenv("CC", "/nonexistent/cc")
    assert uncached() is None
    monkeypatch.delenv("CC")
    monkeypatch.setattr(diffusion_bf16.shutil, "which", lambda _: None)
    assert uncached() is None
