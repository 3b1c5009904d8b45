"""The non-local filter against slow loops in numpy, block by block, coefficient by coefficient."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pnp_priors.errors import InputError
from pnp_priors.priors import _nonlocal
from pnp_priors.priors._nonlocal import NonLocalFilter, haar

SMALL = NonLocalFilter(block=4, stride=3, radius=5, group=8)


def image(height: int, width: int, batch: int = 1, channels: int = 1, seed: int = 0) -> Tensor:
    """Waves that repeat, and noise so that no two distances are equal; float64."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    waves = 0.5 + 0.3 * torch.sin(0.9 * rows) * torch.cos(
        0.7 * columns + torch.arange(channels)[:, None, None]
    )
    noise = 0.05 * torch.randn(batch, channels, height, width, generator=generator)
    return (waves + noise).double()


def whole(filter_: NonLocalFilter, y: Tensor, tau: Tensor) -> Tensor:
    """Match and shrink one batch: what NN3D does in its first round."""
    extended = filter_.extended(y)
    groups = filter_.match(extended)
    restored = filter_.shrink(extended, groups, filter_.thresholds(tau, y))
    return restored[..., : y.shape[2], : y.shape[3]]


def slow_haar(vector: np.ndarray) -> np.ndarray:
    """The pyramid of scaled sums and differences of neighbours."""
    if len(vector) == 1:
        return vector
    sums = (vector[0::2] + vector[1::2]) / np.sqrt(2)
    return np.concatenate([slow_haar(sums), (vector[0::2] - vector[1::2]) / np.sqrt(2)])


def slow_inverse(spectrum: np.ndarray) -> np.ndarray:
    if len(spectrum) == 1:
        return spectrum
    half = len(spectrum) // 2
    sums, differences = slow_inverse(spectrum[:half]), spectrum[half:]
    return np.stack([sums + differences, sums - differences], axis=1).ravel() / np.sqrt(2)


def slow_filter(y: np.ndarray, tau: np.ndarray, f: NonLocalFilter) -> np.ndarray:
    """The whole filter on one image ``[C, H, W]`` with a threshold map ``[H, W]``."""
    channels, height, width = y.shape
    below, right = -(height - f.block) % f.stride, -(width - f.block) % f.stride
    y = np.pad(y, ((0, 0), (0, below), (0, right)), mode="reflect")
    tau = np.pad(tau, ((0, below), (0, right)), mode="reflect")
    last = y.shape[1] - f.block, y.shape[2] - f.block

    def block(start: tuple[int, int]) -> np.ndarray:
        return y[:, start[0] : start[0] + f.block, start[1] : start[1] + f.block]

    found = []
    for row in range(0, last[0] + 1, f.stride):
        for column in range(0, last[1] + 1, f.stride):
            candidates = [
                (i, j)
                for i in range(max(0, row - f.radius), min(last[0], row + f.radius) + 1)
                for j in range(max(0, column - f.radius), min(last[1], column + f.radius) + 1)
            ]
            reference = block((row, column))
            candidates.sort(key=lambda start: ((block(start) - reference) ** 2).sum())
            found.append(((row, column), candidates))
    size = f.group
    while size > min(len(candidates) for _, candidates in found):
        size //= 2

    total, weight = np.zeros_like(y), np.zeros_like(y)
    for (row, column), candidates in found:
        level = tau[row : row + f.block, column : column + f.block].mean()
        stack = np.stack([block(start) for start in candidates[:size]])
        for channel in range(channels):
            filtered, squares = np.empty_like(stack[:, channel]), 0.0
            for i in range(f.block):
                for j in range(f.block):
                    q = slow_haar(stack[:, channel, i, j])
                    a = q**2 / (q**2 + level**2)
                    a[0] = 1
                    squares += (a**2).sum()
                    filtered[:, i, j] = slow_inverse(a * q)
            for start, part in zip(candidates[:size], filtered, strict=True):
                place = np.s_[channel, start[0] : start[0] + f.block, start[1] : start[1] + f.block]
                total[place] += part / squares
                weight[place] += 1 / squares
    return (total / weight)[:, :height, :width]


