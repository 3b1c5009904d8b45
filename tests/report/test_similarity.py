"""PSNR and SSIM without torch are those of the bench."""

import math

import numpy as np
import pytest
import torch

from pnp_priors.benchmark import metrics
from pnp_priors.errors import InputError
from pnp_priors.report import similarity


@pytest.mark.parametrize("shape", [(1, 11, 11), (3, 40, 31)])
def test_both_are_the_benchs(shape):
    rng = np.random.default_rng(0)
    clean = rng.random(shape).astype(np.float32)
    restored = np.clip(clean + 0.1 * rng.normal(size=shape), 0, 1).astype(np.float32)
    tensors = (torch.from_numpy(image)[None] for image in (restored, clean))
    one, other = tensors
    assert similarity.psnr(restored, clean) == pytest.approx(metrics.psnr(one, other), abs=1e-9)
    assert similarity.ssim(restored, clean) == pytest.approx(metrics.ssim(one, other), abs=1e-7)


def test_equal_images_have_no_error_and_full_similarity():
    image = np.linspace(0, 1, 400, dtype=np.float32).reshape(1, 20, 20)
    assert similarity.psnr(image, image) == math.inf
    assert similarity.ssim(image, image) == pytest.approx(1)


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(InputError, match="11x11"):
        similarity.ssim(np.zeros((1, 10, 30)), np.zeros((1, 10, 30)))
