"""Images survive reading and writing at their bit depth; what cannot be used is refused."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from pnp_priors import images
from pnp_priors.errors import InputError, MissingFileError


def pattern(dtype, channels=3, size=(9, 7)):
    shape = size if channels == 1 else (*size, channels)
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, endpoint=True)
    return values.astype(dtype)


def stored(path):
    """The file's values as an independent reader sees them, [H, W] or [H, W, channels]."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    import imagecodecs

    return imagecodecs.imread(path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_integer_files_come_back_exactly(tmp_path, suffix, dtype, channels):
    values = pattern(dtype, channels)
    colours = 1 if channels <= 2 else 3
    planes = np.atleast_3d(values).transpose(2, 0, 1)
    alpha = planes[colours] if channels > colours else None
    path = tmp_path / f"a{suffix}"
    images.write(path, images.Image(planes[:colours] / np.iinfo(dtype).max, dtype, alpha))
    np.testing.assert_array_equal(stored(path), values)

    image = images.read(path)
    assert image.pixels.dtype == np.float32
    assert image.pixels.shape == (colours, 9, 7)
    assert image.dtype == dtype
    assert (image.alpha is None) == (alpha is None)
    copy = tmp_path / f"b{suffix}"
    images.write(copy, image)
    np.testing.assert_array_equal(stored(copy), values)


def test_every_16_bit_level_survives(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    images.write(tmp_path / "a.png", images.Image(images.to_unit(ramp)[None], "uint16"))
    back = images.read(tmp_path / "a.png")
    np.testing.assert_array_equal(images.to_stored(back.pixels, "uint16")[0], ramp)


def test_float_tiff_is_neither_clipped_nor_rounded(tmp_path):
    values = np.random.default_rng(0).normal(0.5, 0.3, (3, 8, 8)).astype(np.float32)
    images.write(tmp_path / "a.tif", images.Image(values, "float32"))
    back = images.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.pixels, values)
    assert back.dtype == "float32"


def test_float_in_other_units_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8), 200, np.float32))
    with pytest.raises(InputError, match=r"a\.tif: float images are in \[0, 1\]"):
        images.read(tmp_path / "a.tif")


def test_compressed_and_planar_tiff(tmp_path):
    values = pattern("uint16")
    tifffile.imwrite(tmp_path / "lzw.tif", values, compression="lzw", photometric="rgb")
    planar = {"planarconfig": "separate", "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "planar.tif", values.transpose(2, 0, 1), **planar)
    for name in ("lzw.tif", "planar.tif"):
        read = images.read(tmp_path / name).pixels
        np.testing.assert_allclose(read, values.transpose(2, 0, 1) / 65535, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.bmp", "a.webp", "a.jpg"])
def test_eight_bit_formats(tmp_path, name):
    smooth = np.linspace(0.1, 0.9, 3 * 32 * 32, dtype=np.float32).reshape(3, 32, 32)
    images.write(tmp_path / name, images.Image(smooth, "uint16"))
    back = images.read(tmp_path / name)
    assert back.dtype == "uint8"
    tolerance = 4 / 255 if name == "a.jpg" else 0.51 / 255
    np.testing.assert_allclose(back.pixels, smooth, atol=tolerance)


def test_palette_and_one_bit_files(tmp_path):
    colours = Pillow.fromarray(np.kron([[0, 200], [90, 255]], np.ones((4, 4))).astype(np.uint8))
    colours.convert("RGB").convert("P", palette=Pillow.Palette.ADAPTIVE).save(tmp_path / "p.png")
    assert images.read(tmp_path / "p.png").pixels.shape == (3, 8, 8)
    colours.convert("1").save(tmp_path / "bit.png")
    assert set(np.unique(images.read(tmp_path / "bit.png").pixels)) <= {0.0, 1.0}


def test_exif_and_profile_are_carried_along(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    picture = Pillow.fromarray(pattern("uint8"))
    picture.save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile")
    image = images.read(tmp_path / "a.jpg")
    assert image.pixels.shape == (3, 9, 7), "stored order, not turned"
    images.write(tmp_path / "b.jpg", image)
    with Pillow.open(tmp_path / "b.jpg") as file:
        assert file.getexif()[0x0112] == 6
        assert file.info["icc_profile"] == b"profile"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_refused_on_the_way_in_and_out(tmp_path, bad):
    values = np.full((8, 8), 0.5, np.float32)
    values[2, 3] = bad
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(InputError, match=r"a\.tif: 1 of its values are NaN or infinite"):
        images.read(tmp_path / "a.tif")
    with pytest.raises(InputError, match="NaN or infinite"):
        images.write(tmp_path / "b.png", images.Image(values[None]))
    assert not (tmp_path / "b.png").exists()


def test_missing_unknown_and_damaged_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"no such file: .*none\.png"):
        images.read(tmp_path / "none.png")
    with pytest.raises(InputError, match="not an image that can be read"):
        images.read(tmp_path / "a.txt")
    for name in ("a.png", "a.tif", "a.jpg"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x10" * 40)
        with pytest.raises(InputError, match=rf"{name}: damaged or not readable") as caught:
            images.read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_several_pages_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 32, 32), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="3 pages"):
        images.read(tmp_path / "a.tif")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("before")

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        images.whole(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_with_pixels_refuses_another_size():
    with pytest.raises(InputError, match="expected"):
        images.Image(np.zeros((1, 4, 4))).with_pixels(np.zeros((1, 4, 5)))
