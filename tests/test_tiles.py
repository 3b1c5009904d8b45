"""Tiles: cut so that nothing is missing, and the restored whole is the same."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import deepinv
import numpy as np
import pytest
import torch
from deepinv.physics import Blur
from torch import Tensor, nn

import pnp_priors
from pnp_priors import images, pipelines
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.pipelines.files import folder
from pnp_priors.priors.base import Prior
from pnp_priors.priors.cbdnet import CBDNet
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.equivariant import Equivariant
from pnp_priors.priors.ffdnet import FFDNet
from pnp_priors.solvers import SOLVERS, dpir, solver
from pnp_priors.tiles import (
    Tiled,
    footprint,
    grid,
    in_tiles,
    least_tile,
    solver_halo,
    spans,
    strict_solver_halo,
    tile_side,
    tiled,
)
from pnp_priors.tiles.memory import MARGIN
from pnp_priors.tiles.solvers import STRICT

Scene = Callable[..., Tensor]
TILEABLE = [n for n in pnp_priors.available() if pnp_priors.describe(n).receptive_field is not None]
OTHERS = [n for n in pnp_priors.available() if n not in TILEABLE]


@lru_cache
def loaded(name: str) -> Prior:
    return pnp_priors.load(name)


# --- cutting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("halo", "multiple"), [(0, 1), (1, 1), (3, 1), (2, 2), (8, 8), (4, 4)])
def test_every_pixel_is_kept_once_and_has_its_halo(halo: int, multiple: int) -> None:
    least = least_tile(halo, multiple)
    for size, tile in itertools.product(range(1, 60), range(least, least + 12)):
        cut = spans(size, tile, halo, multiple)
        kept = [pixel for span in cut for pixel in range(span.first, span.last)]
        assert kept == list(range(size))
        for span in cut:
            assert 0 <= span.start <= span.first < span.last <= span.stop <= size
            assert span.stop - span.start <= tile
            assert span.start == 0 or span.first - span.start >= halo
            assert span.stop == size or span.stop - span.last >= halo
            assert span.start % multiple == 0
            assert span.stop == size or span.stop % multiple == 0
            assert range(size)[span.read][span.inside] == range(size)[span.kept]


@pytest.mark.parametrize(("size", "tile", "halo"), [(600, 512, 50), (97, 21, 4), (40, 40, 19)])
def test_there_are_as_few_tiles_as_can_be_and_none_longer_than_needed(
    size: int, tile: int, halo: int
) -> None:
    """n tiles reach over n times their length but for two halos at each of the n - 1 seams."""
    cut = spans(size, tile, halo)
    fewer = len(cut) - 1
    assert fewer * tile - 2 * halo * (fewer - 1) < size
    longest = max(span.stop - span.start for span in cut)
    assert len(cut) * (longest - 1) - 2 * halo * (len(cut) - 1) < size


def test_a_halo_is_completed_to_whole_cells() -> None:
    assert spans(100, 40, 5, 4) == spans(100, 40, 8, 4)
    cut = grid(50, 90, 40, 8, 4)
    down, across = spans(50, 40, 8, 4), spans(90, 40, 8, 4)
    assert [tuple(tile) for tile in cut] == list(itertools.product(down, across))


@pytest.mark.parametrize("tile", [0, -5, 16, 64.0, True, "64"])
def test_impossible_tiles_are_errors(tile: object) -> None:
    with pytest.raises(InputError, match=r"tile.*(whole number|at least 17)"):
        spans(100, tile, 8)  # type: ignore[arg-type]


# --- any function --------------------------------------------------------------------------------


def window_sum(reach: int, cell: int) -> Callable[[Tensor], Tensor]:
    """Sums over squares, borders zero, each pixel weighed by its place in a cell: whole numbers."""

    def function(x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        rows, columns = torch.arange(height)[:, None] % cell, torch.arange(width) % cell
        weighed = x * (1 + rows + cell * columns)
        ones = torch.ones(1, 1, 2 * reach + 1, 2 * reach + 1, dtype=x.dtype)
        return nn.functional.conv2d(weighed, ones, padding=reach)

    return function


def whole_numbers(*size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 9, size, generator=generator).double()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("reach", "cell"), [(0, 1), (2, 1), (3, 2), (5, 4)])
def test_a_local_function_in_tiles_is_exact(reach: int, cell: int, batch: int) -> None:
    function, halo = window_sum(reach, cell), reach + -reach % cell
    tile = least_tile(halo, cell) + 2
    for size in ((1, 1), (1, 50), (tile, tile), (tile + 1, 7), (31, 47), (2 * tile, 3 * tile + 1)):
        x = whole_numbers(2, 1, *size)
        found = in_tiles(function, x, halo, tile, cell, batch)
        assert torch.equal(found, function(x))


def test_a_smaller_halo_or_other_cells_show() -> None:
    x = whole_numbers(1, 1, 41, 41)
    assert not torch.equal(in_tiles(window_sum(3, 1), x, 2, 16), window_sum(3, 1)(x))
    assert not torch.equal(in_tiles(window_sum(2, 3), x, 2, 16, 1), window_sum(2, 3)(x))
    assert torch.equal(in_tiles(window_sum(2, 3), x, 2, 16, 3), window_sum(2, 3)(x))


def test_calls_are_no_larger_than_asked_for_and_progress_is_told() -> None:
    seen: list[tuple[int, ...]] = []
    told: list[tuple[int, int]] = []

    def function(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x

    x = torch.rand(2, 3, 70, 51)
    in_tiles(function, x, 4, 24, batch=4, progress=lambda done, total: told.append((done, total)))
    total = 2 * len(grid(70, 51, 24, 4))
    assert all(n <= 4 and c == 3 and h <= 24 and w <= 24 for n, c, h, w in seen)
    assert sum(shape[0] for shape in seen) == total
    assert [done for done, _ in told] == list(itertools.accumulate(shape[0] for shape in seen))
    assert {number for _, number in told} == {total}


@pytest.mark.parametrize("shape", [(31, 40), (3, 31, 40), (2, 1, 31, 40)])
@pytest.mark.parametrize("kind", ["float64", "float16", ">f4", "torch", "bfloat16", "strided"])
def test_kind_shape_and_type_come_back(kind: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random(shape).round(2)
    image: Tensor | np.ndarray = x
    if kind in {"float64", "float16", ">f4"}:
        image = x.astype(kind)
    elif kind == "strided":
        image = np.ascontiguousarray(np.moveaxis(x, -1, 0)).transpose(*range(1, x.ndim), 0)
    else:
        image = torch.from_numpy(x).to(torch.bfloat16 if kind == "bfloat16" else torch.float32)
    found = in_tiles(lambda tile: tile, image, 2, 16)
    assert type(found) is type(image)
    assert found.shape == image.shape
    if isinstance(image, Tensor):
        assert torch.equal(found, image)  # type: ignore[arg-type]
        assert found.dtype == image.dtype
    else:
        np.testing.assert_array_equal(found, image)
        assert found.dtype == image.dtype.newbyteorder("=")


def test_input_and_output_may_be_mapped_files(tmp_path: Path) -> None:
    prior, sigma = FFDNet(depth=2, width=4).eval(), 0.1
    x = np.random.default_rng(0).random((1, 33, 45), np.float32)
    level = np.full((1, 33, 45), sigma, np.float32)
    level[0, 3:9, 30:] = 0.2
    for name, values in (("in", x), ("level", level)):
        np.save(tmp_path / f"{name}.npy", values)
    noisy = np.load(tmp_path / "in.npy", mmap_mode="r")
    levels = np.load(tmp_path / "level.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, x.shape)
    with torch.no_grad():
        assert tiled(prior, noisy, levels, tile=16, out=out) is out
        whole = prior(torch.from_numpy(x)[None], torch.from_numpy(level)[None])
    del out
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(found, whole[0].numpy(), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "in.npy"), x)
    # and between kinds: a mapped file in, a tensor out
    tensor = torch.empty(x.shape, dtype=torch.float64)
    tiled(prior, noisy, sigma, tile=16, out=tensor)
    with torch.no_grad():
        again = prior(torch.from_numpy(x)[None], sigma)[0]
    torch.testing.assert_close(tensor.float(), again, rtol=0, atol=1e-6)


def test_impossible_outputs_are_errors(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 30))
    read_only = np.zeros_like(x)
    read_only.flags.writeable = False
    tensor = torch.from_numpy(x.copy())
    half = tensor.bfloat16()
    for image, out, message in (
        (x, np.zeros((20, 31)), "the image's shape"),
        (x, np.zeros((1, 20, 30)), "the image's shape"),
        (x, np.zeros((20, 30), np.uint8), "floating point"),
        (x, [0.0], "list"),
        (x, read_only, "read-only"),
        (x, x, "memory is the image's"),
        (x, x[::-1], "memory is the image's"),
        (x, torch.from_numpy(x), "memory is the image's"),
        (tensor, tensor, "memory is the image's"),
        (half, half[:], "memory is the image's"),
    ):
        with pytest.raises(InputError, match=f"out: .*{message}"):
            in_tiles(lambda tile: tile + 1, image, 1, 16, out=out)  # type: ignore[arg-type,type-var]
    np.save(tmp_path / "x.npy", x)
    twice = [np.load(tmp_path / "x.npy", mmap_mode="r+") for _ in range(2)]
    with pytest.raises(InputError, match="memory is the image's"):
        in_tiles(lambda tile: tile, twice[0], 1, 16, out=twice[1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("x.png", "str"),
        (np.zeros(5), r"\[H, W\]"),
        (np.zeros((0, 5)), r"\[H, W\]"),
        (np.zeros((4, 5), np.uint8), "divide 8-bit by 255"),
        (torch.zeros(4, 5, dtype=torch.int32), "divide 8-bit by 255"),
        (np.zeros((4, 5), complex), "floating point"),
        (np.zeros((4, 5), np.longdouble), "floating point"),
    ],
    ids=["text", "1-d", "no rows", "uint8", "int32", "complex", "longdouble"],
)
def test_impossible_images_are_errors(image: object, message: str) -> None:
    with pytest.raises(InputError, match=f"image: .*{message}"):
        in_tiles(lambda tile: tile, image, 1)  # type: ignore[type-var]


def test_tiles_keep_their_shape_and_there_is_one_in_a_call() -> None:
    with pytest.raises(InputError, match="keep their shape"):
        in_tiles(lambda tile: tile[..., 1:], torch.rand(9, 9), 1)
    for batch in (0, 1.0, True):
        with pytest.raises(InputError, match="batch"):
            in_tiles(lambda tile: tile, torch.rand(9, 9), 1, batch=batch)  # type: ignore[arg-type]


# --- every prior ---------------------------------------------------------------------------------


def tile_of(prior: Prior) -> int:
    """Tiles of four cells between the halos."""
    return 2 * prior.halo + 4 * prior.size_multiple


def noisy(prior: Prior, scene: Scene, height: int, width: int) -> Tensor:
    """What a prior expects: a decoded JPEG image, or one with noise."""
    clean = scene(height, width, prior.channels)
    if prior.takes_table:
        return simulate(clean, luminance_table(10))
    return clean + 15 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TILEABLE)
def test_tiles_equal_the_whole_image(name: str, scene: Scene) -> None:
    """Two by three tiles of an image of odd sizes; one in the middle has seams on both sides."""
    prior = loaded(name)
    tile, sigma = tile_of(prior), 15 / 255
    x = noisy(prior, scene, tile + 3, tile + 4 * prior.size_multiple + 3)
    cut = grid(*x.shape[-2:], tile, prior.halo, prior.size_multiple)
    assert (len({t.rows for t in cut}), len({t.columns for t in cut})) == (2, 3)
    found = tiled(prior, x, sigma, tile=tile, batch=4)
    torch.testing.assert_close(found, prior(x, sigma), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in TILEABLE if not pnp_priors.describe(n).blind])
def test_tiles_equal_the_whole_image_with_a_map(name: str, scene: Scene) -> None:
    """Whose peak, above the trained range, not every tile sees."""
    prior = loaded(name)
    tile, cell = tile_of(prior), prior.size_multiple
    x = noisy(prior, scene, 9, tile + 8 * cell + 3)
    height, width = x.shape[-2:]
    assert len(spans(width, tile, prior.halo + cell, cell)) > 3
    high = prior.sigma_range[1]
    level = (0.3 * high + 0.5 * high * torch.linspace(0, 1, width)).repeat(1, 1, height, 1)
    level[..., height - 4 :, 1:3] = min(1.0, 1.5 * high)
    found = tiled(prior, x, level, tile=tile)
    torch.testing.assert_close(found, prior(x, level), rtol=0, atol=1e-5)
    # and it can fail: by itself, what does not see the peak comes out otherwise
    part, own = x[..., -8:], level[..., -8:]
    told = own.clone()
    told[..., 0, 0] = level.max()
    far = prior(part, own)[..., -1] - prior(part, told)[..., -1]
    assert far.abs().max() > 1e-5


@pytest.mark.parametrize("name", OTHERS)
def test_what_looks_at_the_whole_image_is_refused_and_says_why(name: str) -> None:
    prior = loaded(name)
    pattern = f"{type(prior).__name__} cannot be tiled: .*whole image"
    with pytest.raises(InputError, match=pattern):
        tiled(prior, torch.rand(9, 9), 0.1)
    with pytest.raises(InputError, match=pattern):
        Tiled(prior)
    with pytest.raises(InputError, match=pattern):
        tile_side(prior, 10**9)


def random_weights(prior: Prior) -> Prior:
    """Every parameter drawn, so that everything counts; in float64."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in prior.parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn * (1.4 / max(1, parameter[0].numel())) ** 0.5)
    return prior.requires_grad_(False).double().eval()


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small_ffdnet() -> Prior:
    return random_weights(FFDNet(depth=3, width=6, sigma_range=(0.02, 0.2)))


