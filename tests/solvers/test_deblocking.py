"""Deblocking by deepinv's solvers: in the box, closer to the original, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from deepinv.models import Denoiser
from torch import Tensor

import pnp_priors
from pnp_priors import images
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.jpeg_fidelity import WIDTH, QuantisationInterval
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.pipelines import files
from pnp_priors.solvers import Schedule, solver
from pnp_priors.solvers.deblocking import (
    RESTORING_WIDTH,
    deblock,
    deblocking_schedule,
    quantisation_noise,
)

PSNR = Callable[[Tensor, Tensor], float]


def photo(channels: int, height: int, width: int) -> Tensor:
    pixels = images.read(files.folder() / "examples" / "deconvolution_sharp.png").pixels
    part = torch.from_numpy(pixels[:, 160 : 160 + height, 140 : 140 + width].copy()).float()
    return part[None] if channels == 3 else part.mean(0)[None, None]


class Blur(Denoiser):
    """Means of 3×3 pixels: a prior whose own result is far out of the box."""

    def forward(self, x: Tensor, sigma: object, **_: object) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 3, stride=1)


@pytest.mark.parametrize(("name", "gain"), [("hqs", 1.2), ("admm", 0.5)])
def test_a_gaussian_prior_deblocks(name: str, gain: float, psnr: PSNR) -> None:
    clean = photo(1, 90, 85)
    physics = JPEG((1, 90, 85), quality=10)
    y = physics(clean)
    restored = deblock(y, physics, pnp_priors.load("ffdnet-gray"), name=name, width=WIDTH)
    again, stored = (physics.indices(one)[0] for one in (physics(restored), y))
    assert torch.equal(again[:, :, :11, :10], stored[:, :, :11, :10])  # the border cuts the others
    assert psnr(restored, clean) > psnr(physics.A_dagger(y), clean) + gain


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_colour(subsampling: str, psnr: PSNR) -> None:
    """A gray prior, channel by channel."""
    clean = photo(3, 64, 64)
    physics = JPEG((3, 64, 64), quality=10, subsampling=subsampling)
    y = physics(clean)
    restored = deblock(y, physics, pnp_priors.load("ffdnet-gray"), width=WIDTH)
    again = physics.indices(physics(restored))
    assert all(torch.equal(a, b) for a, b in zip(again, physics.indices(y), strict=True))
    assert psnr(restored, clean) > psnr(physics.A_dagger(y), clean) + 0.8


def test_narrow_intervals_restore_better_and_are_the_default(psnr: PSNR) -> None:
    clean = photo(1, 64, 64)
    physics = JPEG((1, 64, 64), quality=20)
    y, prior = physics(clean), pnp_priors.load("ffdnet-gray")
    schedule = deblocking_schedule(quantisation_noise(y, physics), 4)
    narrow, wide = (
        deblock(y, physics, prior, schedule),
        deblock(y, physics, prior, schedule, width=WIDTH),
    )
    assert QuantisationInterval(RESTORING_WIDTH).excess(narrow, y, physics) < 1e-3
    assert psnr(narrow, clean) > psnr(wide, clean) + 0.1


@pytest.mark.parametrize("name", ["hqs", "admm", "drs"])
def test_the_result_is_in_the_box_whatever_the_prior(name: str) -> None:
    clean = photo(3, 32, 48)
    physics = JPEG((3, 32, 48), quality=40)
    y = physics(clean)
    restored = deblock(y, physics, Blur(), name=name, width=0.6)
    assert QuantisationInterval(0.6).excess(restored, y, physics) < 1e-3


@pytest.mark.parametrize("subsampling", [None, "4:4:4", "4:2:2", "4:2:0"])
def test_whole_blocks_are_restored_where_the_border_cuts_some(subsampling: str | None) -> None:
    """By alternation, too; the data step has the last pixels repeated, as encoders do."""
    channels = 1 if subsampling is None else 3
    physics = JPEG((channels, 41, 27), quality=20, subsampling=subsampling)
    y, fidelity = physics(photo(channels, 41, 27)), QuantisationInterval(RESTORING_WIDTH)
    schedule = Schedule((0.1, 0.05), (1.0, 1.0))
    whole, completed = physics.whole(), physics.completed(y)

    def prox(x: Tensor) -> Tensor:
        pad = (0, 32 - 27, 0, 48 - 41)
        x = torch.nn.functional.pad(x[..., :41, :27], pad, mode="replicate")
        return fidelity.prox(x, completed, whole)

    expected = whole.A_dagger(completed)
    for sigma in schedule.sigma:
        expected = Blur()(prox(expected), sigma)
    expected = prox(expected)[..., :41, :27]
    found = deblock(y, physics, Blur(), schedule, mirror=False)
    torch.testing.assert_close(found, expected)


def test_borders_are_restored_as_well_as_by_the_projection(psnr: PSNR) -> None:
    """Onto all images whose border pixels, repeated, are in the intervals; it needs an iteration
    in each iteration."""
    clean = photo(1, 90, 85)
    physics = JPEG((1, 90, 85), quality=30)
    y, prior = physics(clean), pnp_priors.load("ffdnet-gray")
    schedule = deblocking_schedule(quantisation_noise(y, physics), 4)
    fidelity = QuantisationInterval(RESTORING_WIDTH)
    model = solver("hqs", prior, schedule, fidelity)
    with torch.no_grad():
        projected = fidelity.prox(model(y, physics, init=physics.A_dagger(y)), y, physics)
    restored = deblock(y, physics, prior, schedule)
    border = torch.ones(90, 85, dtype=torch.bool)
    border[:88, :80] = False
    assert (
        psnr(restored[..., border], clean[..., border])
        > psnr(projected[..., border], clean[..., border]) - 0.05
    )


def test_hqs_is_alternation_of_the_two_steps() -> None:
    clean = photo(1, 32, 32)
    physics = JPEG((1, 32, 32), quality=20)
    y, fidelity = physics(clean), QuantisationInterval(RESTORING_WIDTH)
    schedule = Schedule((0.1, 0.05), (1.0, 1.0))
    expected = physics.A_dagger(y)
    for sigma in schedule.sigma:
        expected = Blur()(fidelity.prox(expected, y, physics), sigma)
    expected = fidelity.prox(expected, y, physics)
    torch.testing.assert_close(deblock(y, physics, Blur(), schedule), expected)


@pytest.mark.parametrize("name", ["pgd", "red"])
def test_solvers_that_need_a_gradient_say_so(name: str) -> None:
    physics = JPEG((1, 16, 16), quality=20)
    y = physics(photo(1, 16, 16))
    with pytest.raises(InputError, match="hqs, admm, drs"):
        deblock(y, physics, Blur(), name=name)
    with pytest.raises(UnknownNameError):
        deblock(y, physics, Blur(), name="hq")


def test_the_data_term_of_a_solver_is_l2_by_default() -> None:
    schedule = Schedule((0.1,), (1.0,))
    assert type(solver("hqs", Blur(), schedule).data_fidelity[0]).__name__ == "L2"
    given = QuantisationInterval()
    assert solver("admm", Blur(), schedule, given).data_fidelity[0] is given


@pytest.mark.parametrize("quality", [5, 10, 30, 60, 90])
def test_the_noise_that_quantisation_makes(quality: int) -> None:
    clean = photo(1, 160, 160)
    physics = JPEG((1, 160, 160), quality=quality)
    y = physics(clean)
    true = (physics.A_dagger(y) - clean).square().mean().sqrt().item()
    assert 0.75 * true < quantisation_noise(y, physics) < 1.3 * true
    flat = torch.full((1, 1, 160, 160), 128 / 255)
    assert quantisation_noise(physics(flat), physics) == 0


def test_the_schedule() -> None:
    found = deblocking_schedule(0.04, 3, first=2.0, last=0.5)
    assert found.sigma == pytest.approx((0.08, 0.04, 0.02))
    assert found.stepsize == (1.0, 1.0, 1.0)
    assert deblocking_schedule(0.0, 1).sigma[0] > 0
    for arguments in ((0.1, 0), (1.5, 4), (-0.1, 4), (float("nan"), 4)):
        with pytest.raises(InputError):
            deblocking_schedule(*arguments)
