"""The contract: what every released prior promises (docs: the nine promises of the design).

Every test runs for every name of ``pnp_priors.available()``; a new prior is tested by its card
alone. Traps that deepinv 0.5's own denoisers fall into are among them: sigma of one element with
a batch of two, sigma as numpy, sigma as a map, odd sizes, sigma in 0..255 units, sigma 0.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import pickle
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import deepinv
import numpy as np
import pytest
import torch
import yaml
from deepinv.optim import L2, RED, PnP
from torch import Tensor

import pnp_priors
from pnp_priors import registry
from pnp_priors.errors import InputError, WeightsError
from pnp_priors.physics import bicubic
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.priors.base import Prior
from pnp_priors.solvers import dpir
from pnp_priors.training import camera
from pnp_priors.training.command import RECIPES
from pnp_priors.training.recipe import Recipe

Scene = Callable[..., Tensor]
Psnr = Callable[[Tensor, Tensor], float]


@lru_cache
def loaded(name: str, dtype: torch.dtype | None = None) -> Prior:
    return pnp_priors.load(name, dtype=dtype)


@pytest.fixture(params=pnp_priors.available())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def prior(name: str) -> Iterator[Prior]:
    """The prior, shared by all tests; one that changes it takes a copy."""
    shared = loaded(name)
    before = {k: v.clone() for k, v in shared.state_dict().items()}
    yield shared
    assert not shared.training
    assert all(torch.equal(v, before[k]) for k, v in shared.state_dict().items())


def images(
    prior: Prior, batch: int = 1, height: int = 12, width: int = 15, seed: int = 0
) -> Tensor:
    """Smooth images with a little noise, in the prior's channels."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, prior.channels, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return smooth + 0.08 * torch.randn(smooth.shape, generator=generator)


def lowest(prior: Prior) -> float:
    """The noise level below which the correction only fades; 0 where it need not."""
    low, high = prior.sigma_range
    return high / prior.largest_gain if low == high else low


def level(prior: Prior, share: float = 0.5) -> float:
    """A noise level inside the trained range, or up to the trained one where that is single."""
    low, high = prior.sigma_range
    low = high / 2 if low == high else low
    return low + share * (high - low)


# --- 1. loading ----------------------------------------------------------------------------------


