from pathlib import Path

import numpy as np
import pytest
import torch
from deepinv.physics import Downsampling
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pnp_priors.benchmark import super_resolution
from pnp_priors.benchmark.data import load_luma
from pnp_priors.benchmark.measuring import measure
from pnp_priors.benchmark.super_resolution import (
    enlarge,
    load_kernel,
    problems,
    reduce,
    resize,
    solve,
    whole_blocks,
)
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.priors.dncnn import DnCNN

HQS = Setting("super-resolution", "Set5", "hqs")
SCALES = (2, 3, 4)


@pytest.mark.parametrize("scale", SCALES)
def test_the_kernel_and_every_scale_th_pixel_are_the_reduction_without_shift(
    data: Path, scale: int
) -> None:
    clean = whole_blocks(load_luma(problems(data, HQS)[0].file), scale).astype(np.float32)
    height, width = clean.shape
    physics = Downsampling((1, height, width), load_kernel(data, scale), scale, padding="circular")
    modelled = physics.A(torch.from_numpy(clean)[None, None])[0, 0].numpy()
    reduced = resize(clean, height // scale, width // scale)
    # Away from the edges, where one wraps around and the other ends.
    assert np.abs(modelled - reduced)[3:-3, 3:-3].max() < 1e-2
    assert np.abs(reduced - reduce(clean, scale)).max() <= 0.5


@pytest.mark.parametrize("scale", SCALES)
def test_the_input_is_the_bicubic_enlargement_and_the_border_is_left_out(
    data: Path, smoother, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoother, "forward", lambda x, sigma: x)
    direct = Setting("super-resolution", "Set5", "direct")
    problem = problems(data, direct)[0]
    result = solve(problem, smoother, direct, scale)
    clean = load_luma(problem.file)
    clean = clean[: 50 // scale * scale, : 62 // scale * scale]
    small = Image.fromarray(reduce(clean, scale)).convert("F")
    large = np.asarray(small.resize(clean.shape[::-1], Image.Resampling.BICUBIC)).clip(0, 255)
    clean, large = (i[scale:-scale, scale:-scale].astype(float) for i in (clean, large))
    expected = peak_signal_noise_ratio(clean, large, data_range=255)
    assert result.degraded_psnr == pytest.approx(expected, abs=1e-4)
    assert result.psnr == pytest.approx(expected, abs=1e-4)
    similarity = structural_similarity(
        clean,
        large,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert result.degraded_ssim == pytest.approx(similarity, abs=1e-5)


def test_a_blind_network_takes_the_enlargement_without_sigma(data: Path) -> None:
    prior = DnCNN(
        depth=3, width=8, blind=True, tasks=["gaussian", "super-resolution"], scales=[2, 3, 4]
    )
    prior.eval().requires_grad_(False)  # untrained: the identity
    direct = Setting("super-resolution", "Set5", "direct")
    result = solve(problems(data, direct)[0], prior, direct, 3)
    assert result.psnr == result.degraded_psnr


def test_a_linear_ramp_stays_where_it_is() -> None:
    ramp = np.tile(np.arange(48, dtype=np.float32) * 4, (48, 1))
    for scale in SCALES:
        again = enlarge(resize(ramp, 48 // scale, 48 // scale), scale)
        assert np.abs(again - ramp)[:, 16:-16].max() < 1e-2


@pytest.mark.parametrize("scale", SCALES)
def test_splitting_explains_the_reduced_image(
    data: Path, smoother, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A prior that changes nothing: what is left is the data step, whose result, reduced, must be
    # the observation, at the edges too.
    monkeypatch.setattr(smoother, "forward", lambda x, sigma: x)
    clean = whole_blocks(load_luma(problems(data, HQS)[0].file), scale)
    small = reduce(clean, scale)
    y = torch.from_numpy(small.astype(np.float32) / 255)[None, None]
    restored = super_resolution.split(y, smoother, load_kernel(data, scale), scale)
    assert restored.shape[-2:] == clean.shape
    again = resize(255 * restored[0, 0].numpy(), *small.shape)
    assert np.abs(again - small)[1:-1, 1:-1].max() < 1.5


def test_scores_repeat_and_the_kernels_file_is_asked_for(data: Path, smoother) -> None:
    todo = problems(data, HQS, 1)
    first = measure(smoother, todo, HQS, 2)
    assert measure(smoother, todo, HQS, 2) == first
    assert first[0].image == "0.png"
    (data / "kernels" / "kernels_bicubicx234.npz").unlink()
    with pytest.raises(MissingFileError, match="kernels_bicubicx234"):
        measure(smoother, todo, HQS, 2)


def test_images_too_small_to_be_mirrored_are_refused(data: Path, smoother) -> None:
    kernel = load_kernel(data, 2)
    with pytest.raises(InputError, match="more than 8"):
        super_resolution.split(torch.rand(1, 1, 8, 30), smoother, kernel, 2)


@pytest.mark.shared_data
def test_the_kernels_of_the_data_folder_are_those_of_bicubic_reduction(
    shared: Path, data: Path
) -> None:
    for scale in SCALES:
        theirs, exact = (load_kernel(folder, scale) for folder in (shared, data))
        assert float((theirs - exact).abs().max()) < 0.05 * float(exact.max())
