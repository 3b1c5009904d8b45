"""Class-aware denoising: the network written out, the choice of one, starts, partial results."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pnp_priors.errors import ConfigError, InputError, UnknownNameError, WeightsError
from pnp_priors.priors import _convolutions
from pnp_priors.priors.class_aware import ESTIMATE_GAIN, ClassAware, NoiseEstimates
from pnp_priors.priors.dncnn import DnCNN

CLASSES = ("bright", "dark")


def random_prior(classes: tuple[str, ...] = CLASSES, depth: int = 5, width: int = 8) -> ClassAware:
    """Random weights everywhere; of two classes, the one by the image's mean brightness."""
    torch.manual_seed(0)
    prior = ClassAware(classes, depth, width).requires_grad_(False).eval()
    for parameter in prior.networks.parameters():
        parameter.copy_(0.2 * torch.randn(parameter.shape))
    if prior.classifier is not None:
        # The first channel of each layer hands on what is positive, the second what is negative.
        for layer in prior.classifier.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
                centre = layer.weight[:, :, 1, 1]
                if layer.in_channels == 1:
                    centre[:2, 0] = torch.tensor([1.0, -1.0])
                else:
                    centre[:2, :2] = torch.eye(2)
        nn.init.zeros_(prior.classifier.head.weight)
        nn.init.zeros_(prior.classifier.head.bias)
        prior.classifier.head.weight[:2, :2] = torch.eye(2)
    return prior


def image(level: float, height: int = 9, width: int = 7, batch: int = 1) -> Tensor:
    noise = torch.randn(batch, 1, height, width, generator=torch.Generator().manual_seed(height))
    return level + 0.05 * noise


def test_the_network_is_the_paper_s_written_out() -> None:
    prior, x = random_prior(("one",)), image(0.6, batch=2)
    features, noise = x, torch.zeros_like(x)
    for index, layer in enumerate(prior.networks[0].layers):
        y = F.conv2d(features, layer.weight, layer.bias, padding=1)
        noise = noise + ESTIMATE_GAIN * y[:, -1:]
        features = y[:, :-1].relu() if index < 3 else y[:, :-1]
    assert features.shape[1] == 0, "the last layer has nothing but its estimate"
    torch.testing.assert_close(prior(x), x - noise)


def test_the_paper_s_size() -> None:
    # 1 -> 64, then 63 -> 64, then 63 -> 1; 3x3 kernels and a bias each
    expected = (9 + 1) * 64 + 18 * (63 * 9 + 1) * 64 + (63 * 9 + 1)
    network = NoiseEstimates(20, 64)
    assert sum(p.numel() for p in network.parameters()) == expected == 655_544


def test_untrained_it_is_the_identity() -> None:
    x = image(0.5)
    assert torch.equal(ClassAware(depth=4, width=4).eval()(x), x)


def test_each_image_gets_its_class_s_network() -> None:
    prior = random_prior()
    x = torch.cat([image(level) for level in (0.8, 0.2, 0.3, 0.9)])
    assert prior.classify(x) == ["bright", "dark", "dark", "bright"]
    own = [prior.with_class(name)(x[i : i + 1]) for i, name in enumerate(prior.classify(x))]
    torch.testing.assert_close(prior(x), torch.cat(own), rtol=0, atol=1e-5)
    bright, dark = (prior.with_class(name)(x) for name in CLASSES)
    assert not torch.allclose(bright, dark, atol=1e-3)
    torch.testing.assert_close(prior(x[1:3]), dark[1:3], rtol=0, atol=1e-5)


def test_the_channels_of_a_colour_image_are_decided_one_by_one() -> None:
    prior = random_prior()
    x = torch.cat([image(level) for level in (0.8, 0.2, 0.9)], dim=1)
    assert prior.classify(x) == ["bright", "dark", "bright"]
    channels = [prior(x[:, c : c + 1]) for c in range(3)]
    torch.testing.assert_close(prior(x), torch.cat(channels, dim=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (40, 33)])
def test_images_of_any_size_are_decided(size: tuple[int, int]) -> None:
    assert random_prior().classify(torch.cat([image(0.9, *size), image(0.1, *size)])) == [*CLASSES]


