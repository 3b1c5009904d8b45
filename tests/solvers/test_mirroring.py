"""A prior that sees each iterate mirrored another way."""

from __future__ import annotations

import deepinv
import pytest
import torch
from deepinv.models import Denoiser
from torch import Tensor

from pnp_priors import load, pipelines
from pnp_priors.solvers import Schedule, build, solver
from pnp_priors.solvers.mirroring import AXES, Mirrored, mirrored

SCHEDULE = Schedule((0.2, 0.1, 0.05, 0.04, 0.03, 0.02), (2.0, 1.5, 1.0, 0.8, 0.6, 0.4))


class LeftAndUp(Denoiser):
    """Averages each pixel with its left and upper neighbours: no mirror image of itself."""

    def forward(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        return (x + x.roll(1, -1) + x.roll(1, -2)) / 3 * (1 - sigma)


@pytest.fixture
def y() -> Tensor:
    return torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_all_four_ways_are_taken_in_turn_and_the_first_is_the_prior(y: Tensor) -> None:
    prior = LeftAndUp()
    ways = mirrored(prior, 6)
    assert ways[0] is prior
    assert ways[4] is prior
    # by hand: which neighbours are averaged, seen from the pixel
    for way, (columns, rows) in zip(
        ways, [(1, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)], strict=False
    ):
        expected = (y + y.roll(columns, -1) + y.roll(rows, -2)) / 3 * 0.9
        torch.testing.assert_close(way(y, 0.1), expected)


def test_a_map_of_levels_is_mirrored_along(y: Tensor) -> None:
    levels = torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(1)).double()
    found = Mirrored(LeftAndUp(), (-1,))(y, levels)
    torch.testing.assert_close(found, (y + y.roll(-1, -1) + y.roll(1, -2)) / 3 * (1 - levels))


def test_a_list_of_levels_is_not(y: Tensor) -> None:
    levels = torch.tensor([0.1, 0.5]).double()
    one = Mirrored(load("trd-5x5-s25").double(), (-2,))(y, levels)
    for image, level, found in zip(y, levels, one, strict=True):
        alone = Mirrored(load("trd-5x5-s25").double(), (-2,))(image[None], float(level))
        torch.testing.assert_close(found[None], alone)


@pytest.mark.parametrize("name", ["hqs", "pgd"])
def test_solvers_are_loops_that_mirror(name: str, y: Tensor) -> None:
    physics, prior = deepinv.physics.Denoising(), LeftAndUp()
    x = y
    for k, (sigma, step) in enumerate(zip(SCHEDULE.sigma, SCHEDULE.stepsize, strict=True)):
        data = {"hqs": (x + step * y) / (1 + step), "pgd": y}[name]
        axes = AXES[k % 4]
        x = prior(data.flip(axes), sigma).flip(axes)
    found = solver(name, prior, SCHEDULE)(y, physics)
    torch.testing.assert_close(found, x, rtol=0, atol=1e-6)
    plain = solver(name, prior, SCHEDULE, mirror=False)(y, physics)
    assert (plain - found).abs().max() > 0.01


def test_without_it_deepinvs_own_hqs(y: Tensor) -> None:
    physics, prior = deepinv.physics.Denoising(), LeftAndUp()
    theirs = deepinv.optim.HQS(
        prior=deepinv.optim.PnP(prior),
        data_fidelity=deepinv.optim.L2(),
        stepsize=list(SCHEDULE.stepsize),
        g_param=list(SCHEDULE.sigma),
        max_iter=len(SCHEDULE),
    )
    found = solver("hqs", prior, SCHEDULE, mirror=False)(y, physics)
    assert torch.equal(found, theirs(y, physics))


def test_weights_are_shared_and_not_copied() -> None:
    model = solver("hqs", load("trd-5x5-s25"), SCHEDULE)
    assert len({id(p) for prior in model.prior for p in prior.parameters()}) == len(
        list(load("trd-5x5-s25").parameters())
    )


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize(
    "task", ["deconvolution", "super_resolution", "jpeg_deblocking", "inpainting", "demosaicing"]
)
def test_every_task_hands_the_pipelines_key_on(
    task: str, mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(prior: Denoiser, iterations: int) -> list[Denoiser]:
        asked.append(iterations)
        return mirrored(prior, iterations)

    monkeypatch.setattr(build, "mirrored", watched)
    quality = {"quality": 20} if task == "jpeg_deblocking" else {}
    settings = {"solver.iterations": 3, "solver.mirror": mirror, **quality}
    restorer = pipelines.load(task, settings)
    photo = torch.rand(1, 1, 32, 40, generator=torch.Generator().manual_seed(2))
    if task == "inpainting":
        restorer.known = restorer.known[:32, :40]
    restorer(photo)
    assert asked == ([3] if mirror else [])
