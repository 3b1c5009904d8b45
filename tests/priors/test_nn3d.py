"""NN3D: its rounds, what it may be built around, what it gains, and what it says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import pnp_priors
from pnp_priors import registry
from pnp_priors.errors import (
    ConfigError,
    InputError,
    MissingFileError,
    UnknownNameError,
    WeightsError,
)
from pnp_priors.pipelines import build as pipelines
from pnp_priors.priors.base import Prior
from pnp_priors.priors.nn3d import NN3D

Psnr = Callable[[Tensor, Tensor], float]

#: of one level, of all levels, for colour
BASES = ["trd-7x7-s25", "ffdnet-gray", "genericdp-color"]


@lru_cache
def around(base: str) -> Prior:
    return pnp_priors.load("nn3d", base=base)


def facade(height: int, width: int, channels: int = 1) -> Tensor:
    """Rows of equal windows with bars in them: structure that repeats, finer than noise allows."""
    rows, columns = torch.arange(height)[:, None] % 9, torch.arange(width) % 14
    window = (rows > 1) & (rows < 7) & (columns > 1) & (columns < 12)
    bars = 0.3 + 0.12 * ((rows + columns) % 4 < 2)
    image = torch.where(window, bars, torch.tensor(0.65))
    tints = torch.linspace(1, 0.7, channels)[:, None, None]
    return (image * tints)[None]


def noisy(clean: Tensor, sigma: float) -> Tensor:
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    return clean + sigma * noise


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_rounds_are_the_paper_s(rounds: int) -> None:
    base, own = pnp_priors.load("ffdnet-gray"), NN3D("ffdnet-gray", rounds=rounds)
    own.base.load_state_dict(base.state_dict())
    z, sigma = noisy(facade(30, 37), 0.1), 0.1
    f = own.nonlocal_filter
    y, groups = z, None
    for k in range(1, rounds + 1):
        share = 1 / k
        smooth = f.extended(base(share * z + (1 - share) * y, share * sigma))
        groups = f.match(smooth) if groups is None else groups
        tau = torch.full((1, groups.shape[1]), 0.3 * share * sigma)
        y = f.shrink(smooth, groups, tau)[..., :30, :37]
    torch.testing.assert_close(own.eval()(z, sigma).detach(), y.detach(), rtol=0, atol=2e-6)


def test_the_shipped_settings_are_the_paper_s() -> None:
    card = pnp_priors.describe("nn3d")
    paper = {"base": "ffdnet-gray", "rounds": 2, "block": 10, "group": 32}
    assert card.architecture.items() >= paper.items()
    assert card.architecture == NN3D().arguments()


@pytest.mark.parametrize("base", BASES)
def test_it_gains_on_repeated_structure_over_any_base(base: str, psnr: Psnr) -> None:
    plain, prior = pnp_priors.load(base), around(base)
    clean = facade(72, 80, prior.channels)
    for level, gain in ((25 / 255, 0.1), (50 / 255, 0.3)):
        y = noisy(clean, level)
        assert psnr(prior(y, level), clean) > psnr(plain(y, level), clean) + gain


@pytest.mark.parametrize("base", BASES)
def test_it_takes_after_its_base(base: str) -> None:
    plain, prior = pnp_priors.load(base), around(base)
    assert isinstance(prior, NN3D)
    assert prior.arguments() == {**NN3D().arguments(), "base": base}
    assert (prior.channels, prior.sigma_range) == (plain.channels, plain.sigma_range)
    assert (prior.blind, prior.tasks, prior.channels_last) == (
        False,
        ("gaussian",),
        plain.channels_last,
    )
    state = {f"base.{key}": value for key, value in plain.state_dict().items()}
    assert state.keys() == prior.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in prior.state_dict().items())
    assert not prior.training
    assert not any(p.requires_grad for p in prior.parameters())


def test_a_base_of_one_s_own_is_given_by_its_card(tmp_path: Path) -> None:
    card = yaml.safe_load(registry.card_path("ffdnet-gray").read_text(encoding="utf-8"))
    released = registry.PACKAGE / "weights" / card["weights"]["file"]
    for folder in ("cards", "weights"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "cards" / "own.yaml"
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    (tmp_path / "weights" / released.name).write_bytes(released.read_bytes())
    x = noisy(facade(20, 20), 0.1)
    expected = around("ffdnet-gray")(x, 0.1)
    assert torch.equal(pnp_priors.load("nn3d", base=path)(x, 0.1), expected)
    assert torch.equal(pnp_priors.load("nn3d", base=str(path))(x, 0.1), expected)
    (tmp_path / "weights" / released.name).write_bytes(b"")
    with pytest.raises(WeightsError, match="SHA-256"):
        pnp_priors.load("nn3d", base=path)


def test_a_blind_base_still_needs_sigma_for_the_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = yaml.safe_load(registry.card_path("ffdnet-gray").read_text(encoding="utf-8"))
    architecture = {"channels": 1, "depth": 3, "width": 4, "blind": True, "sigma_range": [0.0, 0.2]}
    card |= {"name": "blind", "system": "dncnn", "architecture": architecture, "blind": True}
    path = tmp_path / "blind.yaml"
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    prior = NN3D(path).eval()
    x = noisy(facade(24, 24), 0.1)
    with pytest.raises(InputError, match="sigma must be given"):
        prior(x)
    assert not torch.equal(prior(x, 0.05), prior(x, 0.1))


def test_what_is_smaller_than_a_block_is_left_to_the_base() -> None:
    prior, base = around("ffdnet-gray"), pnp_priors.load("ffdnet-gray")
    for size in ((1, 1), (9, 30), (30, 9)):
        x = noisy(facade(*size), 0.1)
        first = base(x, 0.1)
        expected = base((x + first) / 2, 0.05)
        torch.testing.assert_close(prior(x, 0.1), expected, rtol=0, atol=1e-6)


def test_a_sigma_map_is_met_block_by_block() -> None:
    """Where the map says little noise, the filter takes little: with the base told the same."""
    prior = NN3D("ffdnet-gray", rounds=1, stride=2)
    for parameter in prior.base.parameters():
        parameter.data.zero_()  # an FFDNet that predicts no noise is the identity
    clean = facade(40, 120)
    x = noisy(clean, 0.05)
    sigma = torch.full((1, 1, 40, 120), 1e-6)
    sigma[..., 60:] = 0.2
    change = (prior.eval()(x, sigma) - x).detach().abs().mean(dim=(0, 1, 2))
    assert change[:20].max() < 1e-4
    assert change[-20:].min() > 0.005


def test_it_compiles_in_one_graph_where_blocks_are_matched() -> None:
    """The contract's images are smaller than a block."""
    torch._dynamo.reset()
    prior = around("ffdnet-gray")
    compiled = torch.compile(prior, backend="eager", fullgraph=True)
    x = noisy(facade(16, 15), 0.1)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x, 0.1), prior(x, 0.1), rtol=0, atol=1e-5)
    torch._dynamo.reset()


