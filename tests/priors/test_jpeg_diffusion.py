"""Diffusion with the quantisation box: TRD's eq. 9 by brute force, tables, tiles, training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn
from torch import Tensor

from pnp_priors.errors import InputError, WeightsError
from pnp_priors.physics.jpeg import (
    block_dct,
    luminance_table,
    quantisation_box,
    read_jpeg,
    simulate,
)
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion

Scene = Callable[..., Tensor]


def random_process(seed: int = 0, **arguments: object) -> JpegReactionDiffusion:
    """A small process in float64, moved off its symmetric start at random."""
    process = JpegReactionDiffusion(**{"stages": 3, "filter_size": 3, **arguments}).double()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in process.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator).double()
    return process.eval()


def image(height: int = 16, width: int = 24, batch: int = 1, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)


def projected(u: np.ndarray, decoded: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Block by block, on 0..255: coefficients of u clamped to where decoded's were rounded."""
    result = np.empty_like(u)
    for row in range(0, u.shape[0], 8):
        for column in range(0, u.shape[1], 8):
            block = np.s_[row : row + 8, column : column + 8]
            index = np.round(dctn(decoded[block] - 128, norm="ortho") / table)
            mine = dctn(u[block] - 128, norm="ortho")
            inside = np.clip(mine, (index - 0.5) * table, (index + 0.5) * table)
            result[block] = idctn(inside, norm="ortho") + 128
    return result


@pytest.mark.parametrize("table", [None, luminance_table(60)], ids=["default", "own"])
def test_the_whole_process_is_equation_9(table: Tensor | None) -> None:
    process, x = random_process(quality=30), image()
    steps = (luminance_table(30) if table is None else table).double().numpy()
    f = 255 * x[0, 0].numpy()
    u, moved = f, 0.0
    for stage in range(3):
        term = process.diffusion(torch.from_numpy(u)[None, None], stage)[0, 0].detach().numpy()
        free = u - term
        u = projected(free, f, steps)
        moved += float(np.abs(u - free).max())
    assert moved > 1, "the projection had nothing to do"
    found = 255 * process(x, table=table)[0, 0].detach().numpy()
    np.testing.assert_allclose(found, u, rtol=0, atol=1e-6)


@pytest.mark.parametrize("quality", [5, 30, 80])
def test_the_output_is_in_the_box(quality: int) -> None:
    process, x = random_process(), image(batch=2)
    table = luminance_table(quality)
    box = quantisation_box(x, table)
    found = block_dct(process(x, table=table).detach())
    assert (found >= box.low - 1e-9).all()
    assert (found <= box.high + 1e-9).all()
    assert not torch.allclose(found, block_dct(x), atol=1e-3)


def test_without_a_diffusion_the_input_stays() -> None:
    process, x = random_process(), image(19, 21)
    with torch.no_grad():
        process.weights.zero_()
    torch.testing.assert_close(process(x), x)


def test_the_default_table_is_that_of_the_trained_quality() -> None:
    process, x = random_process(quality=40), image(13, 17, batch=2)
    expected = process(x)
    for table in (luminance_table(40), luminance_table(40).expand(2, 8, 8).numpy()):
        assert torch.equal(process(x, None, table), expected)
    assert torch.equal(process(x, 0.3), expected)
    assert not torch.allclose(process(x, table=luminance_table(80)), expected)
    assert process.arguments()["quality"] == 40
    assert process.quality_range == (40, 40)


def test_each_image_has_its_table_and_channels_share_it() -> None:
    process, x = random_process(), image(16, 16, batch=2, channels=3)
    tables = torch.stack([luminance_table(q) for q in (10, 70)])
    found = process(x, table=tables)
    for index in range(2):
        for channel in range(3):
            single = x[index : index + 1, channel : channel + 1]
            expected = process(single, table=tables[index])[0, 0]
            torch.testing.assert_close(found[index, channel], expected)
    shared = process(x, table=tables[:1])
    torch.testing.assert_close(shared[0], found[0])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (torch.ones(64), r"\[8, 8\]"),
        (torch.ones(6, 8, 8), r"or \[2, 8, 8\] for this batch, got \[6, 8, 8\]"),
        (torch.zeros(8, 8), "positive"),
        (luminance_table(50) / 255, r"0\.\.1 units"),
        (torch.full((8, 8), float("nan")), "not finite"),
        ("q10", "str is not numeric"),
    ],
    ids=str,
)
def test_impossible_tables_are_errors(table: object, message: str) -> None:
    """Also those that would fit the channels of the batch, taken one by one inside."""
    with pytest.raises(InputError, match=message):
        random_process()(image(batch=2, channels=3), table=table)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 12.5}, {"stages": 0}], ids=str)
def test_wrong_architectures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        JpegReactionDiffusion(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(8, 8), (5, 9)])
def test_gradient_of_the_image_against_finite_differences(size: tuple[int, int]) -> None:
    """Some coefficients are at a bound and some are not; the box itself is constant."""
    process = random_process(stages=2, quality=60).requires_grad_(False)
    x = image(*size).requires_grad_()
    assert torch.autograd.gradcheck(process, x, eps=1e-8, atol=1e-5)


@pytest.mark.parametrize("index", [0, 1])
def test_gradients_of_the_parameters_against_finite_differences(index: int) -> None:
    process, x = random_process(stages=2, quality=60).train(), image(8, 8)
    cotangent = image(8, 8, batch=1) - 0.3
    parameter = (process.coefficients, process.weights)[index]
    (gradient,) = torch.autograd.grad((process(x) * cotangent).sum(), parameter)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-7 * direction
                values.append((process(x) * cotangent).sum())
                parameter -= sign * 1e-7 * direction
        numerical = (values[0] - values[1]) / 2e-7
        assert abs(numerical - (gradient * direction).sum()) < 1e-4 * gradient.norm()
        assert gradient.norm() > 0


