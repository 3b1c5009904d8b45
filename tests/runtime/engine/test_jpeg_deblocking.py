"""JPEG deblocking by both engines: the same pixels and words."""

import sys

import numpy as np
import pytest
from PIL import Image as Pillow

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.runtime.engine import graphs as folders

#: the goal in float32, image in [0, 1]
TOLERANCE = 4e-6
OURS = {"prior.name": "ffdnet-gray", "solver.iterations": 3}


@pytest.fixture
def jpeg(tmp_path, noisy):
    """``jpeg(channels, size, **options)``: a file, with values that were clipped."""

    def save(channels=3, size=(48, 64), **options):
        pixels = (1.4 * noisy(*size, channels, sigma=0.02) - 0.2).clip(0, 1)
        stored = images.to_stored(pixels, "uint8").transpose(1, 2, 0).squeeze()
        Pillow.fromarray(stored).save(tmp_path / "x.jpg", quality=20, **options)
        return tmp_path / "x.jpg"

    return save


@pytest.mark.parametrize(
    ("settings", "channels", "tolerance"),
    [
        (OURS, 3, TOLERANCE),
        (OURS, 1, TOLERANCE),
        (OURS | {"quality": 20}, 3, TOLERANCE),
        ({"prior.name": "dncnn-3"}, 3, 2e-6),
        ({"prior.name": "dncnn-3", "strength": 0.5, "tiles": 46}, 1, 2e-6),
    ],
)
def test_pixels_and_words_are_torchs(engines, jpeg, settings, channels, tolerance):
    path = jpeg(channels)
    in_torch, in_graph = engines("jpeg_deblocking", settings)
    (expected, how), (found, words) = (one.restore_file(path) for one in (in_torch, in_graph))
    assert words.words == how.words
    assert words.notes == how.notes
    assert (words.noise is None) == (how.noise is None)
    assert found.pixels.shape == expected.pixels.shape
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=tolerance, rtol=0)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("size", [(47, 61), (40, 24), (49, 50), (3, 70)])
@pytest.mark.parametrize("kind", ["gray", "4:4:4", "4:2:0"])
def test_blocks_that_the_border_cuts(engines, jpeg, monkeypatch, kind, size, exact):
    """Their hidden part is in the file, too, and both restore it; also where it must be guessed."""
    if exact:
        pytest.importorskip("jpeglib")
    else:
        monkeypatch.setitem(sys.modules, "jpeglib", None)
    path = jpeg(1, size) if kind == "gray" else jpeg(3, size, subsampling=kind)
    settings = OURS if kind == "gray" else OURS | {"subsampling": kind}
    in_torch, in_graph = engines("jpeg_deblocking", settings)
    (expected, how), (found, words) = (one.restore_file(path) for one in (in_torch, in_graph))
    assert words.words == how.words
    assert found.pixels.shape == expected.pixels.shape
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=TOLERANCE, rtol=0)


def test_other_subsampling_asks_for_another_graph(engines, jpeg, monkeypatch):
    _, in_graph = engines("jpeg_deblocking", OURS)
    monkeypatch.setattr(folders, "installed", lambda *packages: False)
    with pytest.raises(MissingFileError, match="--set subsampling=4:2:2"):
        in_graph.restore_file(jpeg(subsampling="4:2:2"))


def test_what_is_no_jpeg_file(engines, noisy, tmp_path):
    _, in_graph = engines("jpeg_deblocking", OURS)
    images.write(tmp_path / "x.png", images.Image(noisy().clip(0, 1)))
    with pytest.raises(InputError, match="not a JPEG file, so that nothing says"):
        in_graph.restore_file(tmp_path / "x.png")
