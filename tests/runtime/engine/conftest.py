"""Both engines for the same settings, and folders of exported graphs."""

import shutil

import numpy as np
import pytest

from pnp_priors.pipelines import build, files
from pnp_priors.runtime.engine import build as engine
from pnp_priors.runtime.engine.graphs import Graphs

#: of a restoration's graph: few iterations, so that it is quick
_OURS = ({"prior.name": "ffdnet-gray", "solver.iterations": 3},)
#: by pipeline, what its tests need: what the fixture `exported` takes
_NEEDED = {
    "denoising": [
        ("ffdnet-gray", None, "level"),
        ("ffdnet-gray", None, "map"),
        ("ffdnet-color", None, "level"),
        ("dncnn-3", None, None),
    ],
    "deconvolution": [("deconvolution", *_OURS, None)],
    "super_resolution": [("super_resolution", *_OURS, None)],
    "jpeg_deblocking": [
        ("jpeg_deblocking", *_OURS, None),
        ("jpeg_deblocking", {**_OURS[0], "subsampling": "4:4:4"}, None),
        ("dncnn-3", None, None),
    ],
}


@pytest.fixture(scope="session")
def graphs(tmp_path_factory, exported):
    """``graphs("denoising")``: the folder of graphs of that pipeline's tests."""
    folders = {}

    def folder(pipeline):
        if pipeline not in folders:
            made = tmp_path_factory.mktemp("graphs")
            for name, overrides, sigma in _NEEDED[pipeline]:
                options = {} if sigma is None else {"sigma": sigma}
                path = exported(name, overrides, **options)
                subsampling = (overrides or {}).get("subsampling", "").replace(":", "")
                shutil.copy(path, made / f"{name}-{sigma}{subsampling}.onnx")
            folders[pipeline] = made
        return folders[pipeline]

    return folder


@pytest.fixture
def engines(graphs):
    """``engines("denoising", {…})``: torch's restorer and ONNX Runtime's."""

    def load(name, overrides=None):
        pipeline = files.read(files.find(name), overrides)
        return build.build(pipeline), engine.build(pipeline, Graphs(graphs(name), threads=1))

    return load


@pytest.fixture
def noisy():
    """``noisy(height, width, channels)``: a photo of noise level 20/255, float32 [C, H, W]."""

    def draw(height=60, width=75, channels=3, sigma=20 / 255):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:height, :width] / 60
        scene = [0.4 + 0.3 * np.sin(5 * x + c) * np.cos(4 * y) for c in range(channels)]
        return (np.stack(scene) + sigma * rng.normal(size=(channels, height, width))).astype("f4")

    return draw
