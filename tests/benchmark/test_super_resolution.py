from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pnp_priors.benchmark.data import load_luma
from pnp_priors.benchmark.measuring import measure
from pnp_priors.benchmark.super_resolution import (
    ITERATIONS,
    check,
    enlarge,
    problems,
    reduce,
    resize,
    solve,
    whole_blocks,
)
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.solvers.mirroring import AXES

HQS = Setting("super-resolution", "Set5", "hqs")
SCALES = (2, 3, 4)


@pytest.mark.parametrize("scale", SCALES)
def test_the_input_is_the_bicubic_enlargement_and_the_border_is_left_out(
    data: Path, smoother, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoother, "forward", lambda x, sigma: x)
    direct = Setting("super-resolution", "Set5", "direct")
    problem = problems(data, direct)[0]
    result = solve(problem, smoother, direct, scale)
    clean = load_luma(problem)
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
    assert result.psnr == pytest.approx(result.degraded_psnr, abs=1e-4)


def test_a_linear_ramp_stays_where_it_is() -> None:
    ramp = np.tile(np.arange(48, dtype=np.float32) * 4, (48, 1))
    for scale in SCALES:
        again = enlarge(resize(ramp, 48 // scale, 48 // scale), scale)
        assert np.abs(again - ramp)[:, 16:-16].max() < 1e-2


@pytest.mark.parametrize("scale", SCALES)
def test_splitting_explains_the_reduced_image(
    data: Path, smoother, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A prior that changes nothing: what is left is the data step, whose result, reduced, is the
    # observation, at the edges too.
    seen = []
    monkeypatch.setattr(smoother, "forward", lambda x, sigma: seen.append(x) or x)
    problem = problems(data, HQS)[0]
    result = solve(problem, smoother, HQS, scale)
    small = reduce(whole_blocks(load_luma(problem), scale), scale)
    last = seen[-1].flip(AXES[(ITERATIONS - 1) % len(AXES)])
    again = resize(255 * last[0, 0].numpy(), *small.shape)
    assert np.abs(again - small).max() < 0.05
    assert result.psnr != pytest.approx(result.degraded_psnr, abs=1e-3)
    assert len(seen) == ITERATIONS


def test_scores_repeat(data: Path, smoother) -> None:
    todo = problems(data, HQS, 1)
    first = measure(smoother, todo, HQS, 2)
    assert measure(smoother, todo, HQS, 2) == first
    assert first[0].image == "0.png"


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="2, 3 or 4, got 5"):
        check(HQS, 5)
    with pytest.raises(UnknownNameError, match="known: direct, hqs"):
        check(Setting("super-resolution", "Set5", "admm"), 2)