def test_loads_in_eval_mode_with_frozen_parameters_and_without_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("load opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    prior = pnp_priors.load(name)
    assert isinstance(prior, deepinv.models.Denoiser)
    assert isinstance(prior, torch.nn.Module)
    assert not prior.training
    assert not any(p.requires_grad for p in prior.parameters())
    assert all(torch.isfinite(p).all() for p in prior.parameters())


def test_two_loads_share_nothing(name: str) -> None:
    one, two = pnp_priors.load(name), pnp_priors.load(name)
    for mine, other in zip(one.parameters(), two.parameters(), strict=True):
        assert mine.data_ptr() != other.data_ptr()


#: those whose weights are not another prior's
WITH_WEIGHTS = [n for n in pnp_priors.available() if pnp_priors.describe(n).weights is not None]


def released_weights(name: str) -> Path:
    """The weights file of a prior that has one."""
    weights = pnp_priors.describe(name).weights
    assert weights is not None
    return registry.PACKAGE / "weights" / weights.file


def own_card(name: str, folder: Path) -> Path:
    """Card of a prior, copied to a folder of one's own with its weights, if it has some."""
    card = folder / "cards" / f"{name}.yaml"
    card.parent.mkdir()
    shutil.copy(registry.card_path(name), card)
    (folder / "weights").mkdir()
    if name in WITH_WEIGHTS:
        shutil.copy(released_weights(name), folder / "weights")
    return card


def own_copy(name: str, folder: Path) -> tuple[Path, Path]:
    """Card and weights of a prior that has some, copied to a folder of one's own."""
    return own_card(name, folder), folder / "weights" / released_weights(name).name


def test_a_card_of_one_s_own_loads_by_its_path(name: str, prior: Prior, tmp_path: Path) -> None:
    card = own_card(name, tmp_path)
    x = images(prior)
    for path in (card, str(card)):
        assert torch.equal(pnp_priors.load(path)(x, level(prior)), prior(x, level(prior)))


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("name", WITH_WEIGHTS)
@pytest.mark.parametrize(
    "damage",
    [
        flip_last_bit,
        lambda c: c[: len(c) // 2],
        lambda c: c[:-1],
        lambda c: b"",
        lambda c: c + b" ",
    ],
    ids=["one bit", "half", "one byte short", "empty", "one byte more"],
)
def test_damaged_weights_are_refused(
    name: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    card, weights = own_copy(name, tmp_path)
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(WeightsError, match="SHA-256"):
        pnp_priors.load(card)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_weights_that_only_look_right_are_refused(name: str, tmp_path: Path) -> None:
    """Truncated, and the card's hash changed to fit; or those of another architecture."""
    card, weights = own_copy(name, tmp_path)
    whole = weights.read_bytes()
    text = yaml.safe_load(card.read_text(encoding="utf-8"))
    truncated = whole[:-100]
    weights.write_bytes(truncated)
    text["weights"]["sha256"] = hashlib.sha256(truncated).hexdigest()
    card.write_text(yaml.safe_dump(text), encoding="utf-8")
    with pytest.raises(WeightsError, match="not a valid safetensors file"):
        pnp_priors.load(card)

    from safetensors.torch import save

    tensors = {"another": torch.zeros(3)}
    weights.write_bytes(save(tensors))
    text["weights"]["sha256"] = hashlib.sha256(save(tensors)).hexdigest()
    card.write_text(yaml.safe_dump(text), encoding="utf-8")
    with pytest.raises(WeightsError, match="do not fit the architecture"):
        pnp_priors.load(card)
    weights.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        pnp_priors.load(card)


def test_the_card_says_what_is_loaded(name: str, prior: Prior) -> None:
    card = pnp_priors.describe(name)
    assert card.name == name
    if card.weights is not None:
        assert card.weights.bytes == released_weights(name).stat().st_size
    assert card.channels == prior.channels
    assert card.sigma_range == pytest.approx(prior.sigma_range)
    assert card.blind == prior.blind
    assert card.estimates_sigma == prior.estimates_sigma
    assert tuple(card.tasks) == prior.tasks
    assert card.quality_range == prior.quality_range
    assert (card.quality_range is not None) == ("jpeg" in card.tasks)
    assert card.scales == prior.scales
    assert (card.scales is not None) == ("super-resolution" in card.tasks)
    assert card.receptive_field == prior.receptive_field
    assert card.parameters == sum(p.numel() for p in prior.parameters())
    assert type(prior) is registry.system_class(card.system)


# --- 2. forms of sigma, sizes, dtypes ------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        lambda s, _: torch.tensor(s),
        lambda s, _: torch.tensor(s, dtype=torch.float64),
        lambda s, _: torch.tensor([s]),
        lambda s, _: torch.tensor([s, s]),
        lambda s, _: np.float32(s),
        lambda s, _: np.array(s),
        lambda s, _: np.array([s]),
        lambda s, _: np.array([s, s], dtype=np.float32),
        lambda s, _: [s],
        lambda s, _: [s, s],
        lambda s, _: torch.nn.Parameter(torch.tensor(s)),
        lambda s, _: torch.full((2, 1, 1, 1), s),
        lambda s, x: torch.full((1, 1, *x.shape[2:]), s),
        lambda s, x: torch.full((2, 1, *x.shape[2:]), s),
        lambda s, x: np.full((2, 1, *x.shape[2:]), s),
    ],
    ids=[
        *("0-d", "0-d float64", "[1]", "[B]", "np scalar", "np 0-d", "np [1]", "np [B]"),
        *("list of 1", "list of B", "parameter", "[B,1,1,1]", "map [1]", "map [B]", "np map"),
    ],
)
def test_every_form_of_sigma_equals_the_number(
    prior: Prior, form: Callable[[float, Tensor], object]
) -> None:
    x, sigma = images(prior, batch=2), level(prior)
    expected = prior(x, sigma)
    found = prior(x, form(sigma, x))  # type: ignore[arg-type]
    torch.testing.assert_close(found.detach(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 1), (2, 3), (3, 2), (9, 14), (17, 11)])
def test_any_size_from_one_pixel_up(prior: Prior, size: tuple[int, int]) -> None:
    x = images(prior, 2, *size)
    constant = torch.full((2, 1, *size), level(prior))
    out = prior(x, level(prior))
    assert out.shape == x.shape
    assert torch.isfinite(out).all()
    torch.testing.assert_close(prior(x, constant), out, rtol=0, atol=1e-5)


def test_a_batch_equals_its_images_one_by_one(prior: Prior) -> None:
    x = images(prior, batch=3)
    sigmas = [level(prior, share) for share in (0.1, 0.4, 1.0)]
    singles = torch.cat([prior(x[i : i + 1], s) for i, s in enumerate(sigmas)])
    torch.testing.assert_close(prior(x, torch.tensor(sigmas)), singles, rtol=0, atol=1e-5)
    maps = torch.tensor(sigmas)[:, None, None, None].expand(3, 1, *x.shape[2:])
    torch.testing.assert_close(prior(x, maps), singles, rtol=0, atol=1e-5)
    assert prior.blind or not torch.allclose(prior(x, sigmas[0]), prior(x, sigmas[2]), atol=1e-3)


