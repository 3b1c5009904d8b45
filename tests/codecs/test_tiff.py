"""TIFF stacks keep their axes and scale; what would be read wrongly is refused."""

import numpy as np
import pytest
import tifffile

from pnp_priors import images
from pnp_priors.errors import InputError

STACK = np.random.default_rng(0).integers(0, 4096, (2, 3, 9, 7)).astype(np.uint16)


def copied(tmp_path):
    pages = images.read_pages(tmp_path / "a.tif")
    images.write_pages(tmp_path / "b.tif", pages)
    return pages


def test_an_imagej_stack_stays_one(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(5.0, 5.0),
        metadata={"axes": "TZYX", "spacing": 0.3, "unit": "um"},
    )
    pages = copied(tmp_path)
    assert len(pages) == 6
    np.testing.assert_array_equal(images.to_stored(pages[4].pixels, "uint16")[0], STACK[1, 1])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "TZYX"
        assert file.imagej_metadata["spacing"] == 0.3
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages.first.tags["XResolution"].value == (5, 1)
        np.testing.assert_array_equal(file.asarray(), STACK)


def test_an_ome_stack_stays_one(tmp_path):
    metadata = {"axes": "TZYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, ome=True, metadata=metadata)
    copied(tmp_path)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_ome
        assert 'PhysicalSizeX="0.2"' in file.ome_metadata
        assert file.series[0].axes == "TZYX"
        np.testing.assert_array_equal(file.asarray(), STACK)


@pytest.mark.parametrize("colours", [False, True])
def test_a_plain_stack_keeps_its_shape(tmp_path, colours):
    stack = np.stack([STACK] * 3, axis=-1) if colours else STACK
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb" if colours else "minisblack")
    pages = copied(tmp_path)
    assert pages[0].pixels.shape == ((3 if colours else 1), 9, 7)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), stack)


def test_pages_of_other_programs(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in STACK[0]:
            file.write(page, photometric="minisblack", contiguous=False, metadata=None)
    assert len(copied(tmp_path)) == 3
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert len(file.pages) == 3
        np.testing.assert_array_equal(file.asarray(), STACK[0])


def test_read_wants_one_page_and_a_png_holds_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    with pytest.raises(InputError, match=r"a\.tif: it has 6 pages, expected one"):
        images.read(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"b\.png: 6 pages need a TIFF file"):
        images.write_pages(tmp_path / "b.png", images.read_pages(tmp_path / "a.tif"))


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for size in (8, 9):
            file.write(np.zeros((size, size), np.uint8), metadata=None)
    with pytest.raises(InputError, match=r"a\.tif: it has 2 images of different"):
        images.read_pages(tmp_path / "a.tif")


@pytest.mark.parametrize("colours", ["separated", "cielab"])
def test_colours_that_are_not_rgb_are_refused(tmp_path, colours):
    channels = 4 if colours == "separated" else 3
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, channels), np.uint8), photometric=colours)
    with pytest.raises(InputError, match=rf"a\.tif: colours of kind {colours}; convert"):
        images.read(tmp_path / "a.tif")


def test_files_in_which_0_is_white(tmp_path):
    dark = np.random.default_rng(1).random((9, 7)) < 0.5
    tifffile.imwrite(tmp_path / "bit.tif", dark, photometric="miniswhite")
    np.testing.assert_array_equal(images.read(tmp_path / "bit.tif").pixels[0], ~dark)
    tifffile.imwrite(tmp_path / "byte.tif", np.uint8([[0, 255, 1]]), photometric="miniswhite")
    read = images.read(tmp_path / "byte.tif").pixels[0]
    np.testing.assert_array_equal(images.to_stored(read, "uint8"), [[255, 0, 254]])
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((3, 3), np.float32), photometric="miniswhite")
    with pytest.raises(InputError, match=r"float\.tif: pixels of type float32 of which 0 is white"):
        images.read(tmp_path / "float.tif")


def test_the_place_on_the_map_and_the_kind_of_fourth_channel_stay(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    keys = (1, 1, 0, 1, 1024, 0, 1, 1)
    tags = [
        (33550, 12, 3, (0.5, 0.5, 0.0), True),
        (34735, 3, len(keys), keys, True),
        (42113, 2, 0, "-9999", True),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"], extratags=tags
    )
    copied(tmp_path)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages.first
        assert page.tags[33550].value == (0.5, 0.5, 0.0)
        assert page.tags[34735].value == keys
        assert page.tags[42113].value == "-9999"
        assert [int(kind) for kind in page.extrasamples] == [1]
        np.testing.assert_array_equal(page.asarray(), pixels)
