"""Weights of others: the networks they were saved from, rebuilt here, give the same output."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from deepinv.models import DnCNN as DeepinvDnCNN
from deepinv.models import FFDNet as DeepinvFFDNet
from safetensors.torch import save_file
from torch import Tensor, nn

import pnp_priors
from pnp_priors import pipelines, registry
from pnp_priors.errors import MissingFileError, WeightsError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.ffdnet import FFDNet

WIDTH, DEPTH = 6, 5


def kair_body(inputs: int, outputs: int, norm: bool, bias: bool = True) -> nn.Sequential:
    """KAIR's chain; its normalisations differ from torch's defaults in eps."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, WIDTH, 3, padding=1, bias=bias), nn.ReLU()]
    for _ in range(DEPTH - 2):
        layers.append(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=bias))
        layers += [nn.BatchNorm2d(WIDTH, eps=1e-4), nn.ReLU()] if norm else [nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, outputs, 3, padding=1, bias=bias))


class KairDnCNN(nn.Module):
    def __init__(self, channels: int = 1, norm: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.model = kair_body(channels, channels, norm, bias)

    def forward(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        return x - self.model(x)


class KairFFDNet(nn.Module):
    """Sub-images one by one and the noise level behind them, as KAIR orders them."""

    def __init__(self, channels: int = 1, norm: bool = False) -> None:
        super().__init__()
        self.model = kair_body(4 * channels + 1, 4 * channels, norm)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        channels, height, width = x.shape[1:]
        rows, columns = ([*range(n), n - 1][: n + n % 2] for n in (height, width))
        x = x[:, :, rows][..., columns]
        corners = [(i, j) for i in range(2) for j in range(2)]
        parts = [x[:, c, i::2, j::2] for c in range(channels) for i, j in corners]
        level = sigma.reshape(-1, 1, 1).expand_as(parts[0])
        small = self.model(torch.stack([*parts, level], dim=1))
        out = torch.empty_like(x)
        for k in range(4 * channels):
            c, (i, j) = k // 4, corners[k % 4]
            out[:, c, i::2, j::2] = small[:, k]
        return out[..., :height, :width]


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights, biases and running statistics, outputs of the size of an image's values."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            last = module.in_channels == WIDTH != module.out_channels
            spread = (0.2 if last else 1.4) / (9 * module.in_channels) ** 0.5
            weight = spread * torch.randn(module.weight.shape, generator=generator)
            module.weight.data.copy_(weight)
            if module.bias is not None:
                module.bias.data.copy_(0.1 * torch.randn(module.bias.shape, generator=generator))
        if isinstance(module, nn.BatchNorm2d):
            size = module.weight.shape
            module.weight.data.copy_(0.3 + 0.4 * torch.rand(size, generator=generator))
            module.bias.data.copy_(0.2 * torch.randn(size, generator=generator))
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.copy_(0.3 * torch.randn(size, generator=generator))
            # Small variances: there eps = 1e-4 and 1e-5 differ by far more than the tolerance.
            module.running_var.copy_(0.02 + torch.rand(size, generator=generator))
    return net.eval().requires_grad_(False)


def deepinv_dncnn(channels: int = 1, bias: bool = True) -> nn.Module:
    return DeepinvDnCNN(channels, channels, depth=DEPTH, nf=WIDTH, bias=bias, pretrained=None)


def deepinv_ffdnet(channels: int = 1, norm: str | None = None, bias: bool = True) -> nn.Module:
    return DeepinvFFDNet(
        n_conv_layers=DEPTH,
        nf=WIDTH,
        img_channels=channels,
        norm=norm,
        last_conv_bias=bias,
        pretrained=None,
    )


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card of a system, other than the file's in depth and width."""

    def write(system: str, channels: int = 1, **architecture: Any) -> Path:
        content = yaml.safe_load(registry.card_path("ffdnet-gray").read_text(encoding="utf-8"))
        arguments = {"depth": 9, "width": 12, "channels": channels, **architecture}
        content |= {"name": f"own-{system}", "system": system, "channels": channels}
        path = tmp_path / "cards" / f"own-{system}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({**content, "architecture": arguments}), encoding="utf-8")
        return path

    return write


def saved(state: Any, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        # Published files are older than torch's zip format.
        torch.save(state, path, _use_new_zipfile_serialization=path.suffix != ".pth")
    return path


def images(channels: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    x = torch.rand(2, channels, height, width, generator=generator)
    return x, torch.tensor([0.05, 0.2])


def check_frozen(prior: nn.Module) -> None:
    assert not prior.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in prior.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in prior.modules())


DNCNNS = {
    "KAIR": KairDnCNN,
    "KAIR, normalised": lambda channels: KairDnCNN(channels, norm=True),
    "KAIR, no biases": lambda channels: KairDnCNN(channels, bias=False),
    "KAIR, normalised, no biases": lambda channels: KairDnCNN(channels, norm=True, bias=False),
    "deepinv": deepinv_dncnn,
    "deepinv, no biases": lambda channels: deepinv_dncnn(channels, bias=False),
}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", DNCNNS)
def test_a_dncnn_gives_what_the_original_gives(
    kind: str, channels: int, suffix: str, card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(DNCNNS[kind](channels))
    path = saved(original.state_dict(), tmp_path / f"net{suffix}")
    prior = pnp_priors.load(card("dncnn", channels, blind=True), weights=path)
    assert isinstance(prior, DnCNN)
    check_frozen(prior)
    assert (prior.depth, prior.width, prior.blind) == (DEPTH, WIDTH, True)
    assert prior.bias == (kind not in {"KAIR, no biases", "deepinv, no biases"})
    x, sigma = images(channels, 12, 9)
    expected = original(x)
    assert (expected - x).abs().mean() > 0.02
    torch.testing.assert_close(prior(x, sigma), expected, rtol=0, atol=1e-6)


FFDNETS = {
    "KAIR": KairFFDNet,
    "KAIR, normalised": lambda channels: KairFFDNet(channels, norm=True),
    "deepinv": deepinv_ffdnet,
    "deepinv, normalised": lambda channels: deepinv_ffdnet(channels, norm="batch_norm"),
    "deepinv, no last bias": lambda channels: deepinv_ffdnet(channels, bias=False),
}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FFDNETS)
def test_an_ffdnet_gives_what_the_original_gives(
    kind: str, channels: int, suffix: str, card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(FFDNETS[kind](channels))
    path = saved(original.state_dict(), tmp_path / f"net{suffix}")
    # The card's own network predicts the noise; those of others predict the image.
    prior = pnp_priors.load(card("ffdnet", channels, residual=True), weights=path)
    assert isinstance(prior, FFDNet)
    check_frozen(prior)
    assert (prior.depth, prior.width, prior.residual) == (DEPTH, WIDTH, False)
    sizes = [(8, 12), (9, 7), (8, 7), (1, 1)] if "KAIR" in kind else [(8, 12)]
    for height, width in sizes:
        x, sigma = images(channels, height, width)
        expected = original(x, sigma)
        torch.testing.assert_close(prior(x, sigma), expected, rtol=0, atol=1e-6)
        one = original(x, sigma[:1].expand(2))
        torch.testing.assert_close(prior(x, float(sigma[0])), one, rtol=0, atol=1e-6)
        if height > 1:  # a single pixel passes through few weights
            assert (expected - one)[1].abs().max() > 1e-4, "the noise level has no influence"
            assert expected[0].std() > 1e-3, "the image has no influence"


@pytest.mark.parametrize("sigma_range", [(0.1, 0.1), (0.02, 0.3)])
def test_the_card_decides_on_the_noise_levels(
    sigma_range: tuple[float, float], card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(KairDnCNN())
    path = saved(original.state_dict(), tmp_path / "net.pth")
    prior = pnp_priors.load(card("dncnn", sigma_range=list(sigma_range)), weights=str(path))
    assert (prior.sigma_range, prior.blind) == (sigma_range, False)
    x, _ = images(1, 8, 8)
    torch.testing.assert_close(prior(x, 0.1), original(x), rtol=0, atol=1e-6)


def test_a_released_name_takes_a_file(tmp_path: Path) -> None:
    original = randomised(KairFFDNet())
    path = saved(original.half().float().state_dict(), tmp_path / "ffdnet_gray.pth")
    half = {k: v.half() for k, v in original.state_dict().items()}
    halved = saved(half, tmp_path / "half.safetensors")
    x, sigma = images(1, 9, 8)
    for file in (path, halved):
        prior = pnp_priors.load("ffdnet-gray", weights=file)
        check_frozen(prior)
        assert prior.sigma_range == pnp_priors.describe("ffdnet-gray").sigma_range
        torch.testing.assert_close(prior(x, sigma), original(x, sigma), rtol=0, atol=1e-6)
    double = pnp_priors.load("ffdnet-gray", dtype=torch.float64, weights=path)
    torch.testing.assert_close(
        double(x.double(), sigma), original.double()(x.double(), sigma.double()), rtol=0, atol=1e-8
    )


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 7, "loss": torch.zeros(3)},
        lambda state: {"params": state},
        lambda state: {"params": prefixed(state, "nothing."), "params_ema": state},
        lambda state: prefixed(state, "module."),
        lambda state: {"state_dict": {"params": prefixed(state, "module._orig_mod.")}},
    ],
    ids=["state_dict", "params", "params_ema", "module", "all"],
)
def test_what_training_scripts_put_around_weights(
    wrap: Callable[[Any], Any], card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(deepinv_dncnn())
    path = saved(wrap(dict(original.state_dict())), tmp_path / "net.ckpt")
    x, _ = images(1, 8, 8)
    prior = pnp_priors.load(card("dncnn", blind=True), weights=path)
    torch.testing.assert_close(prior(x), original(x), rtol=0, atol=1e-6)


def test_normalisations_that_kair_merged_without_renumbering(
    card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(KairDnCNN())
    state = original.state_dict()
    places = dict(zip(range(0, 2 * DEPTH, 2), [0, *range(2, 3 * DEPTH, 3)], strict=False))
    moved = {}
    for key, value in state.items():
        _, place, part = key.split(".")
        moved[f"model.{places[int(place)]}.{part}"] = value
    assert "model.11.weight" in moved
    path = saved(moved, tmp_path / "net.pth")
    x, _ = images(1, 8, 8)
    prior = pnp_priors.load(card("dncnn", blind=True), weights=path)
    torch.testing.assert_close(prior(x), original(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("residual", [False, True])
def test_this_packages_own_layout(
    residual: bool, card: Callable[..., Path], tmp_path: Path
) -> None:
    original = randomised(FFDNet(depth=DEPTH, width=WIDTH, residual=residual))
    path = saved(original.state_dict(), tmp_path / "net.safetensors")
    prior = pnp_priors.load(card("ffdnet", residual=residual), weights=path)
    x, sigma = images(1, 9, 8)
    assert torch.equal(prior(x, sigma), original(x, sigma))


def refused(path: Path, name: str | Path, *parts: str) -> None:
    """One line that names the file and says all of this."""
    with pytest.raises(WeightsError) as caught:
        pnp_priors.load(name, weights=path)
    message = str(caught.value)
    assert message.startswith(f"weights file {path}: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("how", ["pickle", "legacy", "zip"])
def test_objects_are_refused_and_not_unpickled(how: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    state = {**randomised(KairFFDNet()).state_dict(), "extra": Trap(mark)}
    path = tmp_path / "net.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=how == "zip")
    refused(path, "ffdnet-gray", "mkdir; expected plain" if how != "pickle" else "damaged, or not")
    assert not mark.exists()
    # The trap is one: ordinary unpickling falls into it.
    torch.load(saved(Trap(mark), tmp_path / "trap.pt"), weights_only=False)
    assert mark.exists()


def test_a_whole_module_is_refused_in_words(tmp_path: Path) -> None:
    path = saved(nn.Conv2d(1, 1, 3), tmp_path / "net.pth")
    refused(path, "ffdnet-gray", "holds torch.nn.modules.conv.Conv2d; expected plain tensors")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_file(kept: float, suffix: str, tmp_path: Path) -> None:
    path = saved(randomised(KairFFDNet()).state_dict(), tmp_path / f"net{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refused(path, "ffdnet-gray")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_text("<html>not found</html>", encoding="utf-8")
    refused(path, "ffdnet-gray", "damaged, or not written by torch.save")
    path = tmp_path / "net.safetensors"
    path.write_text("<html>not found</html>", encoding="utf-8")
    refused(path, "ffdnet-gray", "damaged, or not a safetensors file")


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors", ""])
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(MissingFileError) as caught:
        pnp_priors.load("ffdnet-gray", weights=path)
    assert str(caught.value) == f"no such weights file: {path}"


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "expected tensors by name, found list"),
        ({}, "expected tensors by name, found nothing"),
        ({"0": {"model.0.weight": torch.zeros(1)}}, "found '0': dict"),
        ({"a.weight": 3}, "found 'a.weight': int"),
        ({3: torch.zeros(1)}, "found 3: Tensor"),
        ({"a": torch.tensor([float("nan")])}, "a: expected a dense tensor of finite numbers"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "a: expected a dense tensor of finite numbers"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "a: expected a dense tensor"),
    ],
)
def test_other_things_than_a_state_dict(content: Any, said: str, tmp_path: Path) -> None:
    refused(saved(content, tmp_path / "net.pt"), "ffdnet-gray", said)


def test_another_network_is_told_what_was_expected(tmp_path: Path) -> None:
    state = {
        f"m_{part}.{i}.weight": torch.zeros(4, 4, 3, 3) for part in ("down1", "up1") for i in (0, 1)
    }
    refused(
        saved(state, tmp_path / "unet.pth"),
        "ffdnet-gray",
        "expected FFDNet as saved by KAIR (model.0.weight, model.2.weight, …)",
        "deepinv (blocks.0.0.weight, blocks.1.0.weight, …)",
        "found 4 tensors, m_down1.0.weight, m_down1.1.weight, m_up1.0.weight, …",
    )


def test_a_missing_and_a_foreign_tensor_are_named(tmp_path: Path) -> None:
    state = randomised(KairFFDNet()).state_dict()
    del state["model.4.weight"]
    refused(saved(state, tmp_path / "a.pth"), "ffdnet-gray", "nearest is KAIR")
    state = randomised(KairFFDNet(norm=True)).state_dict()
    del state["model.6.running_mean"]
    said = "nearest is KAIR, missing: model.6.running_mean"
    refused(saved(state, tmp_path / "b.pth"), "ffdnet-gray", said)
    state = randomised(deepinv_ffdnet()).state_dict()
    state["blocks.1.2.weight"] = torch.zeros(3)
    said = "nearest is deepinv, unknown: blocks.1.2.weight"
    refused(saved(state, tmp_path / "c.pth"), "ffdnet-gray", said)


@pytest.mark.parametrize("make", [KairFFDNet, deepinv_ffdnet])
def test_wrong_channels(make: Callable[[int], nn.Module], tmp_path: Path) -> None:
    path = saved(randomised(make(3)).state_dict(), tmp_path / "ffdnet_color.pth")
    inputs = {KairFFDNet: (5, 13), deepinv_ffdnet: (8, 16)}[make]
    refused(
        path,
        "ffdnet-gray",
        f".weight: expected floating point [{WIDTH}, {inputs[0]}, 3, 3]",
        "FFDNet for 1 channel(s)",
        f"found torch.float32 [{WIDTH}, {inputs[1]}, 3, 3]",
    )


def test_wrong_shapes_types_and_statistics(tmp_path: Path) -> None:
    good = randomised(KairFFDNet(norm=True)).state_dict()
    for key, value, said in [
        (
            "model.2.weight",
            torch.zeros(WIDTH, WIDTH, 5, 5),
            f"found torch.float32 [{WIDTH}, {WIDTH}",
        ),
        ("model.2.bias", torch.zeros(WIDTH + 1), f"expected floating point [{WIDTH}]"),
        ("model.3.weight", torch.zeros(WIDTH, dtype=torch.int32), "found torch.int32"),
        ("model.3.running_var", -torch.ones(WIDTH), "found negative ones"),
    ]:
        path = saved({**good, key: value}, tmp_path / "net.pth")
        refused(path, "ffdnet-gray", f"{key}: expected", said)


def test_systems_in_each_others_place(card: Callable[..., Path], tmp_path: Path) -> None:
    dncnn = saved(randomised(KairDnCNN()).state_dict(), tmp_path / "dncnn.pth")
    refused(dncnn, "ffdnet-gray", "model.0.weight: expected", "KAIR's FFDNet", "[6, 1, 3, 3]")
    ffdnet = saved(randomised(KairFFDNet()).state_dict(), tmp_path / "ffdnet.pth")
    refused(ffdnet, card("dncnn"), "model.0.weight: expected", "KAIR's DnCNN", "[6, 5, 3, 3]")
    refused(dncnn, "genericdp", "expected a prior whose system is one of dncnn, ffdnet")


def test_a_bias_free_prior_takes_no_biases(card: Callable[..., Path], tmp_path: Path) -> None:
    free = card("dncnn", bias=False, blind=True)
    for norm, bias in [(False, True), (True, False)]:
        state = randomised(KairDnCNN(norm=norm, bias=bias)).state_dict()
        refused(saved(state, tmp_path / "net.pth"), free, "has additive constants", "own-dncnn")
    state = randomised(KairDnCNN(bias=False)).state_dict()
    prior = pnp_priors.load(free, weights=saved(state, tmp_path / "net.pth"))
    x, _ = images(1, 8, 8)
    torch.testing.assert_close(prior(4 * x), 4 * prior(x), rtol=0, atol=1e-6)


def test_a_pipeline_takes_a_file(tmp_path: Path) -> None:
    original = randomised(KairFFDNet())
    saved(original.state_dict(), tmp_path / "net.pth")
    np.save(tmp_path / "k.npy", np.ones((3, 3)))
    content = {
        "task": "deconvolution",
        "kernel": {"file": "k.npy"},
        "prior": {"name": "ffdnet-gray", "weights": "net.pth"},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    restorer = pipelines.load(tmp_path / "p.yaml")
    x, sigma = images(1, 8, 8)
    torch.testing.assert_close(restorer.prior(x, sigma), original(x, sigma), rtol=0, atol=1e-6)
    with pytest.raises(MissingFileError, match=r"no such weights file: .*none\.pth"):
        pipelines.load(tmp_path / "p.yaml", {"prior.weights": str(tmp_path / "none.pth")})
