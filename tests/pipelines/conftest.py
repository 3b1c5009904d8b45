"""A prior that needs no weights, under the name of the default one, and small files to restore."""

import numpy as np
import pytest
import torch
import yaml
from scipy.signal import fftconvolve

from pnp_priors import images, registry
from pnp_priors.priors.base import Prior


class Smoother(Prior):
    """Pulls towards the mean of 3×3 neighbours, the more the higher sigma."""

    def __init__(self):
        super().__init__(channels=1, sigma_range=(0.0, 0.3))
        self.weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    receptive_field = 3

    def _denoise(self, x, sigma):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        smooth = torch.nn.functional.avg_pool2d(padded, 3, stride=1)
        return x + self.weight * (10 * sigma).clamp(max=1) * (smooth - x)


@pytest.fixture
def smoother(monkeypatch):
    """Every released prior is the smoother; unknown names stay unknown."""
    load = Smoother()

    def fake(name, device=None, dtype=None, weights=None):
        if name not in {"genericdp", "ffdnet-gray"}:
            raise registry.UnknownNameError("prior", name, ["ffdnet-gray", "genericdp"])
        return load

    monkeypatch.setattr(registry, "load", fake)
    return load


@pytest.fixture
def kernel():
    values = np.zeros((5, 5), np.float32)
    values[range(5), range(5)] = [1, 2, 3, 2, 1]
    return values / values.sum()


@pytest.fixture
def photo(kernel):
    """A colour photo ``[3, 48, 52]``, blurred as by a camera, with a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:52, :56] / 52
    scene = np.stack([0.2 + 0.5 * x, 0.7 - 0.4 * y, 0.5 + 0.3 * np.sin(9 * x + 5 * y)])
    blurred = fftconvolve(scene, kernel[None], mode="valid", axes=(1, 2))
    return (blurred + 0.02 * rng.normal(size=blurred.shape)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, kernel, photo, monkeypatch):
    """The current folder: kernel, pipeline, and a tree of photos of both depths."""
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "kernel.npy", kernel)
    content = {
        "task": "deconvolution",
        "kernel": {"file": "kernel.npy"},
        "noise": {"sigma": 0.02},
        "solver": {"iterations": 2},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    images.write(tmp_path / "in" / "a.png", images.Image(photo, "uint8"))
    images.write(tmp_path / "in" / "deep" / "b.tif", images.Image(photo[:1], "uint16"))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path