def test_it_serves_a_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", np.ones((3, 3)) / 9)
    content = {"task": "deconvolution", "kernel": {"file": "k.npy"}, "noise": {"sigma": 0.02}}
    Path("p.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    restorer = pipelines.load("p.yaml", {"prior.name": "nn3d", "solver.iterations": 2})
    assert isinstance(restorer.prior, NN3D)
    blurred = facade(24, 26)[0, 0]
    restored = restorer(blurred)
    assert restored.shape == blurred.shape
    assert torch.isfinite(restored).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ("nn3d", "ffdnet_gray"),
            UnknownNameError,
            "unknown prior 'ffdnet_gray': nearest: ffdnet-gray",
        ),
        (("nn3d", "nn3d"), ConfigError, "base 'nn3d' is itself around another prior"),
        (("nn3d", "trd-jpeg-q10"), ConfigError, "'trd-jpeg-q10' is trained for jpeg; allowed"),
        (("nn3d", "none.yaml"), MissingFileError, "no such file"),
        (
            ("ffdnet-gray", "genericdp"),
            InputError,
            "ffdnet-gray takes no base; those that do: .*nn3d",
        ),
        (("nn33d", "genericdp"), UnknownNameError, "nearest: nn3d"),
    ],
    ids=str,
)
def test_impossible_bases_are_one_line(
    arguments: tuple[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        pnp_priors.load(arguments[0], base=arguments[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds must be a whole number"),
        ({"threshold": -0.1}, "threshold must not be negative"),
        ({"threshold": float("nan")}, "threshold must not be negative"),
        ({"group": 20}, "power of two"),
        ({"blok": 8}, "blok"),
    ],
    ids=str,
)
def test_impossible_settings_are_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"system 'nn3d'.*{message}"):
        registry.build("nn3d", settings)


def test_weights_of_others_are_for_its_base_to_load(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    released = pnp_priors.describe("ffdnet-gray").weights
    assert released is not None
    file.write_bytes((registry.PACKAGE / "weights" / released.file).read_bytes())
    with pytest.raises(WeightsError, match="nn3d is 'nn3d'"):
        pnp_priors.load("nn3d", weights=file)


def test_its_numbers_depend_on_its_base_s_weights_and_on_its_settings() -> None:
    card, base = pnp_priors.describe("nn3d"), pnp_priors.describe("ffdnet-gray")
    assert base.weights is not None
    assert registry.fingerprint(base) == base.weights.sha256
    others = [
        card.model_copy(update={"architecture": card.architecture | change})
        for change in ({}, {"base": "genericdp"}, {"threshold": 0.25})
    ]
    found = [registry.fingerprint(other) for other in others]
    assert found[0] == registry.fingerprint(card)
    assert len({*found, base.weights.sha256}) == 4
    assert all(len(print_) == 64 for print_ in found)