#: tiles of small_ffdnet: its halo is 6, its cells are 2
TILE = 24


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "form",
    [
        lambda s, _: s,
        lambda s, _: np.float32(s),
        lambda s, _: [s, s / 2],
        lambda s, _: torch.tensor([s / 2, 2 * s]),
        lambda s, _: np.array([s, 3 * s]),
        lambda s, _: torch.tensor([s, 3 * s]).reshape(2, 1, 1, 1),
        lambda s, x: s * random(2, 1, *x.shape[2:]),
        lambda s, x: s * random(1, 1, *x.shape[2:]).numpy(),
        lambda s, x: 4 * s * random(2, 1, *x.shape[2:]).float().numpy(),
    ],
    ids=[
        *("number", "np scalar", "list", "[B]", "np [B]", "[B,1,1,1]"),
        *("map [B]", "np map [1]", "map above the range"),
    ],
)
def test_every_form_of_sigma(form: Callable[[float, Tensor], object], channels: int) -> None:
    prior, x = small_ffdnet(), random(2, channels, 43, 57)
    sigma: object = form(0.1, x)
    whole = prior(x, sigma)  # type: ignore[arg-type]
    for batch in (1, 3):
        found = tiled(prior, x, sigma, tile=TILE, batch=batch)  # type: ignore[arg-type]
        torch.testing.assert_close(found, whole, rtol=0, atol=1e-12)