@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_the_haar_transform_is_orthonormal_and_a_pyramid(size: int) -> None:
    transform = haar(size, torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(
        transform @ transform.T, torch.eye(size).double(), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(transform[0], torch.full((size,), size**-0.5).double())
    vector = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(transform.numpy() @ vector, slow_haar(vector), atol=1e-12)
    np.testing.assert_allclose(slow_inverse(slow_haar(vector)), vector, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "channels", "changes"),
    [
        ((13, 17), 1, {}),
        ((14, 15), 3, {}),
        ((13, 16), 1, {"radius": 50}),
        ((12, 11), 1, {"stride": 1}),
        ((12, 18), 1, {"stride": 4, "group": 1}),
        ((5, 18), 1, {}),
        ((4, 4), 1, {}),
        ((4, 7), 2, {"radius": 1, "group": 32}),
    ],
    ids=str,
)
def test_it_is_what_slow_loops_compute(
    size: tuple[int, int], channels: int, changes: dict[str, int]
) -> None:
    filter_ = dataclasses.replace(SMALL, **changes)
    y = image(*size, channels=channels)
    tau = torch.linspace(0.02, 0.2, size[1]).double().expand(1, 1, *size)
    expected = slow_filter(y[0].numpy(), tau[0, 0].numpy(), filter_)
    np.testing.assert_allclose(whole(filter_, y, tau)[0].numpy(), expected, rtol=0, atol=1e-9)
    single = whole(filter_, y.float(), tau.float())[0].numpy()
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-5)
    if filter_.group > 1 and min(size) > 4:
        assert np.abs(expected - y[0].numpy()).max() > 0.01, "filtered nothing"


def test_a_block_s_group_starts_with_itself_and_is_of_other_blocks_in_reach() -> None:
    y = SMALL.extended(image(20, 23))
    groups = SMALL.match(y)
    rows, columns = groups // y.shape[3], groups % y.shape[3]
    across = torch.arange(0, y.shape[3] - 3, 3)
    down = torch.arange(0, y.shape[2] - 3, 3)
    own = torch.cartesian_prod(down, across)
    assert torch.equal(rows[0, :, 0], own[:, 0])
    assert torch.equal(columns[0, :, 0], own[:, 1])
    for found, centre, end in ((rows, own[:, 0], y.shape[2]), (columns, own[:, 1], y.shape[3])):
        assert ((found[0] - centre[:, None]).abs() <= SMALL.radius).all()
        assert ((found >= 0) & (found + SMALL.block <= end)).all()
    assert all(len(set(group)) == SMALL.group for group in groups[0].tolist())


def test_all_pixels_are_covered_and_weights_sum_to_one() -> None:
    """With nothing shrunk, the weighted mean of blocks is the image."""
    for size in ((4, 4), (4, 9), (13, 17), (30, 21)):
        y = image(*size, batch=2)
        found = whole(SMALL, y, torch.zeros(1, 1, 1, 1).double())
        torch.testing.assert_close(found, y, rtol=0, atol=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.03, 1.0, -2.0])
def test_constants_pass_unchanged(value: float) -> None:
    y = torch.full((1, 1, 15, 18), value)
    torch.testing.assert_close(
        whole(SMALL, y, torch.full((1, 1, 1, 1), 0.2)), y, rtol=1e-6, atol=1e-7
    )


def test_brightness_does_not_matter() -> None:
    y, tau = image(16, 19), torch.full((1, 1, 1, 1), 0.1).double()
    torch.testing.assert_close(
        whole(SMALL, y + 3, tau), whole(SMALL, y, tau) + 3, rtol=0, atol=1e-9
    )


