"""Deconvolution by both engines: the same pixels and words, whole and in tiles."""

import json

import numpy as np
import pytest
import yaml
from scipy.signal import fftconvolve

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.pipelines import build, files
from pnp_priors.runtime.engine import build as engine
from pnp_priors.runtime.engine import graphs as folders

#: the goal of HQS in float32, image in [0, 1]
TOLERANCE = 3e-5
OURS = {"prior.name": "ffdnet-gray", "solver.iterations": 3}


@pytest.fixture
def blurred(tmp_path, noisy):
    """A photo [3, 90, 84], blurred as in a camera by a stroke, and the settings that say so."""
    kernel = np.zeros((5, 7), np.float32)
    kernel[2, 1:6], kernel[3, 4:6] = 1, 2
    np.save(tmp_path / "kernel.npy", 3 * kernel)
    sharp = noisy(94, 90, 3, sigma=0)
    photo = fftconvolve(sharp, kernel[None] / kernel.sum(), mode="valid", axes=(1, 2))
    photo = photo + 0.01 * np.random.default_rng(1).normal(size=photo.shape)
    return photo.astype(np.float32), OURS | {"kernel.file": str(tmp_path / "kernel.npy")}


@pytest.mark.parametrize("changes", [{}, {"noise.sigma": 0.01}])
def test_pixels_and_words_are_torchs(engines, blurred, changes):
    photo, settings = blurred
    in_torch, in_graph = engines("deconvolution", settings | changes)
    for channels in (3, 1):
        image = images.Image(photo[:channels])
        (expected, how), (found, words) = (e.restore_image(image) for e in (in_torch, in_graph))
        assert words == how
        np.testing.assert_allclose(found.pixels, expected.pixels, atol=TOLERANCE, rtol=0)
        assert np.abs(found.pixels - image.pixels).max() > 0.01
    whole = (slice(0, 90), slice(0, 84))
    prediction, same = (e.predict(expected.pixels, whole) for e in (in_torch, in_graph))
    np.testing.assert_array_equal(prediction.values, same.values)
    np.testing.assert_array_equal(in_torch.kernel_as_given, in_graph.kernel_as_given)
    assert in_graph.engine["graph"].endswith("deconvolution-None.onnx")


def test_tiles_are_torchs(engines, blurred):
    photo, settings = blurred
    photo = np.tile(photo, (1, 2, 2))[:, :150, :160]
    in_torch, in_graph = engines("deconvolution", settings | {"tiles": 110, "noise.sigma": 0.01})
    steps = []
    found = in_graph(photo, progress=lambda *step: steps.append(step))
    np.testing.assert_allclose(found, in_torch(photo), atol=TOLERANCE, rtol=0)
    assert steps[-1] == (len(steps), len(steps))
    assert len(steps) > 1


@pytest.mark.parametrize(
    "changes",
    [{"solver.iterations": 4}, {"boundary": "taper"}, {"color": "per-channel"}, {"strength": 0.5}],
)
def test_a_graph_of_other_settings_does_not_serve(engines, blurred, changes, monkeypatch):
    monkeypatch.setattr(folders, "installed", lambda *packages: False)
    _, settings = blurred
    with pytest.raises(MissingFileError, match="pnp-priors export deconvolution --set") as caught:
        engines("deconvolution", settings | changes)
    ((key, value),) = changes.items()
    assert f"--set {key}={value}" in str(caught.value)
    assert "--set prior.name=ffdnet-gray" in str(caught.value)


def test_a_preset_of_ones_own_is_in_the_graph(blurred, tmp_path, monkeypatch):
    """And a graph serves every file of the same values, wherever it lies, and no other."""
    photo, settings = blurred
    knot = {"level": 2.55, "noise": 0.01, "psnr": 30.0, "default_psnr": 29.0}
    knot |= {"start": 0.3, "end": 2.0, "weight": 0.7}
    origin = {"data": "d", "images": ["a"], "side": 9, "seed": 0, "evaluations": 3, "date": "today"}
    origin |= {"finished": True, "weights": "0" * 64, "version": "0.1.0", "command": "tune"}
    content = {"task": "deconvolution", "prior": "ffdnet-gray", "solver": "hqs", "iterations": 2}
    content |= {"knots": [knot], "tuned": origin}
    settings = settings | {"solver.iterations": None, "noise.sigma": 0.01}

    def pipeline(name, **changes):
        (tmp_path / name).write_text(yaml.safe_dump(content | changes))
        own = settings | {"solver.preset": str(tmp_path / name)}
        return files.read(files.find("deconvolution"), own)

    graphs = folders.Graphs(tmp_path / "graphs", threads=1)
    first = engine.build(pipeline("p.yaml"), graphs)
    image = images.Image(photo[:1])
    expected, how = build.build(pipeline("p.yaml")).restore_image(image)
    found, words = first.restore_image(image)
    assert words == how
    assert words.words.endswith("; schedule of p.yaml")
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=TOLERANCE, rtol=0)
    assert str(tmp_path) not in json.dumps(first.session.passport.settings)
    monkeypatch.setattr(folders, "installed", lambda *packages: False)
    again = engine.build(pipeline("q.yaml", knots=[knot | {"psnr": 31.0}]), graphs)
    assert again.session.path == first.session.path
    for other in ({"knots": [knot | {"end": 1.5}]}, {"iterations": 3}):
        with pytest.raises(MissingFileError, match=r"export deconvolution .*--set solver.preset="):
            engine.build(pipeline("q.yaml", **other), graphs)


def test_a_photo_smaller_than_the_kernel(engines, blurred):
    _, settings = blurred
    _, in_graph = engines("deconvolution", settings | {"noise.sigma": 0.01})
    with pytest.raises(InputError, match="must be smaller than the image"):
        in_graph(np.zeros((1, 5, 40), np.float32))
