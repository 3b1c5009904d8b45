"""Fused convolution and ReLU: the same numbers and gradients as the plain layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pnp_priors.priors import _convolutions
from pnp_priors.priors._convolutions import chain


def body(bias: bool, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    middle: list[nn.Module] = [nn.Conv2d(8, 8, 3, padding=1, bias=bias)]
    middle += [nn.BatchNorm2d(8)] if norm else []
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, bias=bias),
        nn.ReLU(),
        *middle,
        nn.ReLU(),
        nn.Conv2d(8, 2, 3, padding=1, bias=bias),
    ).to(memory_format=torch.channels_last)


def run(net: nn.Sequential, fused: bool) -> tuple[Tensor, list[Tensor]]:
    """Output and the gradients of the input and of all parameters, in bfloat16 training."""
    x = torch.randn(3, 2, 12, 10, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = chain(net, x) if fused else net(x)
    gradients = torch.autograd.grad(y.float().square().sum(), [x, *net.parameters()])
    return y.float(), list(gradients)


@pytest.fixture
def needs_bfloat16() -> None:
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        pytest.skip("this CPU's oneDNN has no bfloat16")


@pytest.mark.usefixtures("needs_bfloat16")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_it_equals_the_plain_layers(bias: bool, norm: bool) -> None:
    net = body(bias, norm)
    plain, fused = run(net, fused=False), run(net, fused=True)
    assert len(fused[1]) == 1 + len(list(net.parameters()))
    for ours, reference in zip([fused[0], *fused[1]], [plain[0], *plain[1]], strict=True):
        # bfloat16 has 8 significant bits; the sums are longer than one step
        assert (ours - reference).norm() < 0.02 * reference.norm()


@pytest.mark.usefixtures("needs_bfloat16")
def test_it_really_is_used_in_training_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    apply = _convolutions._ConvReLU.apply
    monkeypatch.setattr(_convolutions._ConvReLU, "apply", lambda *a: calls.append(1) or apply(*a))
    net = body(bias=True)
    run(net, fused=True)
    assert len(calls) == 2
    x = torch.rand(1, 2, 6, 6)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        chain(net, x)
    assert torch.equal(chain(net, x), net(x))
    assert len(calls) == 2


def test_float32_gradients_are_untouched() -> None:
    net = body(bias=True).double()
    x = torch.rand(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: chain(net, z), x)
