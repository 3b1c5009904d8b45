"""The bench on simulated cameras."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pnp_priors.benchmark.camera import SHOT, problems, ranges, shoot, solve
from pnp_priors.benchmark.data import load_image
from pnp_priors.benchmark.measuring import bench, suits
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior
from pnp_priors.registry import describe

CBSD68 = Setting("camera", "CBSD68")


class Seen(Prior):
    """Returns its input and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__(3, (0.0, 1.0))
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.given: list[tuple[Tensor, Tensor | float | None]] = []

    def forward(self, x: Tensor, sigma: Tensor | float | None = None) -> Tensor:
        self.given.append((x, sigma))
        return x


def test_the_prior_gets_the_photograph_and_is_told_nothing(data: Path) -> None:
    prior, file = Seen(), problems(data, CBSD68)[0]
    found = solve(file, prior, CBSD68, 0.08)
    ((photo, sigma),) = prior.given
    assert sigma is None
    clean = load_image(file, 3)
    assert torch.equal(photo, shoot(clean, ranges(0.08), file.stem)[0])
    assert found.psnr == pytest.approx(psnr(photo.clamp(0, 1), clean))
    again = solve(file, prior, CBSD68, 0.08)
    assert again.psnr == found.psnr


def test_more_light_noise_is_worse_and_images_have_their_own(data: Path) -> None:
    clean = load_image(problems(data, CBSD68)[0], 3)
    scores = [psnr(shoot(clean, ranges(level), "a")[0], clean) for level in (0.04, 0.08, SHOT)]
    assert scores == sorted(scores, reverse=True)
    assert not torch.equal(*(shoot(clean, ranges(SHOT), name)[0] for name in "ab"))


def test_noise_levels_keep_the_proportion_of_the_strongest() -> None:
    cameras = ranges(0.08)
    assert cameras.shot == (0.08, 0.08)
    assert cameras.read == pytest.approx((0.03, 0.03))


@pytest.mark.parametrize("level", [0.0, -0.1, 16.0])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(InputError, match=r"--shot .*0\.\.1 units"):
        bench("camera").check(CBSD68, level)


def test_priors_for_white_noise_are_not_measured_here() -> None:
    reason = suits(describe("ffdnet-color"), CBSD68)
    assert reason is not None
    assert "not for camera" in reason