def test_the_graph_that_is_compiled_chooses_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, x = random_prior(), torch.cat([image(level) for level in (0.8, 0.2, 0.3)])
    expected = prior(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(prior(x), expected, rtol=0, atol=1e-5)


def test_gradients_pass_each_image_s_network() -> None:
    prior = random_prior().double()
    x = torch.cat([image(level, 3, 4) for level in (0.8, 0.2, 0.9)]).double().requires_grad_()
    assert torch.autograd.gradcheck(prior, x, eps=1e-8, atol=1e-5)


def test_a_named_class_is_a_prior_of_its_own_with_the_same_weights() -> None:
    prior = random_prior()
    single = prior.with_class("dark")
    assert single.classes == ("dark",)
    assert single.classifier is None
    assert not single.training
    assert (single.receptive_field, single.halo) == (11, 5)
    shared = {p.data_ptr() for p in prior.networks[1].parameters()}
    assert {p.data_ptr() for p in single.parameters()} == shared
    rebuilt = ClassAware(**single.arguments())
    rebuilt.load_state_dict(single.state_dict())
    x = image(0.9)
    assert torch.equal(rebuilt(x), single(x))
    assert single.classify(x) == ["dark"]
    with pytest.raises(UnknownNameError, match="class 'drak': nearest: dark; known: bright, dark"):
        prior.with_class("drak")


def test_with_a_decision_it_cannot_be_tiled_and_says_what_can() -> None:
    prior = random_prior()
    assert prior.receptive_field is None
    with pytest.raises(InputError, match=r"cannot be tiled.*with_class\('bright'\)"):
        _ = prior.halo


def test_a_pixel_reaches_as_far_as_the_receptive_field_says() -> None:
    prior = random_prior(("one",), depth=3)
    x = image(0.5, 15, 15).requires_grad_()
    prior(x)[0, 0, 7, 7].backward()
    rows, columns = x.grad[0, 0].nonzero().T
    assert (rows.min(), rows.max()) == (columns.min(), columns.max()) == (4, 10)
    assert prior.receptive_field == 7


def test_the_partial_results_are_the_sums_of_the_estimates() -> None:
    prior = random_prior()
    x = torch.cat([image(0.8, batch=3), image(0.2, batch=3)], dim=1)
    after = prior.estimates(x)
    assert len(after) == prior.depth
    assert all(part.shape == x.shape for part in after)
    torch.testing.assert_close(after[-1], prior(x), rtol=0, atol=1e-5)
    for channel, name in enumerate(CLASSES):
        network = prior.networks[channel]
        assert isinstance(network, NoiseEstimates)
        given = x[:, channel : channel + 1]
        parts = [part[:, channel : channel + 1] for part in after]
        for (before, behind), noise in zip(
            itertools.pairwise([given, *parts]), network(given), strict=True
        ):
            torch.testing.assert_close(before - behind, noise, rtol=0, atol=1e-5)
        alone = prior.with_class(name).estimates(given)
        torch.testing.assert_close(alone[2], parts[2], rtol=0, atol=1e-5)
    assert prior.estimates(x.half())[0].dtype == torch.float16
    with pytest.raises(InputError, match="expected an image tensor"):
        prior.estimates(x[0])


# --- starts --------------------------------------------------------------------------------------


def random_dncnn(depth: int, width: int = 8, bias: bool = True) -> DnCNN:
    net = DnCNN(depth=depth, width=width, bias=bias, blind=True).requires_grad_(False).eval()
    for parameter in net.parameters():
        parameter.copy_(0.2 * torch.randn(parameter.shape))
    return net


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [3, 5, 6])
def test_it_starts_from_a_dncnn_of_which_a_channel_does_nothing(depth: int, bias: bool) -> None:
    """Then nothing is lost, whichever channel it is."""
    torch.manual_seed(1)
    dncnn = random_dncnn(depth, bias=bias)
    hidden = [layer for layer in dncnn.body if isinstance(layer, nn.Conv2d)]
    for index, (layer, after) in enumerate(itertools.pairwise(hidden)):
        idle = index % 8
        (layer.weight[idle] if index % 2 else after.weight[:, idle]).zero_()
        if index % 2 and layer.bias is not None:
            layer.bias[idle] = 0.0
    x = image(0.5)
    expected = dncnn(x)
    prior = random_prior(("one",), depth=7)
    prior.adopt(dncnn)
    torch.testing.assert_close(prior(x), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected, x, atol=1e-2)