def test_a_large_threshold_leaves_the_means_of_groups() -> None:
    """One reference block, one group: every member becomes the mean of all."""
    filter_ = NonLocalFilter(block=3, stride=3, radius=3, group=4)
    y = image(3, 6)
    extended = filter_.extended(y)
    groups = filter_.match(extended)[:, :1]
    found = filter_.shrink(extended, groups, torch.full((1, 1), 1e6).double())
    starts = groups.flatten().tolist()
    mean = torch.stack([y[0, 0, :, s : s + 3] for s in starts]).mean(0)
    covering = torch.zeros(6).double()
    total = torch.zeros(3, 6).double()
    for s in starts:
        total[:, s : s + 3] += mean
        covering[s : s + 3] += 1
    inside = covering > 0
    torch.testing.assert_close(
        found[0, 0][:, inside], (total / covering)[:, inside], rtol=0, atol=1e-8
    )


def test_a_batch_is_its_images_one_by_one() -> None:
    y = image(14, 18, batch=3, channels=2)
    tau = torch.tensor([0.02, 0.1, 0.3]).double().view(3, 1, 1, 1)
    singles = [whole(SMALL, y[i : i + 1], tau[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(whole(SMALL, y, tau), torch.cat(singles), rtol=0, atol=1e-12)


class LargestTensor(TorchDispatchMode):
    """Remembers the most numbers that any operation's result had."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                # Views (of strides that overlap) have many elements and few numbers.
                stored = leaf.untyped_storage().nbytes() // leaf.element_size()
                self.numbers = max(self.numbers, stored)
        return out


def test_pieces_bound_the_memory_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y, tau = image(60, 52, batch=2), torch.full((1, 1, 1, 1), 0.1).double()
    expected = whole(SMALL, y, tau)
    with LargestTensor() as at_once:
        whole(SMALL, y, tau)
    piece = 40_000
    monkeypatch.setattr(_nonlocal, "PIECE", piece)
    with LargestTensor() as in_pieces:
        found = whole(SMALL, y, tau)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert in_pieces.numbers <= piece < at_once.numbers


def test_gradients_are_those_of_the_groups_as_found() -> None:
    y = image(9, 11, channels=2).requires_grad_()
    tau = torch.tensor(0.1).double().view(1, 1, 1, 1).requires_grad_()
    filter_ = NonLocalFilter(block=3, stride=2, radius=4, group=4)
    assert torch.autograd.gradcheck(
        lambda a, t: whole(filter_, a, t), (y, tau), eps=1e-7, atol=1e-5
    )


def test_half_precision_is_computed_in_single() -> None:
    y = image(16, 16).to(torch.bfloat16)
    tau = torch.full((1, 1, 1, 1), 0.1)
    found = whole(SMALL, y, tau.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, whole(SMALL, y.float(), tau).bfloat16(), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 0}, "block must be a whole number"),
        ({"radius": 2.5}, "radius must be a whole number"),
        ({"stride": True}, "stride must be a whole number"),
        ({"stride": 5}, "stride 5 leaves gaps between blocks of 4"),
        ({"group": 12}, "power of two, got 12"),
    ],
    ids=str,
)
def test_impossible_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_repeated_structure_is_averaged(psnr: Any) -> None:
    """On a pattern that repeats, most of the noise goes, where a local mean blurs it."""
    generator = torch.Generator().manual_seed(1)
    tile = torch.rand(1, 1, 6, 6, generator=generator)
    clean = tile.repeat(1, 1, 8, 8)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    filter_ = NonLocalFilter(block=6, stride=3, radius=48, group=32)
    found = whole(filter_, noisy, torch.full((1, 1, 1, 1), 0.2))
    assert psnr(found, clean) > psnr(noisy, clean) + 6
    blurred = F.avg_pool2d(F.pad(noisy, (2, 2, 2, 2), mode="reflect"), 5, 1)
    assert psnr(found, clean) > psnr(blurred, clean) + 8
