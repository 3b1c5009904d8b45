from pathlib import Path

import pytest
import torch
from deepinv.models import Denoiser

from pnp_priors.benchmark.data import evaluation_files
from pnp_priors.benchmark.denoising import measure
from pnp_priors.benchmark.noise import add_noise


class Recorder(Denoiser):
    """Returns its input and keeps what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[torch.Tensor, float]] = []

    def forward(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        self.calls.append((x, sigma))
        return x


def test_noise_has_the_stated_level_and_is_neither_clipped_nor_rounded() -> None:
    white = torch.ones(1, 1, 256, 256)
    noise = add_noise(white, 25, "white") - white
    assert float(noise.std()) == pytest.approx(25 / 255, rel=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=1e-3)
    assert float(noise.max()) > 0.2
    assert noise.unique().numel() > 10_000


def test_noise_differs_between_problems_and_levels_only() -> None:
    image = torch.zeros(1, 1, 16, 16)
    noise = add_noise(image, 25, "a")
    assert torch.equal(noise, add_noise(image, 25.0, "a"))
    assert not torch.equal(noise, add_noise(image, 25, "b"))
    other = add_noise(image, 50, "a") / 2
    assert not torch.allclose(noise, other)


def test_measuring_twice_or_fewer_images_gives_the_same_scores(data: Path) -> None:
    files = evaluation_files(data, "BSD68")
    torch.manual_seed(1)
    first = measure(Recorder(), files, 15)
    torch.manual_seed(2)
    assert measure(Recorder(), files, 15) == first
    assert measure(Recorder(), files[1:], 15) == first[1:]


def test_the_prior_gets_the_noisy_image_and_sigma_in_unit_range(data: Path) -> None:
    prior, ticks = Recorder(), []
    files = evaluation_files(data, "BSD68")
    scores = measure(prior, files, 50, done=lambda: ticks.append(1))
    assert [s.image for s in scores] == ["test001.png", "test002.png", "test003.png"]
    assert len(ticks) == 3
    noisy, sigma = prior.calls[0]
    assert sigma == pytest.approx(50 / 255)
    assert noisy.shape == (1, 1, 24, 31)
    # The prior returned its input: clipping can only have helped.
    assert all(s.psnr >= s.degraded_psnr for s in scores)
    assert scores[0].degraded_psnr == pytest.approx(14.15, abs=0.5)
