"""What the base class does with sigma and images, seen by a stub that records what it gets."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from pnp_priors.errors import InputError, RangeWarning
from pnp_priors.priors.base import Prior

LOW, HIGH = 0.02, 0.2


class Stub(Prior):
    """Subtracts ``gain * sigma`` from the image and remembers what it was called with."""

    def __init__(
        self, channels: int = 1, low: float = LOW, blind: bool = False, gain: float = 0.5
    ) -> None:
        super().__init__(channels, (low, HIGH), blind)
        self.gain = torch.nn.Parameter(torch.tensor(gain))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.seen.append((x.detach().clone(), sigma.detach().clone()))
        return x - self.gain * sigma


def image(batch: int = 1, channels: int = 1, height: int = 4, width: int = 5) -> Tensor:
    return torch.rand(
        batch, channels, height, width, generator=torch.Generator().manual_seed(batch)
    )


@pytest.mark.parametrize(
    "sigma",
    [
        0.1,
        np.float32(0.1),
        np.float64(0.1),
        np.array(0.1),
        np.array([0.1]),
        np.array([0.1, 0.1]),
        [0.1],
        [0.1, 0.1],
        torch.tensor(0.1),
        torch.tensor([0.1]),
        torch.tensor([0.1, 0.1], dtype=torch.float64),
        torch.full((1, 1, 4, 5), 0.1),
        torch.full((2, 1, 4, 5), 0.1),
        torch.full((2, 1, 1, 1), 0.1),
    ],
    ids=lambda s: f"{type(s).__name__}{list(getattr(s, 'shape', []))}",
)
def test_every_form_of_the_same_sigma_gives_the_same(sigma: object) -> None:
    x = image(2)
    torch.testing.assert_close(Stub()(x, sigma), x - 0.05)


def test_each_image_of_a_batch_has_its_own_sigma() -> None:
    x = image(2)
    out = Stub()(x, np.array([0.04, 0.1]))
    torch.testing.assert_close(
        x - out, torch.tensor([0.02, 0.05])[:, None, None, None].expand_as(x)
    )


def test_inside_the_range_image_and_sigma_reach_the_network_unchanged() -> None:
    stub, x = Stub(), image()
    stub(x, 0.1)
    seen, sigma = stub.seen[0]
    torch.testing.assert_close(seen, x, rtol=0, atol=1e-7)
    torch.testing.assert_close(sigma, torch.full((1, 1, 1, 1), 0.1))


@pytest.mark.parametrize("sigma", [0.25, 0.4, 1.0])
def test_above_the_range_the_contrast_is_scaled_about_the_middle(sigma: float) -> None:
    stub, x = Stub(), image()
    out = stub(x, sigma)
    seen, level = stub.seen[0]
    torch.testing.assert_close(seen, 0.5 + (x - 0.5) * HIGH / sigma)
    torch.testing.assert_close(level, torch.full((1, 1, 1, 1), HIGH))
    # x - gain * sigma is homogeneous, so that scaling down and up must give it back exactly.
    torch.testing.assert_close(out, x - 0.5 * sigma)


def test_above_the_range_each_image_is_scaled_by_itself() -> None:
    stub, x = Stub(), image(2)
    out = stub(x, [0.1, 0.8])
    seen, level = stub.seen[0]
    torch.testing.assert_close(seen[0], x[0])
    torch.testing.assert_close(seen[1], 0.5 + (x[1] - 0.5) * 0.25)
    torch.testing.assert_close(level.flatten(), torch.tensor([0.1, HIGH]))
    torch.testing.assert_close(x - out, torch.tensor([0.05, 0.4])[:, None, None, None].expand_as(x))


def test_a_map_above_the_range_keeps_its_proportions() -> None:
    stub, x = Stub(), image()
    sigma = torch.full((1, 1, 4, 5), 0.1)
    sigma[..., 2] = 0.4
    out = stub(x, sigma)
    torch.testing.assert_close(stub.seen[0][1], sigma * HIGH / 0.4)
    torch.testing.assert_close(out, x - 0.5 * sigma)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_below_the_range_the_correction_fades_with_the_square(share: float) -> None:
    stub, x = Stub(), image()
    out = stub(x, share * LOW)
    torch.testing.assert_close(stub.seen[0][1], torch.full((1, 1, 1, 1), LOW))
    torch.testing.assert_close(out, x - share**2 * 0.5 * LOW, rtol=0, atol=2e-7)


def test_sigma_zero_returns_the_input_exactly_where_the_range_starts_above_zero() -> None:
    x = image(2, height=1, width=1)
    assert torch.equal(Stub()(x, 0), x)


def test_a_range_that_starts_at_zero_asks_the_network() -> None:
    stub, x = Stub(low=0.0), image()
    stub(x, 0.0)
    assert stub.seen[0][1].item() == 0.0


def test_gray_on_colour_gives_each_channel_its_image_s_sigma() -> None:
    x = image(2, channels=3)
    out = Stub()(x, torch.tensor([0.04, 0.1]))
    torch.testing.assert_close(
        x - out, torch.tensor([0.02, 0.05])[:, None, None, None].expand_as(x)
    )
    maps = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.05
    torch.testing.assert_close(Stub()(x, maps), x - 0.5 * maps)
    torch.testing.assert_close(Stub()(x, maps[:1]), x - 0.5 * maps[:1])


def test_a_colour_prior_refuses_other_channel_counts() -> None:
    assert Stub(channels=3)(image(channels=3), 0.1).shape == (1, 3, 4, 5)
    for channels in (1, 2, 4):
        with pytest.raises(InputError, match=f"for 3 channels, the image has {channels}"):
            Stub(channels=3)(image(channels=channels), 0.1)


def test_no_sigma_only_for_blind_priors() -> None:
    with pytest.raises(InputError, match="not blind"):
        Stub()(image())
    blind = Stub(blind=True)
    assert torch.isfinite(blind(image())).all()
    assert torch.isfinite(blind(image(), 0.1)).all()


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (25, r"0\.\.255 units.*25/255 = 0\.098"),
        (torch.tensor([0.1, 25.0]), r"0\.\.255 units"),
        (np.array([25.0]), r"0\.\.255 units"),
        (-0.1, "negative"),
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        (torch.tensor([0.1, float("nan")]), "not finite"),
        ([0.1, 0.1, 0.1], r"shape \[3\].*\[2\].*map \[2, 1, 4, 5\]"),
        (torch.full((3, 1, 4, 5), 0.1), r"shape \[3, 1, 4, 5\]"),
        (torch.full((2, 3, 4, 5), 0.1), r"shape \[2, 3, 4, 5\]"),
        (torch.full((2, 1, 5, 4), 0.1), r"map is \[5, 4\], the image \[4, 5\]"),
        (torch.full((4, 5), 0.1), r"shape \[4, 5\]"),
        ([], r"shape \[0\]"),
        ("0.1", "str"),
        ({}, "dict"),
        (1j, "complex"),
    ],
    ids=str,
)
def test_wrong_sigmas_are_named(sigma: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Stub()(image(2), sigma)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.rand(4, 5), r"\[B, C, H, W\], got \[4, 5\]"),
        (torch.rand(1, 4, 5), r"got \[1, 4, 5\]"),
        (torch.rand(1, 1, 0, 5), r"got \[1, 1, 0, 5\]"),
        (torch.rand(0, 1, 4, 5), r"got \[0, 1, 4, 5\]"),
        (np.zeros((1, 1, 4, 5)), "got ndarray"),
        (torch.zeros(1, 1, 4, 5, dtype=torch.uint8), "divide 8-bit by 255"),
        (torch.zeros(1, 1, 4, 5, dtype=torch.complex64), "floating point"),
    ],
    ids=["HW", "CHW", "no rows", "no images", "numpy", "uint8", "complex"],
)
def test_wrong_images_are_named(x: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Stub()(x, 0.1)


def test_the_errors_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="negative"):
        Stub()(image(), -1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_computes_in_the_weights_dtype_and_returns_the_image_s(dtype: torch.dtype) -> None:
    stub, x = Stub(), image().to(dtype)
    out = stub(x, 0.1)
    assert out.dtype == dtype
    assert stub.seen[0][0].dtype == torch.float32
    torch.testing.assert_close(out, (x.float() - 0.05).to(dtype), rtol=0, atol=1e-2)


@pytest.mark.parametrize("levels", [(0.01, 0.03), (0.05, 0.1), (0.3, 0.5)])
def test_differentiable_in_image_and_sigma(levels: tuple[float, float]) -> None:
    x = image(2).double().requires_grad_()
    sigma = torch.tensor(levels, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Stub().double(), (x, sigma))


def one_level() -> Stub:
    return Stub(low=HIGH)


@pytest.mark.parametrize("sigma", [HIGH / 16, 0.05, HIGH, 0.4, 1.0])
def test_one_level_meets_every_sigma_by_rescaling(sigma: float) -> None:
    """The network sees noise of its own level; its correction of gain·HIGH is scaled back."""
    stub, x = one_level(), image()
    out = stub(x, sigma)
    ((seen, level),) = stub.seen
    torch.testing.assert_close(seen, (x - 0.5) * (HIGH / sigma) + 0.5)
    torch.testing.assert_close(level, torch.full((1, 1, 1, 1), HIGH))
    torch.testing.assert_close(out, x - 0.5 * sigma)


def test_one_level_fades_where_contrast_cannot_be_scaled_further() -> None:
    stub, x = one_level(), image()
    lowest = HIGH / stub.largest_gain
    whole = stub(x, lowest) - x
    for share in (0.25, 0.5, 0.9):
        torch.testing.assert_close(stub(x, share * lowest) - x, share**2 * whole)
    assert torch.equal(stub(x, 0.0), x)


def test_one_level_meets_a_map_octave_by_octave() -> None:
    """Between two octaves the corrections are interpolated in the logarithm of sigma."""
    stub, x = one_level(), image()
    level = torch.full((1, 1, 4, 5), 0.1)
    level[..., 1], level[..., 2], level[..., 3] = 0.05, 0.1 / 2**0.5, 0.1 / 8
    level[..., 4] = 0.1 / 32
    correction = (x - stub(x, level))[0, 0, 0]
    expected = torch.tensor([0.1, 0.05, 0.075, 0.1 / 8, 0.1 / 8 / 16]) / 2
    torch.testing.assert_close(correction, expected)
    assert [round(0.5 + (s - 0.5).std().item(), 3) for s, _ in stub.seen] == [
        round(0.5 + HIGH / 0.1 * 2**k * (x - 0.5).std().item(), 3) for k in range(4)
    ]


def test_one_level_gives_a_constant_map_what_a_number_gets() -> None:
    for sigma in (0.0, 0.001, HIGH / 16, 0.05, 0.4):
        x = image()
        constant = torch.full((1, 1, 4, 5), sigma)
        torch.testing.assert_close(one_level()(x, constant), one_level()(x, sigma))


def test_one_level_is_differentiable_in_sigma() -> None:
    x = image(2).double().requires_grad_()
    sigma = torch.tensor((0.1, 0.3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(one_level().double(), (x, sigma))


@pytest.mark.parametrize("bad", [(0.2, 0.1), (-0.1, 0.1), (0.0, 0.0), (0.0, 25.0)])
def test_sigma_ranges_are_checked(bad: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="sigma_range"):
        Prior(1, bad)


def test_only_what_estimates_levels_gives_them() -> None:
    with pytest.raises(InputError, match="Stub does not estimate noise levels"):
        Stub().estimate(image())


class Estimating(Stub):
    """Sees a tenth of each value as its noise level."""

    estimates_sigma = True

    def _estimate(self, x: Tensor) -> Tensor:
        return 0.1 * x


def test_without_sigma_the_estimate_is_used_and_else_what_is_given() -> None:
    prior, x = Estimating(channels=3), 0.3 + 0.5 * image(2, channels=3)
    torch.testing.assert_close(prior.estimate(x), 0.1 * x)
    torch.testing.assert_close(prior(x), 0.95 * x)
    assert torch.equal(prior(x), prior(x, prior.estimate(x)))
    torch.testing.assert_close(prior(x, 0.1), x - 0.05)
    torch.testing.assert_close(prior(x, torch.full((1, 1, 4, 5), 0.1)), x - 0.05)
    with pytest.raises(InputError, match=r"\[2, 1, 4, 5\] or \[2, 3, 4, 5\]"):
        prior(x, torch.full((2, 2, 4, 5), 0.1))


def test_an_image_on_0_to_255_is_warned_of_once() -> None:
    prior, x = Stub(), image()
    with pytest.warns(RangeWarning, match="images are in .0, 1.: divide 8-bit") as caught:
        prior(255 * x, 0.1)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prior(255 * x, 0.1)
        # Iterates of a solver that diverges began as an image.
        diverging = Stub()
        for step in range(4):
            x = diverging(10.0**step * x, 0.1)


def test_looking_at_the_range_is_left_out_where_there_are_no_values() -> None:
    prior, x = Stub(), 255 * image()
    batched = torch.func.vmap(lambda one: prior(one, 0.1))(torch.stack([x, x]))
    assert batched.shape == (2, *x.shape)
    torch.export.export(Stub(), (x, 0.1))


def test_a_training_pass_is_the_restored_batch_and_nothing_more() -> None:
    prior, x, sigma = Stub(), image(2), torch.tensor([0.05, 0.1])
    restored, penalty = prior.training_pass(x, sigma)
    assert torch.equal(restored, prior(x, sigma))
    assert penalty == 0


def test_the_halo_of_a_tile_keeps_the_inner_grid() -> None:
    class Wide(Stub):
        receptive_field = 13  # type: ignore[assignment]

    wide = Wide()
    assert wide.halo == 6
    wide.size_multiple = 4
    assert wide.halo == 8


def test_what_depends_on_the_whole_image_has_no_halo() -> None:
    class Global(Stub):
        receptive_field = None  # type: ignore[assignment]

    with pytest.raises(InputError, match=r"Global cannot be tiled: .* whole image"):
        _ = Global().halo


def test_systems_that_cannot_grow_say_so() -> None:
    with pytest.raises(InputError, match=r"Stub .*grow"):
        Stub().grow(stages=2)
