"""Images survive reading and writing at their bit depth; what cannot be used is refused."""

import errno
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from pnp_priors import images
from pnp_priors.errors import ConfigError, InputError, MissingFileError


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
    with pytest.raises(InputError, match=r"a\.tif: float images are in \[0, 1\].*scale: NUMBER"):
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


def test_missing_and_unknown_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"no such file: .*none\.png"):
        images.read(tmp_path / "none.png")
    with pytest.raises(InputError, match="not an image that can be read"):
        images.read(tmp_path / "a.txt")
    (tmp_path / "x.png").mkdir()
    with pytest.raises(MissingFileError, match=r"no such file: .*x\.png"):
        images.read(tmp_path / "x.png")


def encoded(name):
    """A sound file of that kind; noise, so that no part of it says little."""
    values = pattern("uint16" if name == "sixteen.png" else "uint8", 3, (40, 50))
    if name == "sixteen.png":
        import imagecodecs

        return imagecodecs.png_encode(values)
    file = BytesIO()
    if name == "a.tif":
        tifffile.imwrite(file, values, photometric="rgb", compression="zlib")
    else:
        Pillow.fromarray(values).save(file, Pillow.registered_extensions()[Path(name).suffix])
    return file.getvalue()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.png", "sixteen.png", "a.jpg", "a.webp", "a.bmp", "a.tif"])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, name, share, caplog):
    content = encoded(name)
    path = tmp_path / name
    path.write_bytes(content)
    assert images.read(path).pixels.shape == (3, 40, 50)
    path.write_bytes(content[: max(12, int(share * len(content)))])
    with pytest.raises(InputError, match=rf"{name}: ") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello, this is text", "not an image: its content is none of PNG, JPEG, TIFF, BMP"),
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\x10" * 40, "damaged or not readable as an image"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"])
def test_what_is_no_image_whatever_its_name(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: {reason}") as caught:
        images.read(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "<" not in str(caught.value), "a Python object's repr"


@pytest.mark.parametrize("depth", [8, 16])
def test_an_image_without_pixels_is_refused_and_one_pixel_is_an_image(tmp_path, depth):
    header = struct.pack(">IIBBBBB", 0, 0, depth, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")))
    with pytest.raises(InputError, match=r"a\.png: the image is 0x0 pixels"):
        images.read(tmp_path / "a.png")
    one = images.Image(np.full((3, 1, 1), 0.2, np.float32), f"uint{depth}")
    for name in ("b.png", "b.tif", "b.jpg", "b.webp"):
        images.write(tmp_path / name, one)
        back = images.read(tmp_path / name).pixels
        assert back.shape == (3, 1, 1)
        np.testing.assert_allclose(back, 0.2, atol=2 / 255)


def png(*chunks):
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts += [struct.pack(">I", len(data)), kind, data]
        parts.append(struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


@pytest.mark.parametrize("depth", [1, 16])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, depth):
    """A 2-gigapixel image in a few bytes; reading it would take longer than this test may."""
    header = struct.pack(">IIBBBBB", 50_000, 40_000, depth, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 10_000)
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))
    message = r"a\.png: 50000x40000 is 2,000 megapixels, more than the 500 .*PNP_PRIORS_MAX_PIXELS"
    with pytest.raises(InputError, match=message):
        images.read(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"])
def test_the_limit_is_set_by_the_environment(tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(encoded(name))
    monkeypatch.setenv("PNP_PRIORS_MAX_PIXELS", "1999")
    with pytest.raises(InputError, match=rf"{name}: 50x40 is .*set PNP_PRIORS_MAX_PIXELS=2000 "):
        images.read(tmp_path / name)
    monkeypatch.setenv("PNP_PRIORS_MAX_PIXELS", "2000")
    assert images.read(tmp_path / name).pixels.shape == (3, 40, 50)
    monkeypatch.setenv("PNP_PRIORS_MAX_PIXELS", "many")
    with pytest.raises(ConfigError, match="PNP_PRIORS_MAX_PIXELS=many: expected a number"):
        images.read(tmp_path / name)


def test_a_photo_larger_than_pillows_own_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 500)
    for name in ("a.png", "a.jpg", "a.bmp"):
        (tmp_path / name).write_bytes(encoded(name))
        assert images.read(tmp_path / name).pixels.shape == (3, 40, 50)


def test_scale_says_which_value_is_white_and_values_come_back(tmp_path):
    values = pattern("uint16", 1, (20, 20)) % 4000
    tifffile.imwrite(tmp_path / "a.tif", values)
    for scale, white in (("type", 65535), ("max", values.max()), (4095, 4095.0)):
        image = images.read(tmp_path / "a.tif", scale)
        np.testing.assert_allclose(image.pixels[0], values / white, rtol=1e-6)
        images.write(tmp_path / "b.tif", image)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), values)
    # Brighter than white is no reason to clip where the file has room.
    images.write(tmp_path / "b.tif", image.with_pixels(np.full((1, 4, 4), 1.5, np.float32)))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), np.rint(1.5 * 4095))


def test_float_counts_are_scaled_and_come_back_as_counts(tmp_path):
    values = np.random.default_rng(0).uniform(-20, 5000, (20, 20)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    for scale in ("max", 4096):
        image = images.read(tmp_path / "a.tif", scale)
        assert image.pixels.max() < 1.3
        images.write(tmp_path / "b.tif", image)
        np.testing.assert_allclose(tifffile.imread(tmp_path / "b.tif"), values, rtol=1e-6)
    with pytest.raises(InputError, match=r"a\.tif: values in .* do not fit scale: 255"):
        images.read(tmp_path / "a.tif", 255)
    with pytest.raises(InputError, match="scale: expected type, max or a number above 0"):
        images.read(tmp_path / "a.tif", 0)


def test_opacity_follows_another_size(tmp_path):
    alpha = np.zeros((8, 6), np.uint16)
    alpha[:, 3:] = 65535
    image = images.Image(np.zeros((3, 8, 6), np.float32), "uint16", alpha)
    larger = image.with_pixels(np.zeros((3, 16, 12), np.float32))
    assert larger.alpha.dtype == np.uint16
    assert larger.alpha.shape == (16, 12)
    assert larger.alpha[:, :4].max() < 2000
    assert larger.alpha[:, -4:].min() > 63000
    assert image.with_pixels(image.pixels).alpha is alpha


def test_an_image_that_a_kind_of_file_cannot_hold(tmp_path):
    wide = images.Image(np.zeros((1, 1, 17_000), np.float32))
    with pytest.raises(InputError, match=r"a\.webp: cannot be written"):
        images.write(tmp_path / "a.webp", wide)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_of_the_system(tmp_path, monkeypatch):
    def full(path, stored):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images.codecs, "encode", full)
    with pytest.raises(OSError, match="No space left"):
        images.write(tmp_path / "a.png", images.Image(np.zeros((1, 4, 4), np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_as_good_as_a_path(tmp_path) -> None:
    path = tmp_path / "photo.png"
    Pillow.fromarray(np.full((2, 3), 51, np.uint8)).save(path)
    np.testing.assert_allclose(images.read(str(path)).pixels, 0.2)
    assert images.is_image(str(path))
    copy = tmp_path / "copy.png"
    images.write(str(copy), images.read(path))
    images.write_pages(str(copy.with_suffix(".tif")), [images.read(str(copy))] * 2)
    np.testing.assert_array_equal(stored(copy), 51)
    np.testing.assert_array_equal(stored(copy.with_suffix(".tif")), 51)
