"""Denoising by both engines: the same pixels, the same words, the same files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow

from pnp_priors import images
from pnp_priors.errors import InputError
from pnp_priors.monitoring.traces import collected

#: of two float32 computations of a convolutional prior, image in [0, 1]
TOLERANCE = 2e-6


@pytest.mark.parametrize(
    ("overrides", "channels"),
    [
        ({"prior.name": "ffdnet-gray"}, 1),
        ({"prior.name": "ffdnet-gray"}, 3),
        ({"prior.name": "ffdnet-gray", "noise.sigma": "20/255", "tiles": 96}, 3),
        ({"prior.name": "ffdnet-gray", "noise.sigma": "100/255", "strength": 0.7}, 1),
        ({"prior.name": "ffdnet-color"}, 3),
        ({"prior.name": "ffdnet-color", "noise.sigma": "20/255"}, 1),
        ({"prior.name": "dncnn-3", "tiles": 96}, 1),
    ],
)
def test_pixels_and_words_are_torchs(engines, noisy, overrides, channels):
    in_torch, in_graph = engines("denoising", overrides)
    image = images.Image(
        noisy(150, 131, channels) if "tiles" in overrides else noisy(channels=channels)
    )
    (expected, how), (found, words) = (one.restore_image(image) for one in (in_torch, in_graph))
    assert words == how
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=TOLERANCE, rtol=0)
    assert np.abs(found.pixels - image.pixels).max() > 0.05


def test_a_map_and_its_tiles(engines, noisy, tmp_path):
    """Its peak lies above the trained range, where the whole image is rescaled by it."""
    levels = np.linspace(0.02, 0.2, 140 * 99, dtype=np.float32).reshape(140, 99)
    levels[0, 0] = 0.5
    np.save(tmp_path / "map.npy", levels)
    given = {"prior.name": "ffdnet-gray", "noise.map": str(tmp_path / "map.npy")}
    in_torch, in_graph = engines("denoising", given)
    photo = noisy(140, 99, 3)
    expected = in_torch(photo)
    np.testing.assert_allclose(in_graph(photo), expected, atol=TOLERANCE, rtol=0)
    _, tiled = engines("denoising", given | {"tiles": 97})
    np.testing.assert_allclose(tiled(photo), expected, atol=TOLERANCE, rtol=0)
    with pytest.raises(InputError, match="75x60"):
        in_graph(noisy())


def test_noise_of_photons(engines, noisy):
    given = {"noise.model": "poisson-gaussian", "noise.gain": 0.01, "noise.sigma": 0.02}
    in_torch, in_graph = engines("denoising", given | {"prior.name": "ffdnet-gray"})
    photo = noisy(channels=1)
    expected = in_torch(photo)
    # The inverse transform divides by the image's slope there, in torch in float32.
    np.testing.assert_allclose(in_graph(photo), expected, atol=2e-5, rtol=0)


def test_a_batch_is_restored_as_its_photos(engines, noisy):
    in_torch, in_graph = engines("denoising", {"prior.name": "ffdnet-gray"})
    photos = np.stack([noisy(), noisy(sigma=5 / 255)])
    np.testing.assert_allclose(in_graph(photos), in_torch(photos), atol=TOLERANCE, rtol=0)
    batch = [images.Image(photo) for photo in photos]
    with collected() as runs:
        pairs = in_graph.restore_images(batch, [None, None])
    assert runs == []
    for (found, _), photo in zip(pairs, photos, strict=True):
        np.testing.assert_allclose(found.pixels, in_graph(photo), atol=TOLERANCE, rtol=0)


def test_both_refuse_values_in_other_units(engines, noisy):
    for restorer in engines("denoising", {"prior.name": "ffdnet-gray"}):
        with pytest.raises(InputError, match=r"in \[0, 1\], .* looks like 0..255 .* divide by 255"):
            restorer(255 * noisy().clip(0, 1))


def write_photos(folder, noisy):
    """Both depths, float, opacity, orientation, a colour profile, a stack of pages."""
    photo = noisy().clip(0, 1)
    opaque = np.arange(photo[0].size, dtype=np.uint16).reshape(photo.shape[1:])
    deep = images.Image(photo, "uint16", alpha=opaque)
    images.write(folder / "deep.tif", deep)
    images.write(folder / "gray.png", images.Image(photo[:1], "uint8"))
    images.write(folder / "sub" / "float.tif", images.Image(noisy(), "float32"))
    images.write_pages(folder / "stack.tif", [replace(deep, alpha=None)] * 2)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    eight = images.to_stored(photo, "uint8").transpose(1, 2, 0)
    Pillow.fromarray(eight).save(folder / "turned.jpg", quality=95, exif=exif, dpi=(300, 300))


def test_the_same_files_come_out(command, graphs, noisy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "in", noisy)
    settings = {"task": "denoising", "prior": {"name": "ffdnet-gray"}, "noise": {"sigma": 0.08}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
    run = ("run", "p.yaml", "in", "--report")
    code, out, _ = command(*run, "-o", "torch")
    assert code == 0
    folder = graphs("denoising")
    graph = ("--engine", "onnxruntime", "--graphs", folder)
    code, said, _ = command(*run, "-o", "onnx", *graph)
    assert code == 0
    first, *rest = said.splitlines()
    assert first == f"graph {folder / 'ffdnet-gray-level.onnx'}, float32, on cpu"
    assert "\n".join(rest).replace("onnx/", "torch/") == out.strip()

    written, same = (
        sorted(path.relative_to(tmp_path / e) for path in (tmp_path / e).rglob("*.*"))
        for e in ("torch", "onnx")
    )
    assert written == same
    restored = [path for path in written if ".report." not in path.name]
    assert len(restored) == 5
    for path in restored:
        pages = zip(
            *(images.read_pages(tmp_path / e / path) for e in ("torch", "onnx")), strict=True
        )
        for one, other in pages:
            assert (one.dtype, one.metadata, one.white) == (
                other.dtype,
                other.metadata,
                other.white,
            )
            np.testing.assert_array_equal(one.alpha, other.alpha)
            # A difference of a millionth may round to the next level.
            level = {"uint8": 1.01 / 255, "uint16": 1.01 / 65535, "float32": TOLERANCE}[one.dtype]
            level = 3 / 255 if path.suffix == ".jpg" else level
            np.testing.assert_allclose(other.pixels, one.pixels, atol=level, rtol=0)

    report = json.loads((tmp_path / "onnx" / "gray.png.report.json").read_text())
    same = json.loads((tmp_path / "torch" / "gray.png.report.json").read_text())
    assert report.pop("engine") == {
        "name": "onnxruntime",
        "provider": "cpu",
        "graph": str(folder / "ffdnet-gray-level.onnx"),
        "precision": "float32",
    }
    assert same.pop("engine") == {"name": "torch", "device": "cpu"}
    assert (report["noise"], report["pipeline"]) == (same["noise"], same["pipeline"])
    assert report["residual"]["std"] == pytest.approx(same["residual"]["std"], rel=1e-5)

    # What is done is skipped, and nothing is opened for it.
    code, said, _ = command(*run, "-o", "onnx", "--engine", "onnxruntime", "--graphs", "none")
    assert code == 0
    assert "0 restored, 5 skipped" in said