def test_features_of_any_scale_are_brought_to_about_one() -> None:
    """A DnCNN whose features grow a hundredfold and whose last layer makes up for it."""
    torch.manual_seed(3)
    dncnn = DnCNN(depth=4, width=8, blind=True).requires_grad_(False).eval()
    first, *_, last = (layer for layer in dncnn.body if isinstance(layer, torch.nn.Conv2d))
    first.weight[0] = 0  # the channel that is left out
    first.weight *= 100
    last.weight += 0.01
    prior = ClassAware(("one",), 7, 8).requires_grad_(False).eval()
    prior.adopt(dncnn)
    x = image(0.5)
    features, sizes = x, []
    for layer in prior.networks[0].layers:
        y = F.conv2d(features, layer.weight, layer.bias, padding=1)
        features = y[:, :-1].relu()
        sizes.append(float(features.square().mean().sqrt()))
    assert all(0.1 < size < 10 for size in sizes[:4])


@pytest.mark.parametrize(
    "dncnn",
    [
        DnCNN(depth=7, width=8, blind=True),
        DnCNN(depth=4, width=9, blind=True),
        DnCNN(depth=4, width=8, channels=3, blind=True),
        DnCNN(depth=4, width=8, batch_norm=True, blind=True),
    ],
    ids=["too deep", "wider", "colour", "normalised"],
)
def test_other_dncnns_are_refused(dncnn: DnCNN) -> None:
    with pytest.raises(WeightsError, match="7 layers, 8 wide, starts from a gray DnCNN of at most"):
        random_prior(("one",), depth=7).adopt(dncnn)


def test_it_starts_from_a_network_of_another_class() -> None:
    source, target, x = random_prior(("all",)), ClassAware(("one",), 5, 8), image(0.5)
    target.adopt(source)
    assert torch.equal(target.eval()(x), source(x))
    with pytest.raises(WeightsError, match="do not fit"):
        ClassAware(("one",), 4, 8).adopt(source)


def test_several_classes_are_not_trained_at_once() -> None:
    random_prior(("one",)).prepare_training(bfloat16=True)
    with pytest.raises(ConfigError, match=r"one by one.*pnp_priors\.training\.class_aware"):
        random_prior().prepare_training(bfloat16=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": []}, "at least one"),
        ({"classes": "documents"}, "different names"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"depth": 2}, "depth must be above 2"),
        ({"width": 1}, "width above 1"),
    ],
    ids=str,
)
def test_impossible_architectures(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClassAware(**arguments)


# --- training in bfloat16 on the CPU -------------------------------------------------------------


def gradients(prior: ClassAware, x: Tensor) -> list[Tensor]:
    own = copy.deepcopy(prior).requires_grad_(True).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = own(x).square().sum()
    return [loss.detach(), *torch.autograd.grad(loss, list(own.parameters()))]


def test_the_faster_layers_have_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        pytest.skip("this CPU's oneDNN has no bfloat16")
    prior, x = random_prior(("one",), width=16), image(0.5, 12, 10, batch=3)
    calls = []
    apply = _convolutions._ConvAndEstimate.apply
    monkeypatch.setattr(
        _convolutions._ConvAndEstimate, "apply", lambda *a: calls.append(1) or apply(*a)
    )
    fused = gradients(prior, x)
    assert len(calls) == 3, "all but the two linear layers"
    monkeypatch.setattr(_convolutions, "_fuses", lambda x: False)
    plain = gradients(prior, x)
    assert len(calls) == 3
    for ours, reference in zip(fused, plain, strict=True):
        # bfloat16 has 8 significant bits; the sums are longer than one step
        assert (ours - reference).norm() <= 0.03 * reference.norm()
