from pathlib import Path

import numpy as np
import pytest
import torch
from deepinv.models import Denoiser
from PIL import Image

from pnp_priors.benchmark.denoising import problems
from pnp_priors.benchmark.measuring import measure
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError

BSD68 = Setting("denoising", "BSD68")


class Recorder(Denoiser):
    """Returns its input and keeps what it was called with."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
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
    files = problems(data, BSD68)
    torch.manual_seed(1)
    first = measure(Recorder(), files, BSD68, 15)
    torch.manual_seed(2)
    assert measure(Recorder(), files, BSD68, 15) == first
    assert measure(Recorder(), files[1:], BSD68, 15) == first[1:]
    assert problems(data, BSD68, 2) == files[:2]


def test_the_prior_gets_the_noisy_image_and_sigma_in_unit_range(data: Path) -> None:
    prior, ticks = Recorder(), []
    scores = measure(prior, problems(data, BSD68), BSD68, 50, done=lambda: ticks.append(1))
    assert [s.image for s in scores] == ["test001.png", "test002.png", "test003.png"]
    assert len(ticks) == 3
    noisy, sigma = prior.calls[0]
    assert sigma == pytest.approx(50 / 255)
    assert noisy.shape == (1, 1, 24, 31)
    # The prior returned its input: clipping can only have helped.
    assert all(s.psnr >= s.degraded_psnr for s in scores)
    assert scores[0].degraded_psnr == pytest.approx(14.15, abs=0.5)


def test_the_middle_of_an_image_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "eval" / "BSD68"
    folder.mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 256, (259, 300), dtype=np.uint8)
    Image.fromarray(image).save(folder / "a.png")
    prior, setting = Recorder(), Setting("denoising", "BSD68-256")
    measure(prior, problems(tmp_path, setting), setting, 1)
    noisy = prior.calls[0][0][0, 0].numpy()
    assert noisy.shape == (256, 256)
    assert np.abs(255 * noisy - image[1:257, 22:278]).max() < 6
    Image.fromarray(image[:255]).save(folder / "a.png")
    with pytest.raises(InputError, match="255x300"):
        measure(prior, problems(tmp_path, setting), setting, 1)


def test_a_gray_prior_gets_all_channels_of_a_colour_set(data: Path) -> None:
    setting = Setting("denoising", "CBSD68")
    gray, colour = Recorder(), Recorder(3)
    first = measure(gray, problems(data, setting), setting, 25)
    assert measure(colour, problems(data, setting), setting, 25) == first
    assert gray.calls[0][0].shape == (1, 3, 24, 31)
    file = problems(data, setting)[0]
    clean = np.moveaxis(np.asarray(Image.open(file), float), -1, 0) / 255
    noisy = gray.calls[0][0][0].double().numpy()
    # PSNR over all channels together, not a mean of three.
    expected = -10 * np.log10(np.mean((noisy.clip(0, 1) - clean) ** 2))
    assert first[0].psnr == pytest.approx(expected, abs=1e-4)
