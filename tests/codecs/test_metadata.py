"""What Pillow and tifffile find in a restored file of what was in the original."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from pnp_priors import images

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
TURNED = 6
CAMERA = "pinhole"


def exif():
    block = Pillow.Exif()
    block[0x0112] = TURNED
    block[0x0110] = CAMERA
    block.get_ifd(0x8769)[0x829A] = 0.01  # exposure time
    return block


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(path):
    """A 16-bit PNG with chunks from outside this package."""
    encoded = imagecodecs.png_encode(PIXELS.astype(np.uint16) * 257)
    added = chunk(b"iCCP", b"name\0\0" + zlib.compress(PROFILE))
    added += chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    added += chunk(b"gAMA", struct.pack(">I", 45455))
    added += chunk(b"eXIf", exif().tobytes()[6:])
    added += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    added += chunk(b"tEXt", b"Author\0somebody")
    path.write_bytes(encoded[:33] + added + encoded[33:])


def original(path):
    if path.name == "sixteen.png":
        png16(path)
    elif path.suffix == ".tif":
        tifffile.imwrite(
            path,
            PIXELS,
            photometric="rgb",
            iccprofile=PROFILE,
            resolution=(300, 300),
            resolutionunit=2,
            metadata=None,
            extratags=[(0x0112, 3, 1, TURNED, True), (0x0110, 2, 0, CAMERA, True)],
        )
    else:
        options = {"exif": exif(), "icc_profile": PROFILE, "dpi": (300, 300)}
        if path.suffix != ".png":
            options["xmp"] = XMP
        Pillow.fromarray(PIXELS).save(path, **options)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "sixteen.png", "a.webp", "a.tif"])
def test_orientation_profile_and_resolution_survive(tmp_path, name):
    original(tmp_path / name)
    image = images.read(tmp_path / name)
    assert image.pixels.shape == (3, 9, 7), "stored order, not turned"
    images.write(tmp_path / "out" / name, image)
    with Pillow.open(tmp_path / name) as before, Pillow.open(tmp_path / "out" / name) as after:
        # Before loading: Pillow turns the pixels of a TIFF file then, and forgets the tag.
        assert after.getexif()[0x0112] == TURNED
        before.load()
        after.load()
        assert after.getexif()[0x0110] == CAMERA
        assert after.info["icc_profile"] == PROFILE
        if name != "a.webp":  # which has no place for it
            assert [float(v) for v in after.info["dpi"]] == pytest.approx([300, 300], rel=1e-4)
        if name != "a.tif":
            assert dict(after.getexif().get_ifd(0x8769)) == dict(before.getexif().get_ifd(0x8769))
        if name not in {"a.tif", "a.png"}:
            assert after.info["xmp"] == XMP
        if name == "sixteen.png":
            assert after.info["gamma"] == pytest.approx(0.45455)
            assert after.info["Author"] == "somebody"


@pytest.mark.parametrize("target", ["b.jpg", "b.png", "b.webp", "b.tif"])
@pytest.mark.parametrize("source", ["a.jpg", "sixteen.png", "a.tif"])
def test_another_kind_of_file_takes_orientation_and_profile_too(tmp_path, source, target):
    original(tmp_path / source)
    images.write(tmp_path / target, images.read(tmp_path / source))
    with Pillow.open(tmp_path / target) as file:
        assert file.getexif()[0x0112] == TURNED
        file.load()
        assert file.info["icc_profile"] == PROFILE


def test_a_profile_for_gray_is_not_given_to_colours(tmp_path):
    gray = images.Image(np.zeros((1, 4, 4), np.float32), metadata=images.Metadata(icc=PROFILE))
    assert gray.with_pixels(np.zeros((1, 8, 8), np.float32)).metadata.icc == PROFILE
    assert gray.with_pixels(np.zeros((3, 4, 4), np.float32)).metadata.icc == b""


def test_a_phones_picture_with_a_second_one_inside_is_the_first(tmp_path):
    one, two = Pillow.fromarray(PIXELS), Pillow.fromarray(255 - PIXELS)
    one.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[two], quality=95)
    np.testing.assert_allclose(
        images.read(tmp_path / "a.jpg").pixels.mean(), PIXELS.mean() / 255, atol=0.02
    )
