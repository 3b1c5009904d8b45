"""A clean part of the bundled photo."""

import numpy as np
import pytest

from pnp_priors import images
from pnp_priors.pipelines.files import folder as shipped


@pytest.fixture(scope="session")
def scene():
    """``[3, 96, 104]``, edges and a gradient."""
    pixels = images.read(shipped() / "examples" / "photo.png").pixels[:, 60:156, 70:174]
    return np.ascontiguousarray(pixels)


@pytest.fixture
def psnr(scene):
    def measure(x, truth=scene):
        return -10 * np.log10(np.square(np.asarray(x) - truth).mean())

    return measure