def test_maps_have_the_axes_of_the_image() -> None:
    prior, x, level = small_ffdnet(), random(43, 57), 0.1 * random(43, 57, seed=1)
    whole = prior(x[None, None], level[None, None])[0, 0]
    torch.testing.assert_close(tiled(prior, x, level, tile=TILE), whole, rtol=0, atol=1e-12)
    found = tiled(prior, x[None].numpy(), level[None].numpy(), tile=TILE)
    np.testing.assert_allclose(found[0], whole.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (None, "not blind"),
        (25, r"0\.\.255 units.*25/255"),
        ("0.1", "str"),
        (torch.full((2, 1, 9, 9), 0.1), "sigma map is"),
        (torch.full((43, 57), 0.1), "shape"),
        (torch.full((3,), 0.1), "shape"),
        (np.full((2, 1, 43, 57), -0.1), "negative"),
        (np.full((1, 1, 43, 57), np.nan), "not finite"),
        (torch.full((1, 1, 43, 57), 25.0), r"0\.\.255 units"),
    ],
    ids=["none", "255", "text", "small", "2-d", "[3]", "negative", "nan", "map of 255"],
)
def test_impossible_sigmas_are_errors_before_anything_is_written(
    sigma: object, message: str
) -> None:
    out = torch.zeros(2, 1, 43, 57)
    with pytest.raises(InputError, match=message):
        tiled(small_ffdnet(), random(2, 1, 43, 57), sigma, tile=TILE, out=out)  # type: ignore[arg-type]
    assert not out.any()


