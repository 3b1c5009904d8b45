"""R_denoise: stages as prior steps, and the paper's deconvolution by explicit matrices."""

from __future__ import annotations

import deepinv
import numpy as np
import pytest
import torch
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.solvers import RDenoise, genericdp, r_denoise

SIZE = (6, 7)


@pytest.fixture(scope="module")
def process() -> ReactionDiffusion:
    """A small process, off its start at random."""
    made = ReactionDiffusion(stages=3, filter_size=3, levels=4, sigma_range=(0.004, 0.016))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return made.double().requires_grad_(False).eval()


@pytest.fixture(scope="module")
def physics() -> deepinv.physics.BlurFFT:
    generator = torch.Generator().manual_seed(1)
    kernel = torch.rand(1, 1, 3, 5, generator=generator, dtype=torch.float64)
    return deepinv.physics.BlurFFT(img_size=(1, *SIZE), filter=kernel / kernel.sum()).double()


def image(batch: int = 1, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.rand(batch, channels, *SIZE, generator=generator, dtype=torch.float64)


def matrix(physics: deepinv.physics.BlurFFT) -> np.ndarray:
    """The blur as a matrix: what it does to each single pixel."""
    count = SIZE[0] * SIZE[1]
    units = torch.eye(count, dtype=torch.float64).reshape(count, 1, *SIZE)
    return torch.cat([physics.A(unit[None]) for unit in units]).reshape(count, count).T.numpy()


def test_a_step_is_the_diffusion_term_alone(process: ReactionDiffusion) -> None:
    x = image()
    for stage in range(3):
        expected = x - process.diffusion(255 * x, stage) / 255
        torch.testing.assert_close(RDenoise(process).prox(x, stage), expected)
        torch.testing.assert_close(RDenoise(process).prox(x, torch.tensor(float(stage))), expected)


def test_a_colour_process_steps_on_all_channels() -> None:
    made = ReactionDiffusion(stages=2, filter_size=3, levels=4, channels=3, filters=10)
    prior, x = RDenoise(made.double().requires_grad_(False).eval()), image(2, 3)
    torch.testing.assert_close(prior.prox(x, 1), x - made.diffusion(255 * x, 1) / 255)
    with pytest.raises(InputError, match="for 3 channels, the image has 1"):
        prior.prox(image(), 0)


def test_a_process_for_jpeg_has_no_steps_of_its_own() -> None:
    with pytest.raises(InputError, match="JpegReactionDiffusion is for jpeg"):
        RDenoise(JpegReactionDiffusion(stages=1, filter_size=3))


def test_all_steps_are_the_process_without_reaction(process: ReactionDiffusion) -> None:
    alone = ReactionDiffusion(**{**process.arguments(), "reaction": False}).double()
    alone.load_state_dict(process.state_dict())
    prior, x = RDenoise(process), image()
    for stage in range(3):
        x = prior.prox(x, stage)
    torch.testing.assert_close(x, alone.requires_grad_(False).eval()(image(), 0.01))


def test_channels_are_treated_one_by_one(process: ReactionDiffusion) -> None:
    x, prior = image(2, 3), RDenoise(process)
    expected = torch.cat([prior.prox(x[:, c : c + 1], 1) for c in range(3)], dim=1)
    torch.testing.assert_close(prior.prox(x, 1), expected)


@pytest.mark.parametrize("stage", [-1, 3, 25])
def test_a_stage_that_is_not_there(process: ReactionDiffusion, stage: int) -> None:
    with pytest.raises(InputError, match=f"stage {stage} of a process of 3 stages"):
        RDenoise(process).prox(image(), stage)


def test_stages_that_are_not_active_do_not_count(process: ReactionDiffusion) -> None:
    import copy

    short = copy.deepcopy(process)
    short.active_stages = 2
    with pytest.raises(InputError, match="stage 2 of a process of 2 stages"):
        RDenoise(short).prox(image(), 2)


@pytest.mark.parametrize("noise", [2.55 / 255, 7.65 / 255])
def test_deconvolution_is_equations_12_and_13(
    process: ReactionDiffusion, physics: deepinv.physics.BlurFFT, noise: float
) -> None:
    """z = one diffusion step of u; u = (λ/β A'A + I)^-1 (λ/β A'f + z), by a dense solve."""
    clean, a = image(), matrix(physics)
    f = physics.A(clean).flatten().numpy()
    weight = 100 * (2.55 / 255 / noise) ** 2
    growth = {2.55: 1.8, 7.65: 1.6}[round(255 * noise, 2)]
    u = a.T @ f
    for stage in range(3):
        state = torch.from_numpy(u).reshape(1, 1, *SIZE)
        z = RDenoise(process).prox(state, stage).flatten().numpy()
        share = weight / growth**stage
        u = np.linalg.solve(share * a.T @ a + np.eye(len(u)), share * a.T @ f + z)

    y = torch.from_numpy(f).reshape(1, 1, *SIZE)
    found = r_denoise(process, noise)(y, physics).flatten().numpy()
    np.testing.assert_allclose(found, u, rtol=0, atol=2e-5)


def test_one_iteration_per_stage(process: ReactionDiffusion) -> None:
    model = r_denoise(process, 0.01)
    assert model.max_iter == 3
    assert len(genericdp(0.01, 3)) == 3
