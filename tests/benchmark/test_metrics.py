import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pnp_priors.benchmark.metrics import Score, means, psnr, score, ssim
from pnp_priors.errors import InputError


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(1, 1, 40, 33, generator=generator)
    return clean, (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)


def test_psnr_of_a_constant_error_is_known() -> None:
    clean = torch.full((1, 1, 5, 7), 0.5)
    assert psnr(clean + 0.1, clean) == pytest.approx(20, abs=1e-5)
    assert psnr(clean, clean) == math.inf


def test_psnr_equals_skimage() -> None:
    clean, restored = pair()
    expected = peak_signal_noise_ratio(clean.numpy(), restored.numpy(), data_range=1)
    assert psnr(restored, clean) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_equals_skimage_with_the_settings_of_wang(channels: int) -> None:
    clean, restored = (image.repeat(1, channels, 1, 1) for image in pair())
    if channels == 3:
        restored[:, 1] = 0.3 + 0.4 * restored[:, 1]
    expected = structural_similarity(
        clean[0].double().numpy(),
        restored[0].double().numpy(),
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
    )
    assert ssim(restored, clean) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_equal_images_is_one_and_small_ones_are_refused() -> None:
    clean, _ = pair()
    assert ssim(clean, clean) == pytest.approx(1)
    with pytest.raises(InputError, match="11x11"):
        ssim(clean[..., :10], clean[..., :10])


def test_a_score_clips_the_output_and_not_the_input() -> None:
    clean = torch.ones(1, 1, 12, 12)
    result = score("one", clean + 0.1, clean + 0.5, clean)
    assert result.psnr == math.inf
    assert result.degraded_psnr == pytest.approx(20, abs=1e-5)


def test_means_are_of_decibels() -> None:
    result = means([Score("a", 20, 0.5, 10, 0.2), Score("b", 30, 1.0, 20, 0.4)])
    assert (result.psnr, result.ssim, result.degraded_psnr) == (25, 0.75, 15)
    assert result.degraded_ssim == pytest.approx(0.3)