@pytest.mark.parametrize(
    ("stages", "size", "radius"), [(1, 3, 9), (2, 3, 17), (4, 7, 37), (2, 9, 23), (1, 11, 17)]
)
def test_the_receptive_field(stages: int, size: int, radius: int) -> None:
    """Each stage sees filters both ways, then whole blocks: 7 more, from then on blocks."""
    assert JpegReactionDiffusion(stages, size).receptive_field == 2 * radius + 1


@pytest.mark.parametrize(("stages", "size"), [(1, 3), (2, 3), (2, 5)])
def test_nothing_counts_outside_of_the_receptive_field_and_its_border_does(
    stages: int, size: int
) -> None:
    """For the corners of a block, whose views reach farthest to one side."""
    process = random_process(stages=stages, filter_size=size)
    radius = process.receptive_field // 2
    middle = 8 * (radius // 8 + 1)
    x = image(2 * middle + 8, 2 * middle + 8)
    before = process(x).detach()
    for pixel, side in ((middle + 7, -1), (middle, 1)):
        for distance, counts in ((radius + 1, False), (radius, True)):
            other = x.clone()
            other[..., pixel + side * distance, :] = 1 - other[..., pixel + side * distance, :]
            change = (process(other).detach() - before)[..., pixel, :].abs().max()
            assert (change > 1e-9) == counts


def test_tiles_with_the_halo_equal_the_whole() -> None:
    process = random_process(quality=20)
    halo = process.halo
    assert halo % 8 == 0
    x = image(2 * halo + 27, 2 * halo + 40)
    whole = process(x)
    for top in (0, 24, 48):
        above = max(0, top - halo)
        part = x[..., above : top + 16 + halo, :]
        inner = process(part)[..., top - above : top - above + 16, :]
        torch.testing.assert_close(inner, whole[..., top : top + 16, :])


def test_it_starts_from_the_first_stages_of_a_process_for_noise() -> None:
    generic = ReactionDiffusion(stages=4, filter_size=3, levels=50).double()
    with torch.no_grad():
        generic.weights += torch.randn_like(generic.weights)
        generic.coefficients += 0.1 * torch.randn_like(generic.coefficients)
    process = random_process()
    process.adopt(generic)
    assert torch.equal(process.weights, generic.weights[:3])
    assert torch.equal(process.coefficients, generic.coefficients[:3])
    with pytest.raises(WeightsError, match="does not fit"):
        process.adopt(ReactionDiffusion(stages=3, filter_size=5))


def test_released_is_what_ran() -> None:
    process, x = random_process(quality=25), image(12, 9)
    process.grow(stages=2)
    released = process.for_release()
    assert type(released) is JpegReactionDiffusion
    assert released.arguments() == {**process.arguments(), "stages": 2}
    torch.testing.assert_close(released(x), process(x), rtol=0, atol=0)
    twin = JpegReactionDiffusion(**released.arguments()).double()
    twin.load_state_dict(released.state_dict())
    torch.testing.assert_close(twin.eval()(x), released(x), rtol=0, atol=0)


def test_the_table_moves_with_the_network_but_is_no_weight() -> None:
    process = JpegReactionDiffusion(quality=20)
    assert "table" not in process.state_dict()
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert torch.equal(process.to(dtype).table.float(), luminance_table(20))


def test_weights_of_half_precision_leave_the_coefficients_in_their_intervals(scene: Scene) -> None:
    """The image is not rounded to the precision of the weights: nothing jumps to another box."""
    process = random_process(quality=50).float().requires_grad_(False)
    x = simulate(scene(24, 32), luminance_table(50))
    expected = process(x)
    found = process.bfloat16()(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)
    box = quantisation_box(x, luminance_table(50))
    coefficients = block_dct(found)
    assert (coefficients >= box.low - 1e-5).all()
    assert (coefficients <= box.high + 1e-5).all()


def test_bfloat16_training_is_near_the_exact_path(scene: Scene) -> None:
    process = JpegReactionDiffusion(stages=3, filter_size=5, quality=10).train()
    x = simulate(scene(24, 40), luminance_table(10))
    exact = process(x)
    process.prepare_training(bfloat16=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = process(x)
    assert quick.dtype == torch.float32
    assert (exact - x).abs().max() > 0.05
    torch.testing.assert_close(quick, exact, rtol=0, atol=0.01)
    quick.square().sum().backward()
    for parameter in process.parameters():
        assert not parameter.requires_grad or parameter.grad.abs().max() > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("quality", [10, 40])
def test_untrained_it_deblocks_a_file_a_little(
    quality: int, scene: Scene, psnr: Callable[[Tensor, Tensor], float], tmp_path: Path
) -> None:
    """With the table that the file states, whatever the prior's own."""
    clean, path = scene(60, 64), tmp_path / "scene.jpg"
    pixels = clean[0, 0].mul(255).round().byte().numpy()
    Image.fromarray(pixels).save(path, quality=quality)
    blocky, table = read_jpeg(path)
    process = JpegReactionDiffusion(quality=10).requires_grad_(False).eval()
    restored = process(blocky, table=table)
    assert psnr(restored, clean) > psnr(blocky, clean) + 0.1
    assert torch.equal(restored, process(blocky)) == (quality == 10)
