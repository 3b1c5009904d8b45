"""A pipeline as a deepinv reconstructor."""

import math

import numpy as np
import pytest
import torch
from deepinv.models import Reconstructor
from deepinv.physics import Blur, BlurFFT

from pnp_priors import pipelines
from pnp_priors.errors import InputError, MissingFileError, PnpPriorsError, UnknownNameError


@pytest.fixture
def restorer(folder, smoother):
    return pipelines.load(folder / "p.yaml")


def test_is_a_reconstructor_and_improves_a_photo(folder, smoother, kernel):
    from pnp_priors.pipelines.files import folder as shipped

    pipeline = shipped() / "deconvolution.yaml"
    restorer = pipelines.load(pipeline, {"noise.sigma": 0.01})
    assert isinstance(restorer, Reconstructor)
    from pnp_priors import images

    blurred = images.read(shipped() / "examples" / "deconvolution_blurred.png").pixels
    sharp = images.read(shipped() / "examples" / "deconvolution_sharp.png").pixels
    part = (slice(None), slice(150, 290), slice(120, 260))

    def psnr(x):
        return -10 * math.log10(((x - sharp[part]) ** 2).mean())

    assert psnr(restorer(blurred[part])) > psnr(blurred[part]) + 2


@pytest.mark.parametrize("color", ["per-channel", "luminance"])
@pytest.mark.parametrize("shape", [(48, 52), (1, 48, 52), (3, 48, 52), (2, 3, 48, 52)])
def test_shapes_and_kinds_come_back(folder, smoother, photo, shape, color):
    restorer = pipelines.load(folder / "p.yaml", {"color": color})
    y = np.resize(photo, shape).astype(np.float32)
    x = restorer(y)
    assert isinstance(x, np.ndarray)
    assert x.shape == shape
    assert x.dtype == y.dtype
    tensor = restorer(torch.from_numpy(y).double())
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), x, atol=1e-5)


def test_a_batch_equals_its_photos(restorer, photo):
    batch = np.stack([photo, photo[::-1]])
    alone = np.stack([restorer(one) for one in batch])
    np.testing.assert_allclose(restorer(batch), alone, atol=1e-4)


def test_auto_estimates_the_noise_of_each_photo(folder, smoother, photo):
    restorer = pipelines.load(folder / "p.yaml", {"noise.sigma": "auto"})
    assert restorer.noise_level(photo) == pytest.approx(0.02, rel=0.1)
    noisier = photo + 0.05 * np.random.default_rng(1).normal(size=photo.shape).astype(np.float32)
    batch = np.stack([photo, noisier])
    alone = np.stack([restorer(one) for one in batch])
    np.testing.assert_allclose(restorer(batch), alone, atol=1e-4)


def test_auto_on_a_photo_that_tells_nothing(folder, smoother):
    restorer = pipelines.load(folder / "p.yaml", {"noise.sigma": "auto"})
    with pytest.raises(InputError, match=r"set noise\.sigma"):
        restorer(np.zeros((7, 7), np.float32))


def test_progress_counts_iterations(restorer, photo):
    seen = []
    restorer(photo, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    restorer(photo)
    assert len(seen) == 2, "the hook is gone"


@pytest.mark.parametrize("name", ["hqs", "admm", "drs", "pgd", "red"])
@pytest.mark.parametrize("schedule", ["preset", "dpir", "genericdp"])
def test_every_solver_and_schedule(folder, smoother, photo, name, schedule):
    settings = {"solver.name": name, "solver.schedule": schedule, "solver.iterations": 3}
    seen = []
    x = pipelines.load(folder / "p.yaml", settings)(photo, progress=lambda *n: seen.append(n))
    assert np.isfinite(x).all()
    assert np.abs(x - photo).max() > 1e-3
    assert seen[-1] == (3, 3)


def test_physics_replaces_the_kernel_and_is_taken_at_its_word(restorer, photo, kernel):
    y = torch.from_numpy(photo)[None]
    blur = BlurFFT(img_size=(3, 48, 52), filter=torch.from_numpy(kernel)[None, None])
    circular = pipelines.load("p.yaml", {"boundary": "circular"})
    torch.testing.assert_close(restorer(y, blur), circular(y))
    different = torch.from_numpy(np.stack([kernel, kernel.T, kernel[::-1].copy()]))[None]
    each = BlurFFT(img_size=(3, 48, 52), filter=different)
    gray = BlurFFT(img_size=(1, 48, 52), filter=different[:, 2:])
    # One channel alone is rounded otherwise than three together.
    alone = circular(y[:, 2:], gray)
    torch.testing.assert_close(restorer(y, each)[:, 2:], alone, rtol=0, atol=1e-4)
    with pytest.raises(InputError, match="needs a BlurFFT, got Blur"):
        restorer(y, Blur(filter=torch.ones(1, 1, 3, 3) / 9))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full((1, 40, 40), np.nan, np.float32), "NaN"),
        (np.zeros((40, 40), np.uint8), "floating point"),
        (np.full((40, 40), 255.0), "^expected values in .*255 looks like 0..255 values; divide by"),
        (np.full((40, 40), -6e4), "60000 looks like 0..65535 values; divide by 65535"),
        (np.zeros((2, 40, 40), np.float32), "1 or 3 channels"),
        (np.zeros(40, np.float32), r"expected \[H, W\]"),
        (np.zeros((5, 40), np.float32), r"kernel\.npy: the kernel \(5x5 pixels\) must .*40x5"),
        ([[0.5]], "expected a tensor or an array"),
    ],
)
def test_what_cannot_be_restored(restorer, y, message):
    with pytest.raises(InputError, match=message):
        restorer(y)


def test_missing_kernel_and_unknown_prior(folder, smoother):
    with pytest.raises(MissingFileError, match=r"none\.npy"):
        pipelines.load("p.yaml", {"kernel.file": "none.npy"})
    with pytest.raises(UnknownNameError, match="unknown prior 'generic'"):
        pipelines.load("p.yaml", {"prior.name": "generic"})
    with pytest.raises(MissingFileError, match=r"^kernel\.file: no such file"):
        pipelines.load("p.yaml", {"kernel.file": "none.npy"})
    with pytest.raises(UnknownNameError, match=r"^prior\.name: unknown prior"):
        pipelines.load("p.yaml", {"prior.name": "generic"})
    with pytest.raises(InputError, match="device nonsense"):
        pipelines.load("p.yaml", device="nonsense")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("inpainting", "mask.file"),
        ("denoising", "noise.map"),
        ("denoising", "prior.weights"),
        ("super_resolution", "kernel.file"),
        ("super_resolution", "prior.name"),
    ],
)
def test_what_is_missing_is_named_with_its_key(tmp_path, name, key):
    with pytest.raises(PnpPriorsError, match=f"^{key}: .*none") as caught:
        pipelines.load(name, {key: str(tmp_path / "none.npy")})
    assert str(caught.value).count(key) == 1


def test_a_colour_prior_sees_all_channels_of_a_colour_photo(folder, photo):
    restorer = pipelines.load(folder / "p.yaml", {"prior.name": "genericdp-color"})
    seen = []
    restorer.prior.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    restorer(photo)
    assert set(seen) == {3}
    with pytest.raises(InputError, match="for 3 channels, the image has 1"):
        restorer(photo[0])


def test_a_prior_for_jpeg_is_refused(folder):
    with pytest.raises(InputError, match=r"prior\.name: trd-jpeg-q10 is trained for jpeg"):
        pipelines.load(folder / "p.yaml", {"prior.name": "trd-jpeg-q10"})