def test_maps_that_vary_equal_their_images_one_by_one(prior: Prior) -> None:
    x = images(prior, batch=2)
    shares = torch.rand(2, 1, *x.shape[2:], generator=torch.Generator().manual_seed(0))
    maps = level(prior, 0) + shares * (level(prior, 1) - level(prior, 0))
    singles = torch.cat([prior(x[i : i + 1], maps[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(prior(x, maps), singles, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", ["channels_last", "strided", "expanded"])
def test_memory_layout_does_not_matter(prior: Prior, layout: str) -> None:
    x = images(prior, batch=2)
    if layout == "expanded":
        x = x[:1].expand(2, -1, -1, -1)
    expected = prior(x.clone(memory_format=torch.contiguous_format), level(prior))
    if layout == "channels_last":
        x = x.to(memory_format=torch.channels_last)
    elif layout == "strided":
        x = x.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(prior(x, level(prior)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_output_has_the_dtype_of_the_input(prior: Prior, dtype: torch.dtype) -> None:
    x = images(prior, batch=2).to(dtype)
    out = prior(x, level(prior))
    assert out.dtype == dtype
    torch.testing.assert_close(out, prior(x.float(), level(prior)).to(dtype), rtol=0, atol=1e-5)


# --- 3. channels ---------------------------------------------------------------------------------


def test_channels(prior: Prior) -> None:
    if prior.channels == 1:
        gray = images(prior, batch=6, height=9, width=10)
        colour = gray.reshape(2, 3, 9, 10)
        sigma = torch.tensor([level(prior, 0.3), level(prior, 0.8)])
        channels = [prior(colour[:, c : c + 1], sigma) for c in range(3)]
        torch.testing.assert_close(prior(colour, sigma), torch.cat(channels, 1), rtol=0, atol=1e-5)
        maps = sigma[:, None, None, None].expand(2, 1, 9, 10)
        torch.testing.assert_close(prior(colour, maps), torch.cat(channels, 1), rtol=0, atol=1e-5)
    else:
        for wrong in (1, prior.channels + 1):
            with pytest.raises(InputError, match=f"for {prior.channels} channels"):
                prior(torch.rand(1, wrong, 8, 8), level(prior))


# --- 4. sigma outside the range ------------------------------------------------------------------


def ignores_sigma(prior: Prior, x: Tensor) -> bool:
    """Whether a prior is blind; then it must be so for every level, the range's ends included."""
    if prior.blind:
        sigmas = (0.0, *prior.sigma_range, 25 / 255, 1.0)
        assert all(torch.equal(prior(x, sigma), prior(x)) for sigma in sigmas)
    return prior.blind


def test_above_the_range_the_correction_grows(prior: Prior) -> None:
    """More noise stated, more is taken away; without a jump where the range ends."""
    if ignores_sigma(prior, images(prior, height=24, width=24)):
        return
    x, high = images(prior, height=24, width=24), prior.sigma_range[1]
    sigmas = torch.linspace(high, min(1.0, 4 * high), 8).tolist()
    outputs = [prior(x, s) for s in sigmas]
    corrections = [(out - x).norm().item() for out in outputs]
    assert all(torch.isfinite(out).all() for out in outputs)
    assert all(b >= 0.995 * a for a, b in itertools.pairwise(corrections))
    assert corrections[-1] > corrections[0]
    just_above = prior(x, 1.0001 * high)
    torch.testing.assert_close(just_above, outputs[0], rtol=0, atol=2e-3)


def test_below_the_range_the_correction_fades(prior: Prior) -> None:
    low, x = lowest(prior), images(prior)
    if ignores_sigma(prior, x):
        return
    if low == 0:
        pytest.skip("nothing is below the range")
    whole = prior(x, low) - x
    for share in (0.25, 0.5, 0.9):
        faded = prior(x, share * low) - x
        torch.testing.assert_close(faded, share**2 * whole, rtol=1e-2, atol=1e-6)


def test_sigma_zero_returns_the_input(prior: Prior, scene: Scene) -> None:
    clean = scene(32, 30, prior.channels)
    if prior.takes_table:
        # What is sigma 0 elsewhere is here a table that loses almost nothing.
        fine = torch.ones(8, 8)
        kept = simulate(clean, fine)
        assert (prior(kept, table=fine) - kept).abs().max() < 8 * 0.5 / 255  # type: ignore[call-arg]
    if ignores_sigma(prior, clean):
        return
    change = (prior(clean, 0) - clean).square().mean().sqrt()
    assert change < 0.02
    if prior.sigma_range[0] > 0:
        assert torch.equal(prior(clean, 0), clean)


@pytest.mark.parametrize("sigma", [25, 25.0, np.float32(25), torch.tensor([25.0, 15.0])])
def test_sigma_in_255_units_is_an_error_that_says_so(prior: Prior, sigma: float | Tensor) -> None:
    with pytest.raises(InputError, match=r"0\.\.255 units.*25/255"):
        prior(images(prior, batch=2), sigma)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (-0.01, "negative"),
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        (np.array([0.1, np.nan]), "not finite"),
        (torch.tensor([0.1, 0.1, 0.1]), "shape"),
        (torch.full((2, 1, 3, 3), 0.1), "map"),
        (torch.full((12, 15), 0.1), "shape"),
        ("0.1", "str"),
    ],
    ids=str,
)
def test_impossible_sigmas_are_errors(prior: Prior, sigma: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prior(images(prior, batch=2), sigma)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "x",
    [
        torch.rand(8, 8),
        torch.rand(1, 8, 8),
        torch.rand(1, 1, 0, 8),
        torch.rand(1, 1, 1, 8, 8),
        torch.zeros(1, 1, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 1, 8, 8, dtype=torch.complex64),
        np.zeros((1, 1, 8, 8), np.float32),
    ],
    ids=["HW", "CHW", "no rows", "5-d", "uint8", "complex", "numpy"],
)
def test_impossible_images_are_errors(prior: Prior, x: Tensor) -> None:
    with pytest.raises(InputError, match=r"expected (an image tensor|floating point)"):
        prior(x, level(prior))


# --- 5. blind priors -----------------------------------------------------------------------------


def test_sigma_may_be_missing_where_it_is_ignored_or_estimated(prior: Prior) -> None:
    x = images(prior)
    if prior.blind:
        assert torch.equal(prior(x), prior(x, None))
        torch.testing.assert_close(prior(x), prior(x, level(prior)))
    elif prior.estimates_sigma:
        found = prior.estimate(x)
        assert found.shape == x.shape
        assert 0 <= found.min() <= found.max() <= prior.sigma_range[1]
        assert torch.equal(prior(x), prior(x, found))
        assert not torch.allclose(prior(x), prior(x, 2 * found.clamp(max=0.5)), atol=1e-3)
    else:
        with pytest.raises(InputError, match="sigma must be given"):
            prior(x)


def untrained(**arguments: object) -> Prior:
    """A small blind DnCNN with random weights and constants, in float64."""
    settings = {"depth": 4, "width": 6, "blind": True, "sigma_range": [0.0, 0.2], **arguments}
    network = registry.build("dncnn", settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.requires_grad_(False).double().eval()


UNTRAINED: dict[str, dict[str, object]] = {
    "untrained": {},
    "untrained in colour": {"channels": 3},
    "untrained without constants": {"bias": False},
    "untrained in colour without constants": {"channels": 3, "bias": False},
}
BLIND = [name for name in pnp_priors.available() if pnp_priors.describe(name).blind]
NO_CONSTANTS = [n for n in BLIND if pnp_priors.describe(n).architecture.get("bias") is False]


def exact(name: str) -> Prior:
    """A released prior, or one of :data:`UNTRAINED`, in float64."""
    return untrained(**UNTRAINED[name]) if name in UNTRAINED else loaded(name, torch.float64)


@pytest.mark.parametrize("name", [*BLIND, *UNTRAINED])
def test_a_blind_prior_ignores_every_form_of_sigma(name: str) -> None:
    prior = exact(name)
    x = images(prior, batch=2).double()
    expected = prior(x)
    maps = torch.rand(2, 1, *x.shape[2:], generator=torch.Generator().manual_seed(1))
    for sigma in (None, 0.0, 0.03, 1.0, np.float32(0.1), torch.tensor([0.0, 0.9]), maps, maps[:1]):
        assert torch.equal(prior(x, sigma), expected)
    assert not torch.equal(expected, x)


def test_the_card_of_a_blind_prior_says_so_and_what_it_is_not_for(name: str) -> None:
    card = pnp_priors.describe(name)
    if "gaussian" in card.tasks:
        assert (card.iterative_verdict == "not suited") == card.blind
        assert ("blind" in card.trained_for) == card.blind
    assert f"trained for     {card.trained_for}" in str(card)
    assert f"iterative use   {card.iterative_use}" in str(card)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_recipe_of_a_blind_prior_calls_it_not_suited(path: Path) -> None:
    recipe = Recipe.read(path)
    network = registry.build(recipe.system, recipe.architecture)
    if "gaussian" in network.tasks:
        assert recipe.card.iterative_use.startswith("not suited") == network.blind


@pytest.mark.parametrize("name", [*NO_CONSTANTS, *(n for n in UNTRAINED if "without" in n)])
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_without_additive_constants_contrast_passes_through(name: str, scale: float) -> None:
    """D(a x) = a D(x) for a > 0."""
    prior = exact(name)
    x = images(prior).double()
    torch.testing.assert_close(prior(scale * x), scale * prior(x), rtol=1e-9, atol=1e-12)


def test_with_additive_constants_it_does_not() -> None:
    prior = exact("untrained")
    x = images(prior).double()
    assert not torch.allclose(prior(3 * x), 3 * prior(x), rtol=1e-2)


# --- 6. gradients, finiteness, determinism -------------------------------------------------------


@pytest.mark.parametrize("share", [0.4, 3.0], ids=["inside", "above"])
def test_gradient_check_in_float64(name: str, share: float) -> None:
    prior = loaded(name, torch.float64)
    x = images(prior, height=4, width=5).double().requires_grad_()
    sigma = min(1.0, level(prior, share))
    # A small step: the straight pieces of tables and rectifiers seldom meet inside of it.
    assert torch.autograd.gradcheck(lambda v: prior(v, sigma), x, eps=1e-8, atol=2e-5, rtol=1e-2)


def test_float64_agrees_with_float32(name: str, prior: Prior) -> None:
    x = images(prior)
    double = loaded(name, torch.float64)(x.double(), level(prior))
    torch.testing.assert_close(double.float(), prior(x, level(prior)), rtol=0, atol=1e-4)


def test_the_gradient_reaches_image_and_sigma(prior: Prior) -> None:
    x = images(prior, batch=2).requires_grad_()
    sigma = torch.nn.Parameter(torch.tensor([level(prior, 0.31), level(prior, 0.62)]))
    prior(x, sigma).square().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert (x.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    if not prior.blind:
        assert sigma.grad is not None
        assert torch.isfinite(sigma.grad).all()
        assert (sigma.grad != 0).all()


def test_with_and_without_gradients_the_output_is_the_same(prior: Prior) -> None:
    x = images(prior, batch=2)
    expected = prior(x.clone().requires_grad_(), level(prior)).detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = prior(x, level(prior))
        torch.testing.assert_close(found.clone(), expected, rtol=0, atol=1e-5)
    # and an inference before must not spoil gradients after
    prior(x.clone().requires_grad_(), level(prior)).sum().backward()


@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0, -3.0])
def test_finite_in_finite_out(prior: Prior, scale: float) -> None:
    x = scale * images(prior)
    for sigma in (0.0, *prior.sigma_range, 1.0):
        assert torch.isfinite(prior(x, sigma)).all()


def test_deterministic_and_leaves_its_input_alone(prior: Prior) -> None:
    x = images(prior, batch=2)
    before, sigma = x.clone(), torch.tensor([level(prior), 1.0])
    assert torch.equal(prior(x, sigma), prior(x, sigma))
    assert torch.equal(x, before)
    assert torch.equal(sigma, torch.tensor([level(prior), 1.0]))


def test_does_its_task(prior: Prior, scene: Scene, psnr: Psnr) -> None:
    for task in prior.tasks:
        TASKS[task](prior, scene(64, 64, prior.channels), psnr)


def deblocks(prior: Prior, clean: Tensor, psnr: Psnr) -> None:
    """Closer to the truth than the decoded image at trained qualities, and at one unknown."""
    assert prior.quality_range is not None
    first, last = prior.quality_range
    for quality in {first, min(last, 40), first + 5}:
        table = luminance_table(quality)
        blocky = simulate(clean, table)
        restored = prior(blocky, table=table) if prior.takes_table else prior(blocky)  # type: ignore[call-arg]
        assert psnr(restored, clean) > psnr(blocky, clean) + 0.5


def superresolves(prior: Prior, clean: Tensor, psnr: Psnr) -> None:
    """Closer to the truth than the bicubic enlargement."""
    assert prior.scales is not None
    for scale in prior.scales:
        height, width = (size // scale * scale for size in clean.shape[-2:])
        sharp = clean[..., :height, :width]
        blurred = bicubic.simulate(sharp, scale)
        assert psnr(prior(blurred), sharp) > psnr(blurred, sharp) + 0.5


def denoises(prior: Prior, clean: Tensor, psnr: Psnr) -> None:
    sigma = 25 / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = clean + sigma * noise
    assert psnr(prior(noisy, sigma), clean) > psnr(noisy, clean) + 2


def cleans_photographs(prior: Prior, clean: Tensor, psnr: Psnr) -> None:
    """Closer to the truth than the photograph, and best about as told how noisy it is."""
    for shot, read in ((0.04, 0.02), (0.1, 0.04)):
        generator = torch.Generator().manual_seed(0)
        fixed = camera.Ranges((shot, shot), (read, read), (2.4, 2.4), (90, 90))
        settings = camera.Settings.draw(1, fixed, generator)
        photo, noise = camera.photograph(clean, settings, generator)
        assert psnr(prior(photo), clean) > psnr(photo, clean) + 2
        assert 0.7 < (prior.estimate(photo).mean() / noise.mean()) < 1.5
        told = psnr(prior(photo, noise), clean)
        assert told > psnr(photo, clean) + 2
        for factor in (0.3, 3.0):
            assert told > psnr(prior(photo, factor * noise), clean)


TASKS: dict[str, Callable[[Prior, Tensor, Psnr], None]] = {
    "gaussian": denoises,
    "jpeg": deblocks,
    "super-resolution": superresolves,
    "camera": cleans_photographs,
}


# --- 7. deepinv ----------------------------------------------------------------------------------
# The wheel's own denoiser tests (deepinv/tests/test_models.py) check these things on a fixed list
# of deepinv's models, which cannot be extended from outside; hence their equivalents here.


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(37, 31), (1, 9)])
def test_deepinv_denoiser_color_and_gray(
    prior: Prior, channels: int, size: tuple[int, int]
) -> None:
    if prior.channels not in (1, channels):
        pytest.skip("a colour prior")
    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(0.2))
    x = torch.ones(1, channels, *size)
    assert prior(physics(x), 0.2).shape == x.shape


@pytest.mark.parametrize("batch", [1, 2])
def test_deepinv_denoiser_sigma(prior: Prior, batch: int) -> None:
    noiser = deepinv.physics.GaussianNoise()
    x = torch.ones(batch, prior.channels, 16, 16)
    for sigma in (torch.tensor(0.1), 0.1, torch.linspace(0.1, 0.3, batch)):
        with torch.no_grad():
            assert prior(noiser(x, sigma=sigma), sigma).shape == x.shape


def test_deepinv_drunet_inputs(prior: Prior) -> None:
    """All forms of sigma that DRUNet takes; with a parameter, its gradient is there."""
    x, sigma = images(prior, batch=3), 0.1
    parameter = torch.nn.Parameter(torch.tensor(sigma))
    forms = [torch.full((3,), sigma), torch.full((3, 1, *x.shape[2:]), sigma), torch.tensor(sigma)]
    for form in forms:
        torch.testing.assert_close(prior(x, form), prior(x, sigma), rtol=0, atol=1e-5)
    out = prior(x, parameter)
    if prior.blind:
        assert not out.requires_grad
        return
    out.sum().backward()
    assert parameter.grad is not None


def test_deepinv_noise_map(prior: Prior, scene: Scene, psnr: Psnr) -> None:
    """A map equals its constant; a map that is right does better than one that is not.

    Its levels are those that the prior meets without fading.
    """
    clean = scene(48, 64, prior.channels)
    constant = torch.full((1, 1, 48, 64), 0.2)
    falling = constant * torch.exp(-(torch.linspace(-1.5, 1.5, 64) ** 2))
    falling = falling.clamp(min=lowest(prior))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    noisy = clean + falling * noise
    if "gaussian" in prior.tasks and not prior.blind:
        assert psnr(prior(noisy, falling), clean) > psnr(prior(noisy, constant), clean)
    torch.testing.assert_close(prior(noisy, constant), prior(noisy, 0.2), rtol=0, atol=1e-5)


def test_deepinv_wrappers(prior: Prior) -> None:
    x = images(prior, height=16, width=16)
    equivariant = deepinv.models.EquivariantDenoiser(prior, random=True).eval()
    assert equivariant(x, level(prior)).shape == x.shape
    physics = deepinv.physics.Denoising(deepinv.physics.GaussianNoise(level(prior)))
    removal = deepinv.models.ArtifactRemoval(prior)
    torch.testing.assert_close(removal(x, physics), prior(x, level(prior)), rtol=0, atol=1e-5)


class Problem:
    """A circular blur of a synthetic scene, with a little noise."""

    noise = 0.01

    def __init__(self, clean: Tensor) -> None:
        generator = torch.Generator().manual_seed(2)
        self.clean = clean
        kernel = deepinv.physics.functional.gaussian_blur(sigma=(1.5, 0.8), angle=30.0)
        self.physics = deepinv.physics.BlurFFT(img_size=tuple(clean.shape[1:]), filter=kernel)
        blurred = self.physics.A(clean)
        self.y = blurred + self.noise * torch.randn(blurred.shape, generator=generator)


@pytest.fixture
def problem(prior: Prior, scene: Scene) -> Problem:
    return Problem(scene(40, 36, prior.channels))


def test_hqs_deblurs(prior: Prior, problem: Problem, psnr: Psnr) -> None:
    schedule = dpir(problem.noise, start=15 / 255)
    model = deepinv.optim.HQS(
        prior=PnP(denoiser=prior),
        data_fidelity=L2(),
        stepsize=list(schedule.stepsize),
        g_param=list(schedule.sigma),
        max_iter=len(schedule),
    )
    with torch.no_grad():
        restored = model(problem.y, problem.physics)
    assert restored.shape == problem.clean.shape
    if "gaussian" in prior.tasks and not prior.blind:
        assert psnr(restored, problem.clean) > psnr(problem.y, problem.clean) + 0.5
    else:  # made for other images than a solver's iterates: the data must not be lost over it
        assert torch.isfinite(restored).all()
        assert psnr(restored, problem.clean) > psnr(problem.y, problem.clean) - 3


SOLVERS: dict[str, Callable[[Prior], torch.nn.Module]] = {
    "admm": lambda p: deepinv.optim.ADMM(
        prior=PnP(denoiser=p), data_fidelity=L2(), stepsize=5.0, g_param=0.03, max_iter=4
    ),
    "drs": lambda p: deepinv.optim.DRS(
        prior=PnP(denoiser=p), data_fidelity=L2(), stepsize=5.0, g_param=0.03, max_iter=4
    ),
    "pgd": lambda p: deepinv.optim.PGD(
        prior=PnP(denoiser=p), data_fidelity=L2(), stepsize=1.0, g_param=0.01, max_iter=4
    ),
    "red": lambda p: deepinv.optim.GD(
        prior=RED(denoiser=p),
        data_fidelity=L2(),
        stepsize=0.5,
        lambda_reg=0.1,
        g_param=0.03,
        max_iter=4,
    ),
    "dpir": lambda p: deepinv.optim.DPIR(sigma=0.02, denoiser=p),
}


@pytest.mark.parametrize("kind", sorted(SOLVERS))
def test_runs_inside_deepinv_s_solvers(prior: Prior, problem: Problem, kind: str) -> None:
    with torch.no_grad():
        restored = SOLVERS[kind](prior)(problem.y, problem.physics)
    assert restored.shape == problem.clean.shape
    assert torch.isfinite(restored).all()
    assert not torch.allclose(restored, problem.y, atol=1e-4), "did nothing"
    # Closer to the sharp image than nothing at all: a solver that runs away is caught here.
    assert (restored - problem.clean).norm() < problem.clean.norm()


def test_solvers_are_differentiable_through_the_prior(prior: Prior, problem: Problem) -> None:
    """An unfolded solver trains its parameters through the prior's sigma."""
    model = deepinv.optim.HQS(
        prior=PnP(denoiser=copy.deepcopy(prior)),
        data_fidelity=L2(),
        stepsize=[5.0, 5.0],
        g_param=[0.05, 0.03],
        max_iter=2,
        unfold=True,
        trainable_params=["stepsize", "g_param"],
    )
    (model(problem.y, problem.physics) - problem.clean).square().sum().backward()
    gradients = [p.grad for n, p in model.named_parameters() if "g_param" in n]
    assert gradients
    assert prior.blind or all(g is not None and torch.isfinite(g).all() for g in gradients)


# --- 8. moving, copying, saving, compiling -------------------------------------------------------


@pytest.mark.parametrize("way", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
@pytest.mark.parametrize("used", [False, True])
def test_copies_and_pickles(name: str, way: Callable[[Prior], Prior], used: bool) -> None:
    prior = pnp_priors.load(name)
    x = images(prior)
    if used:
        prior(x, level(prior))
    twin = way(prior)
    assert torch.equal(twin(x, level(prior)), prior(x, level(prior)))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    twin.train().eval()
    assert not torch.equal(twin(x, level(prior)), prior(x, level(prior)))
    assert torch.equal(prior(x, level(prior)), loaded(name)(x, level(prior)))


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-4), (torch.float16, 0.02), (torch.bfloat16, 0.1)],
    ids=["float64", "float16", "bfloat16"],
)
def test_weights_move_to_other_dtypes_and_back(
    prior: Prior, dtype: torch.dtype, tolerance: float
) -> None:
    x, expected = images(prior), prior(images(prior), level(prior))
    moved = copy.deepcopy(prior).to(dtype)
    for image in (x, x.to(dtype)):
        out = moved(image, level(prior))
        assert out.dtype == image.dtype
        torch.testing.assert_close(out.float(), expected, rtol=0, atol=tolerance)
    back = moved.float()(x, level(prior))
    torch.testing.assert_close(back, expected, rtol=0, atol=tolerance)


def test_load_takes_device_and_dtype(name: str) -> None:
    prior = pnp_priors.load(name, device="cpu", dtype=torch.float64)
    assert {p.dtype for p in prior.parameters()} == {torch.float64}
    meta = pnp_priors.load(name, device=torch.device("meta"))
    assert all(p.is_meta for p in meta.parameters())


def test_state_and_card_rebuild_the_prior(name: str, prior: Prior) -> None:
    card = pnp_priors.describe(name)
    assert registry.build(card.system, card.architecture).arguments() == prior.arguments()
    rebuilt = registry.build(card.system, prior.arguments())
    rebuilt.load_state_dict(prior.state_dict())
    x = images(prior)
    rebuilt.requires_grad_(False).eval()
    if prior.channels_last:  # sums of another order in the other layout
        rebuilt.to(memory_format=torch.channels_last)
    assert torch.equal(rebuilt(x, level(prior)), prior(x, level(prior)))
    assert yaml.safe_load(yaml.safe_dump(prior.arguments())) == prior.arguments()


def one_of_each_architecture() -> list[str]:
    """Names of which no two differ in their weights or in the level they are trained for alone."""
    found: dict[str, str] = {}
    for name in pnp_priors.available():
        card = pnp_priors.describe(name)
        shape = {k: v for k, v in card.architecture.items() if k not in ("sigma_range", "quality")}
        found.setdefault(f"{card.system} {shape}", name)
    return list(found.values())


# Compiling takes up to half a minute, and what it traces is the code, not the weights.
@pytest.mark.parametrize("name", one_of_each_architecture())
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_in_one_graph(name: str, backend: str) -> None:
    """Without a C++ compiler: the graph is taken and run as it is."""
    prior = loaded(name)
    torch._dynamo.reset()
    own = copy.deepcopy(prior)
    compiled = torch.compile(own, backend=backend, fullgraph=True)
    x = images(prior, height=8, width=9)
    with torch.no_grad():
        for sigma in (torch.tensor(level(prior)), level(prior)):
            found = compiled(x, sigma)
            torch.testing.assert_close(found, prior(x, level(prior)), rtol=0, atol=1e-5)
    torch._dynamo.reset()


# --- 9. receptive field --------------------------------------------------------------------------


@pytest.fixture
def local(prior: Prior) -> Prior:
    """A prior that can be tiled."""
    if prior.receptive_field is None:
        pytest.skip("depends on the whole image")
    return prior


def test_what_depends_on_the_whole_image_refuses_tiles(name: str, prior: Prior) -> None:
    """What is far counts, so that no halo would do; and to ask for one is a clear error.

    What is there may count alone by what it makes of the image: a photograph, or a page.
    """
    if prior.receptive_field is not None:
        pytest.skip("can be tiled")
    with pytest.raises(InputError, match="cannot be tiled"):
        _ = prior.halo
    x = images(prior, 1, 192, 24).double()
    rows, columns = torch.arange(192)[:, None], torch.arange(24)
    strokes = ((columns // 3 % 2 == 0) & (rows // 8 % 2 == 0)).expand_as(x)  # as letters are
    exact = loaded(name, torch.float64)
    changes = []
    for other in (1 - x, torch.ones_like(x), torch.where(strokes, 0.0, 1.0).double(), 0 * x):
        far = torch.cat([x[..., :64, :], other[..., 64:, :]], dim=-2)
        changes.append(exact(far, level(prior)) - exact(x, level(prior)))
    assert max(change[..., :16, :].abs().max() for change in changes) > 0


def test_nothing_outside_of_the_receptive_field_counts(local: Prior) -> None:
    prior = local
    assert prior.receptive_field is not None
    reach = prior.receptive_field // 2
    side = 2 * reach + 13
    x = images(prior, 1, side, side)
    for row, column in ((side // 2, side // 2), (side // 2 + 1, side // 2 - 1)):
        away = torch.ones(side, side, dtype=torch.bool)
        away[row - reach : row + reach + 1, column - reach : column + reach + 1] = False
        generator = torch.Generator().manual_seed(4)
        other = torch.where(away, torch.rand(x.shape, generator=generator), x)
        kept = prior(x, level(prior))[..., row, column]
        torch.testing.assert_close(
            prior(other, level(prior))[..., row, column], kept, rtol=0, atol=1e-6
        )
        # and it can fail: the pixel itself counts
        other[..., row, column] += 0.5
        assert (prior(other, level(prior))[..., row, column] - kept).abs().max() > 1e-4


def test_tiles_with_the_halo_equal_the_whole(local: Prior) -> None:
    prior = local
    halo, grid = prior.halo, prior.size_multiple
    tile = 2 * grid * 8
    height, width = 3 * tile + 2 * halo + 1, tile + halo + 5
    x = images(prior, 1, height, width)
    whole = prior(x, level(prior))
    joined = torch.empty_like(whole)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(0, top - halo), max(0, left - halo)
            part = x[..., above : top + tile + halo, before : left + tile + halo]
            inner = prior(part, level(prior))[..., top - above :, left - before :]
            joined[..., top : top + tile, left : left + tile] = inner[..., :tile, :tile]
    torch.testing.assert_close(joined, whole, rtol=0, atol=1e-5)


def test_the_receptive_field_is_no_larger_than_needed(local: Prior) -> None:
    """A halo of half its size shows seams, else the promise would hold for any number."""
    prior = local
    tile = prior.halo - prior.halo % prior.size_multiple
    x = images(prior, 1, tile * 2, 24)
    short = prior.size_multiple
    whole = prior(x, level(prior))[..., :tile, :]
    cut = prior(x[..., : tile + short, :], level(prior))[..., :tile, :]
    assert (whole - cut).abs().max() > 1e-5
