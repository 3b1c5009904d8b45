"""The camera, part by part: against direct loops, closed forms and repeated photographs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pnp_priors.physics.jpeg import chrominance_table, luminance_table, simulate_colour
from pnp_priors.training import camera
from pnp_priors.training.camera import PATTERNS, Ranges, Settings

Scene = Callable[..., Tensor]
RANGES = Ranges(shot=(0.0, 0.16), read=(0.01, 0.06), gamma=(2.0, 2.8), quality=(60, 100))
ALL_PATTERNS = torch.arange(len(PATTERNS))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settings(count: int, **changes: float) -> Settings:
    """The same for each image: no noise, sRGB, the first pattern, the best quality."""
    values = {"shot": 0.0, "read": 0.0, "gamma": 2.4, "pattern": 0, "quality": 100, **changes}
    return Settings(**{key: torch.tensor([value] * count) for key, value in values.items()})


def colour(pattern: int, row: int, column: int) -> int:
    """0, 1, 2 for what a pixel of the mosaic sees, from the pattern's name."""
    return "RGB".index(list(PATTERNS)[pattern][2 * (row % 2) + column % 2])


# --- the response --------------------------------------------------------------------------------


def test_a_gamma_of_2_4_is_srgb() -> None:
    """IEC 61966-2-1, whose rounded numbers leave a corner of 1e-4 at the end of the toe."""
    light = torch.linspace(0, 1, 1001, dtype=torch.float64).reshape(1, 1, 1, -1)
    srgb = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    found = camera.response(light, torch.tensor([2.4]))
    torch.testing.assert_close(found, srgb, rtol=0, atol=1e-4)


@pytest.mark.parametrize("gamma", [1.2, 2.0, 2.4, 2.8])
def test_the_response_rises_without_a_corner_and_has_an_inverse(gamma: float) -> None:
    light = torch.linspace(0, 1, 20001, dtype=torch.float64).reshape(1, 1, 1, -1)
    exponent = torch.tensor([gamma], dtype=torch.float64)
    image = camera.response(light, exponent)
    assert image[..., 0] == 0
    assert image[..., -1].item() == pytest.approx(1)
    steps = image.diff()
    assert (steps > 0).all()
    assert (steps.diff() <= 1e-12).all()
    back = camera.light_of(image, exponent)
    torch.testing.assert_close(back, light, rtol=1e-9, atol=1e-12)


def test_each_image_has_its_response() -> None:
    light, gammas = numbers(3, 3, 4, 5), torch.tensor([1.5, 2.2, 2.8])
    whole = camera.response(light, gammas)
    for index, gamma in enumerate(gammas):
        one = camera.response(light[index : index + 1], gamma[None])
        assert torch.equal(whole[index : index + 1], one)


# --- the mosaic ----------------------------------------------------------------------------------


def test_a_mosaic_keeps_one_colour_of_each_pixel() -> None:
    light = numbers(4, 3, 5, 6)
    raw = camera.mosaic(light, ALL_PATTERNS)
    assert raw.shape == (4, 1, 5, 6)
    for pattern in range(4):
        for row in range(5):
            for column in range(6):
                expected = light[pattern, colour(pattern, row, column), row, column]
                assert raw[pattern, 0, row, column] == expected


def interpolated(raw: Tensor, pattern: int) -> Tensor:
    """Malvar et al., section 2, as written there: a bilinear value and a share of a Laplacian."""
    height, width = raw.shape

    def at(row: int, column: int) -> Tensor:
        # mirrored at the border, which keeps the pattern
        row = abs(row) if row < height else 2 * (height - 1) - row
        column = abs(column) if column < width else 2 * (width - 1) - column
        return raw[row, column]

    def mean(row: int, column: int, *offsets: tuple[int, int]) -> Tensor:
        return torch.stack([at(row + y, column + x) for y, x in offsets]).mean()

    near = ((0, 1), (0, -1), (1, 0), (-1, 0))
    far = tuple((2 * y, 2 * x) for y, x in near)
    diagonal = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    image = torch.zeros(3, height, width, dtype=raw.dtype)
    for row in range(height):
        for column in range(width):
            here, own = at(row, column), colour(pattern, row, column)
            image[own, row, column] = here
            if own != 1:
                laplacian = here - mean(row, column, *far)
                image[1, row, column] = mean(row, column, *near) + laplacian / 2
                other = mean(row, column, *diagonal) + 3 / 4 * laplacian
                image[2 - own, row, column] = other
                continue
            for wanted in (0, 2):
                across = colour(pattern, row, column + 1) == wanted
                along, beyond = ((0, 1), (0, -1)), ((0, 2), (0, -2))
                sideways: tuple[tuple[int, int], ...] = ((2, 0), (-2, 0))
                if not across:
                    along, beyond, sideways = ((1, 0), (-1, 0)), ((2, 0), (-2, 0)), beyond
                # their figure 2: of nine greens, those sideways count by -1/10
                greens = (
                    4 * mean(row, column, *diagonal)
                    + 2 * mean(row, column, *beyond)
                    - mean(row, column, *sideways)
                )
                laplacian = here - greens / 5
                image[wanted, row, column] = mean(row, column, *along) + 5 / 8 * laplacian
    return image