def test_a_prior_of_another_number_of_channels_and_no_prior_are_errors() -> None:
    prior = FFDNet(channels=3, depth=2, width=4)
    for image in (random(30, 30), random(1, 30, 30), random(2, 4, 30, 30)):
        with pytest.raises(InputError, match="for 3 channels"):
            tiled(prior, image, 0.1, tile=TILE)
    with pytest.raises(InputError, match="expected a prior of pnp_priors, got Identity"):
        tiled(nn.Identity(), random(30, 30), 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("tile", [17, 8, 0])
def test_a_tile_too_small_for_the_halo_says_how_large(tile: int) -> None:
    prior = small_ffdnet()
    assert least_tile(prior.halo + prior.size_multiple, prior.size_multiple) == 18
    with pytest.raises(InputError, match="at least 18"):
        tiled(prior, random(30, 30), 0.1, tile=tile)
    with pytest.raises(InputError, match="at least 18"):
        Tiled(prior, tile=tile)
    x, level = random(1, 1, 41, 43), 0.1 * random(1, 1, 41, 43, seed=1)
    found = tiled(prior, x, level, tile=18)
    torch.testing.assert_close(found, prior(x, level), rtol=0, atol=1e-12)


def test_cells_of_four_and_an_estimate_of_the_noise() -> None:
    prior = random_weights(CBDNet(width=3, estimator_width=3))
    x = random(2, 3, 75, 199)
    cut = grid(*x.shape[-2:], 148, prior.halo, prior.size_multiple)
    assert len(cut) > 1
    maps = 0.2 * random(2, 3, 75, 199, seed=1)
    for sigma in (None, 0.1, maps, maps[:1, :1]):
        found = tiled(prior, x, sigma, tile=148)
        torch.testing.assert_close(found, prior(x, sigma), rtol=0, atol=1e-12)
    model = Tiled(prior, 148)
    torch.testing.assert_close(model.estimate(x), prior.estimate(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(model(x), prior(x), rtol=0, atol=1e-12)


def test_each_jpeg_image_has_its_table(scene: Scene) -> None:
    prior = loaded(next(n for n in TILEABLE if loaded(n).takes_table))
    tables = torch.stack([luminance_table(10), luminance_table(30)])
    x = simulate(torch.cat([scene(99, 120), scene(99, 120, seed=1)]), tables)
    whole = prior(x, table=tables)  # type: ignore[call-arg]
    assert not torch.allclose(whole, prior(x, table=tables[0]), atol=1e-3)  # type: ignore[call-arg]
    for table in (tables, tables.numpy()):
        found = tiled(prior, x, table=table, tile=112, batch=2)
        torch.testing.assert_close(found, whole, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="FFDNet takes none"):
        tiled(small_ffdnet(), random(30, 30), 0.1, table=tables[0], tile=TILE)


def test_turned_images_are_cut_where_their_cells_allow_it() -> None:
    dncnn = random_weights(DnCNN(depth=3, width=4))
    x, level = random(1, 1, 31, 44), 0.2 * random(1, 1, 31, 44, seed=1)
    model = Equivariant(dncnn)
    torch.testing.assert_close(tiled(model, x, level, tile=16), model(x, level), atol=1e-12, rtol=0)
    with pytest.raises(InputError, match=r"Equivariant cannot be tiled: .*cells of 2 pixels"):
        tiled(Equivariant(small_ffdnet()), x, level)


def test_a_class_is_named_before_tiles_are_cut() -> None:
    prior = random_weights(ClassAware(["photographs", "documents"], depth=3, width=4))
    x = random(1, 1, 31, 44)
    with pytest.raises(InputError, match=r"ClassAware cannot be tiled: .*with_class"):
        tiled(prior, x)
    named = prior.with_class("documents")  # type: ignore[operator]
    torch.testing.assert_close(tiled(named, x, tile=16), named(x), rtol=0, atol=1e-12)


def test_half_precision_in_gives_half_precision_out() -> None:
    prior, x = small_ffdnet().float(), random(1, 43, 57)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        found = tiled(prior, x.to(dtype), 0.1, tile=TILE)
        assert found.dtype == dtype
        torch.testing.assert_close(found, prior(x.to(dtype)[None], 0.1)[0], rtol=0, atol=1e-5)


def test_gradients_pass() -> None:
    prior, weight = small_ffdnet(), random(1, 1, 43, 57, seed=2)
    level = (0.4 * random(1, 1, 43, 57, seed=1)).requires_grad_()
    x = random(1, 1, 43, 57).requires_grad_()
    expected = torch.autograd.grad((weight * prior(x, level)).sum(), (x, level))
    found = torch.autograd.grad((weight * tiled(prior, x, level, tile=TILE)).sum(), (x, level))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


# --- as a prior, in solvers ----------------------------------------------------------------------


def test_it_is_a_prior_that_says_what_the_one_inside_says() -> None:
    inside = loaded("ffdnet-gray")
    model = Tiled(inside, tile=96, batch=2)
    assert isinstance(model, deepinv.models.Denoiser)
    assert isinstance(model, Prior)
    assert not model.training
    for key in (
        *("channels", "sigma_range", "blind", "tasks", "scales", "quality_range", "takes_table"),
        *("estimates_sigma", "channels_last", "size_multiple", "receptive_field", "halo"),
    ):
        assert getattr(model, key) == getattr(inside, key)
    small, x = small_ffdnet(), random(2, 3, 43, 57)
    model = Tiled(small, TILE, batch=2)
    expected = small(x, torch.tensor([0.1, 0.2]))
    for other in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        found = other(x, torch.tensor([0.1, 0.2]))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    with pytest.raises(InputError, match=r"\[B, C, H, W\]"):
        model(x[0], 0.1)
    with pytest.raises(InputError, match="batch"):
        Tiled(small, TILE, batch=0)


@pytest.mark.parametrize("name", ["hqs", "admm", "pgd"])
def test_in_a_solver_it_does_as_the_prior_does(name: str) -> None:
    prior, physics = small_ffdnet(), Blur(torch.ones(1, 1, 3, 3).double() / 9, padding="circular")
    y = physics.A(random(1, 1, 40, 50))
    schedule = dpir(0.02, 3)
    expected = solver(name, prior, schedule)(y, physics)
    found = solver(name, Tiled(prior, TILE), schedule)(y, physics)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", [1, 2])
@pytest.mark.parametrize(("name", "reach"), [("pgd", 4 + 4), ("red", 4)])
def test_the_strict_halo_of_gradient_solvers(name: str, reach: int, cell: int) -> None:
    """Blur with local borders, all iterations in each tile.

    A prior that works in cells sees those of a mirrored tile elsewhere than those of the mirrored
    image, so that it is not mirrored.
    """
    prior: Prior = random_weights(FFDNet(depth=2, width=4))
    if cell == 1:
        prior = random_weights(DnCNN(depth=4, width=4, batch_norm=False))
    kernel = random(1, 1, 3, 5, seed=3)
    physics = Blur(kernel / kernel.sum(), padding="replicate")
    schedule = dpir(0.02, 3)

    def restore(y: Tensor) -> Tensor:
        return solver(name, prior, schedule, mirror=cell == 1)(y, physics)

    halo = strict_solver_halo(name, len(schedule), (3, 5), prior)
    assert prior.size_multiple == cell
    if cell == 2:
        assert halo == 3 * reach + 2
    y = random(1, 1, 51, 83)
    whole = restore(y)
    found = in_tiles(restore, y, halo, tile=2 * halo + 8, multiple=cell)
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-10)
    less = in_tiles(restore, y, halo // 2, tile=2 * halo + 8, multiple=2)
    assert (less - whole).abs().max() > 1e-6


def test_what_has_no_strict_halo() -> None:
    prior = small_ffdnet()
    assert all(strict_solver_halo(n, 8, (5, 5), prior) is None for n in ("hqs", "admm", "drs"))
    assert strict_solver_halo("pgd", 8, (5, 5), loaded("nn3d")) is None
    assert set(STRICT) == set(SOLVERS)
    with pytest.raises(UnknownNameError, match="solver"):
        strict_solver_halo("fista", 8, (5, 5), prior)
    with pytest.raises(InputError, match="iterations"):
        strict_solver_halo("pgd", 0, (5, 5), prior)


def test_deconvolution_in_tiles() -> None:
    """The halo that is stated, with the bundled photo and kernel; a short one shows."""
    settings = {"prior.name": "trd-5x5-s15", "noise.sigma": 2.55 / 255}
    restorer = pipelines.load(folder() / "deconvolution.yaml", settings)
    photo = images.read(folder() / "examples" / "deconvolution_blurred.png")
    y = photo.pixels.mean(axis=0)[120:248, 100:292]
    halo = solver_halo(tuple(restorer.kernel.shape))
    assert halo == 50
    whole = restorer(y)

    def beside_the_seam(halo: int) -> np.ndarray:
        seam, calls = y.shape[1] // 2, []
        found = in_tiles(
            restorer, y, halo, tile=seam + halo + 32, progress=lambda *done: calls.append(done)
        )
        assert calls == [(1, 2), (2, 2)]
        return 255 * (found - whole)[40:-40, seam - 16 : seam + 16]

    difference = beside_the_seam(halo)
    assert np.abs(difference).max() < 2
    assert np.sqrt(np.square(difference).mean()) < 0.3
    assert np.abs(beside_the_seam(8)).max() > 4


# --- memory --------------------------------------------------------------------------------------


class Hungry(Prior):
    """Keeps ``planes`` images at the worst moment, and makes more one after the other."""

    def __init__(self, planes: int) -> None:
        super().__init__(1, (0.0, 1.0))
        self.weight = nn.Parameter(torch.ones(()), requires_grad=False)
        self.planes = planes

    @property
    def receptive_field(self) -> int:
        return 7

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        for _ in range(5):
            kept = x.new_ones(len(x), self.planes, *x.shape[2:])
            kept.mul_(self.weight)
            del kept
        return x


def test_the_footprint_is_what_is_alive_at_once() -> None:
    """Four bytes per plane and pixel; besides, an image or a few: what goes in, and rescaling."""
    small, large = footprint(Hungry(20)), footprint(Hungry(50))
    assert large.per_pixel - small.per_pixel == pytest.approx(4 * 30)
    assert 4 * 20 < small.per_pixel <= 4 * 26
    assert abs(small.fixed) < 1000
    assert footprint(Hungry(20), channels=3).per_pixel == pytest.approx(
        3 * small.per_pixel, rel=0.1
    )
    assert footprint(Hungry(20).double()).per_pixel == pytest.approx(2 * small.per_pixel, rel=0.1)


def test_the_tile_for_a_memory() -> None:
    prior = Hungry(50)
    sides = [tile_side(prior, memory) for memory in (10**7, 4 * 10**7, 16 * 10**7)]
    assert sides[0] < sides[1] < sides[2]
    assert sides[2] == pytest.approx(4 * sides[0], rel=0.02)
    assert MARGIN * footprint(prior).per_pixel * sides[2] ** 2 <= 16 * 10**7
    assert tile_side(prior, 4 * 10**7, batch=4) == pytest.approx(sides[0], abs=1)
    assert tile_side(small_ffdnet(), 10**7) % 2 == 0
    with pytest.raises(InputError, match=r"memory: .* too little for 1 tile\(s\) of 9 pixels"):
        tile_side(prior, 1000)