def test_demosaicing_equals_the_direct_loop() -> None:
    raw = numbers(4, 1, 7, 8)
    found = camera.demosaic(raw, ALL_PATTERNS)
    expected = torch.stack([interpolated(raw[p, 0], p) for p in range(4)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_gray_ramp_survives_the_mosaic() -> None:
    """Each formula is exact for what is linear and the same in all colours."""
    rows, columns = torch.arange(9).double()[:, None], torch.arange(10).double()[None, :]
    light = (0.02 * rows + 0.03 * columns + 0.1).expand(4, 3, -1, -1)
    found = camera.demosaic(camera.mosaic(light, ALL_PATTERNS), ALL_PATTERNS)
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(found[inner], light[inner], rtol=0, atol=1e-12)


def test_the_variance_of_a_demosaiced_image_is_that_of_its_weights() -> None:
    """By brute force: the share of each raw pixel in each value, squared."""
    side = 7
    variance = numbers(4, 1, side, side)
    units = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    inner = (..., slice(2, -2), slice(2, -2))
    for pattern in range(4):
        shares = camera.demosaic(units, torch.full((len(units),), pattern))
        expected = torch.einsum("nchw,n->chw", shares.square(), variance[pattern].flatten())
        found = camera.demosaiced_variance(variance[pattern][None], torch.tensor([pattern]))
        torch.testing.assert_close(found[0][inner], expected[inner], rtol=1e-12, atol=0)


# --- noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shot", "read"), [(0.16, 0.0), (0.05, 0.06), (0.0, 0.03)])
def test_shot_noise_grows_with_light_and_read_noise_does_not(shot: float, read: float) -> None:
    count = 20000
    for light in (0.0, 0.1, 0.8):
        raw = torch.full((1, 1, count, 10), light, dtype=torch.float64)
        noisy = camera.sensor_noise(raw, torch.tensor([shot]), torch.tensor([read]), seeded())
        variance = shot**2 * light + read**2
        error = math.sqrt(variance / raw.numel())
        # Shot noise of 0 is drawn as one of 0.001.
        variance += 1e-6 * light * (shot == 0)
        assert noisy.mean().item() == pytest.approx(light, abs=5 * error + 1e-5)
        assert noisy.var().item() == pytest.approx(variance, rel=0.03, abs=1e-12)


def test_shot_noise_is_of_whole_photons() -> None:
    raw = torch.full((1, 1, 100, 100), 0.3, dtype=torch.float64)
    noisy = camera.sensor_noise(raw, torch.tensor([0.16]), torch.tensor([0.0]), seeded())
    photons = noisy / torch.tensor(0.16).double() ** 2
    torch.testing.assert_close(photons, photons.round(), rtol=0, atol=1e-6)
    third = ((photons - photons.mean()) ** 3).mean() / photons.std() ** 3
    # of a Poisson distribution, whose skewness is 1/sqrt(mean)
    assert third.item() == pytest.approx(0.16 / math.sqrt(0.3), rel=0.25)


def test_noise_repeats_with_its_generator_and_differs_between_images() -> None:
    raw = torch.full((2, 1, 8, 8), 0.4)
    level = torch.full((2,), 0.1)
    one, again, other = (camera.sensor_noise(raw, level, level, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("light", [0.01, 0.2, 0.9])
def test_little_noise_is_scaled_by_the_slope_of_the_response(light: float) -> None:
    mean = torch.full((1, 1, 1, 1), light, dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor([2.2], dtype=torch.float64)
    (slope,) = torch.autograd.grad(camera.response(mean, gamma).sum(), mean)
    found = camera.noise_level(mean.detach(), torch.full_like(slope, 1e-4**2), gamma)
    torch.testing.assert_close(found, 1e-4 * slope, rtol=1e-3, atol=0)


@pytest.mark.parametrize("light", [0.0, 0.01, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_the_noise_level_is_that_of_many_draws(light: float, spread: float) -> None:
    """At the ends of the scale, where half of the noise is clipped away, within a fifth."""
    gamma = torch.tensor([2.4])
    noise = spread * torch.randn(1, 1, 300, 300, generator=seeded())
    drawn = camera.response((light + noise).clamp(0, 1), gamma).std()
    mean = torch.full((1, 1, 1, 1), light)
    found = camera.noise_level(mean, torch.full_like(mean, spread**2), gamma)
    assert found.item() == pytest.approx(drawn.item(), rel=0.2)
    (slope,) = torch.autograd.functional.jacobian(
        lambda v: camera.response(v, gamma).sum(), mean.clamp(min=1e-6)
    )
    if light == 0:
        assert spread * slope.item() > 2 * drawn, "the slope alone would do"


# --- the whole camera ----------------------------------------------------------------------------


def test_each_photograph_is_compressed_with_its_quality(scene: Scene) -> None:
    image = scene(32, 32, 3).expand(2, -1, -1, -1)
    found = camera.compress(image, torch.tensor([60, 95]))
    for index, quality in enumerate((60, 95)):
        tables = luminance_table(quality), chrominance_table(quality)
        assert torch.equal(found[index], simulate_colour(image[:1], *tables)[0])


def test_without_noise_a_photograph_is_its_scene(scene: Scene, psnr: Callable) -> None:
    clean = torch.nn.functional.avg_pool2d(scene(128, 128, 3), 4)
    for pattern in range(4):
        photo, level = camera.photograph(clean, settings(1, pattern=pattern))
        assert psnr(photo, clean) > 28
        assert level.max() == 0


@pytest.mark.parametrize(("shot", "read"), [(0.1, 0.01), (0.02, 0.05)])
def test_the_level_is_the_spread_of_many_photographs(
    shot: float, read: float, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before JPEG, which takes noise away; where little is clipped within a tenth."""
    count, gamma = 1000, 2.2
    clean = 0.1 + 0.8 * scene(24, 24, 3)
    chosen = settings(count, shot=shot, read=read, gamma=gamma, pattern=2)
    monkeypatch.setattr(camera, "compress", lambda image, quality: image)
    photos, level = camera.photograph(clean.expand(count, -1, -1, -1), chosen, seeded(), margin=2)
    assert torch.equal(level[0], level[-1])
    ratio = photos.std(dim=0) / level[0]
    assert ratio.median().item() == pytest.approx(1, abs=0.02)
    # Poisson noise is not quite the Gaussian of the quadrature.
    assert (ratio > 0.85).float().mean() > 0.99
    assert (ratio < 1.15).float().mean() > 0.99


def test_a_margin_is_seen_and_cut_off(scene: Scene) -> None:
    clean, chosen = scene(36, 36, 3), settings(1, shot=0.1, read=0.02)
    _, whole = camera.photograph(clean, chosen, seeded())
    photo, level = camera.photograph(clean, chosen, seeded(), margin=2)
    assert photo.shape == level.shape == (1, 3, 32, 32)
    assert torch.equal(level, whole[..., 2:-2, 2:-2])
    # The grain is the same; the blocks of JPEG lie elsewhere.
    cut = camera.photograph(clean, chosen, seeded())[0][..., 2:-2, 2:-2]
    assert (photo - cut).abs().mean() < 0.02
    _, alone = camera.photograph(clean[..., 2:-2, 2:-2], chosen, seeded())
    assert not torch.equal(level, alone), "the margin would not be needed"


def test_a_photograph_repeats_with_its_generator(scene: Scene) -> None:
    clean = scene(32, 32, 3).expand(3, -1, -1, -1)

    def shoot(seed: int) -> tuple[Tensor, Tensor]:
        generator = seeded(seed)
        return camera.photograph(clean, Settings.draw(3, RANGES, generator), generator)

    one, again, other = shoot(0), shoot(0), shoot(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[1][0], one[1][1]), "both images by one camera"


def test_settings_fill_their_ranges() -> None:
    drawn = Settings.draw(4000, RANGES, seeded())
    for name in ("shot", "read", "gamma"):
        low, high = getattr(RANGES, name)
        values = getattr(drawn, name)
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean().item() == pytest.approx((low + high) / 2, rel=0.05)
    assert set(drawn.pattern.tolist()) == set(range(4))
    assert set(drawn.quality.tolist()) == set(range(60, 101))
    fixed = Settings.draw(5, Ranges((0.1, 0.1), (0.0, 0.0), (2.2, 2.2), (80, 80)), seeded())
    assert fixed.shot.tolist() == pytest.approx([0.1] * 5)
    assert fixed.read.tolist() == [0.0] * 5
    assert fixed.quality.tolist() == [80] * 5
