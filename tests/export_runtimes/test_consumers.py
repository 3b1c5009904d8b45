"""Every consumer prints the same figure, restores the same picture and refuses the same things."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
from PIL import Image

from .conftest import (
    PASSPORT,
    cases,
    smoothed,
    tiny_jpeg,
    tiny_prior,
    tiny_restoration,
    tiny_tables,
    write_reference,
)

FIGURE = re.compile(
    r"largest difference to the stored reference: (\d\.\d)e([+-]\d\d) \(allowed 2e-06\)"
)


def refused(done, *words):
    """Exit code 2, and one line that says why."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def picture(path, mode="RGB", size=(11, 8)):
    random = np.random.default_rng(1)
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.integers(0, 256, (size[1], size[0], bands), np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return pixels


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_figure_of_the_reference(consumer, tiny):
    done = consumer(tiny, "--check")
    assert done.returncode == 0, done.stderr
    found = FIGURE.fullmatch(done.stdout.strip())
    assert found, done.stdout
    assert float(f"{found[1]}e{found[2]}") <= 2e-6


def test_another_result_than_the_stored_one_fails(consumer, tiny):
    tensors = cases()
    tensors["2/restored"][1, 0, 3, 4] += 0.003
    write_reference(tiny, tensors)
    done = consumer(tiny, "--check")
    assert done.returncode == 1
    assert FIGURE.fullmatch(done.stdout.strip())[2] == "-03"


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_picture(consumer, tiny, tmp_path, mode):
    suffix = consumer.suffix if mode == "RGB" else consumer.suffix.replace("ppm", "pgm")
    before, after = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    pixels = picture(before, mode)
    done = consumer(tiny, before, after, "--sigma", "40")
    assert done.returncode == 0, done.stderr
    assert "11 x 8" in done.stdout
    x = pixels.transpose(2, 0, 1)[None] / 255
    wanted = 255 * smoothed(x, np.array([40 / 255]))[0].transpose(1, 2, 0)
    found = pixels_of(after).reshape(pixels.shape)
    assert np.abs(found - wanted).max() <= 0.501  # each channel by itself, rounded to 8 bits


def test_colour_file_and_gray_picture(consumer, tmp_path):
    passport = {**PASSPORT, "channels": "3", "channel_order": "RGB"}
    model = tiny_prior(tmp_path / "colour.onnx", passport)
    suffix = consumer.suffix.replace("ppm", "pgm")
    before, after = tmp_path / f"in{suffix}", tmp_path / f"out{consumer.suffix}"
    picture(before, "L")
    done = consumer(model, before, after, "--sigma", "20")
    assert done.returncode == 0, done.stderr
    assert pixels_of(after).shape == (8, 11, 3)


def test_further_inputs_from_files_of_numbers(consumer, tmp_path):
    model = tiny_restoration(tmp_path / "blur.onnx", {**PASSPORT, "kind": "restoration"})
    before, after = tmp_path / f"in{consumer.suffix}", tmp_path / f"out{consumer.suffix}"
    pixels = picture(before)
    (tmp_path / "kernel.txt").write_text("0.1 0.05 0.1\n0.1 0.05 0.1\n")
    kernel = f"kernel={tmp_path / 'kernel.txt'}"
    done = consumer(
        model, before, after, "--sigma", "25.5", "--with", kernel, "--with", "iterations=2"
    )
    assert done.returncode == 0, done.stderr
    wanted = np.minimum(255, 0.5 * pixels + 25.5 + 255 / 4)
    assert np.abs(pixels_of(after) - wanted).max() <= 0.501
    refused(consumer(model, before, after, "--sigma", "5", "--with", "blur=3"), "blur")
    refused(consumer(model, before, after, "--sigma", "5"), "input", "iterations")


def test_table_is_read_row_by_row_and_is_for_the_luminance(consumer, tmp_path):
    model = tiny_jpeg(tmp_path / "jpeg.onnx", {**PASSPORT, "sigma_range": ""})
    before, after = tmp_path / f"in{consumer.suffix}", tmp_path / "out.png"
    if consumer.suffix == ".ppm":
        after = tmp_path / "out.pgm"
    Image.new("RGB", (4, 3), (51, 51, 51)).save(before)
    rows = "\n".join(" ".join(str(8 * row + column + 1) for column in range(8)) for row in range(8))
    (tmp_path / "table.txt").write_text(rows)
    done = consumer(model, before, after, "--with", f"table={tmp_path / 'table.txt'}")
    assert done.returncode == 0, done.stderr
    found = pixels_of(after)
    assert found.shape == (3, 4)
    assert np.abs(found - (51 + 255 * 9 / 256)).max() <= 0.501
    blind = consumer(
        model, before, after, "--sigma", "5", "--with", f"table={tmp_path / 'table.txt'}"
    )
    refused(blind, "blind")


@pytest.mark.parametrize("sigma", ["51.1", "-1", "nan"])
def test_sigma_outside_the_range(consumer, tiny, tmp_path, sigma):
    before = tmp_path / f"in{consumer.suffix}"
    picture(before)
    after = tmp_path / f"out{consumer.suffix}"
    done = consumer(tiny, before, after, f"--sigma={sigma}")
    refused(done, f"sigma {sigma}".lower(), "" if sigma == "nan" else "0 to 51")
    assert not after.exists()


def test_the_ends_of_the_range_are_inside(consumer, tiny, tmp_path):
    before = tmp_path / f"in{consumer.suffix}"
    picture(before)
    for sigma in ("0", "51"):
        done = consumer(tiny, before, tmp_path / f"out{consumer.suffix}", "--sigma", sigma)
        assert done.returncode == 0, done.stderr


def test_no_sigma_where_one_is_needed(consumer, tiny, tmp_path):
    before = tmp_path / f"in{consumer.suffix}"
    picture(before)
    refused(consumer(tiny, before, tmp_path / f"out{consumer.suffix}"), "--sigma")


def test_no_passport(consumer, tmp_path):
    refused(consumer(tiny_prior(tmp_path / "bare.onnx", None), "--check"), "passport")
    old = tiny_prior(tmp_path / "old.onnx", {**PASSPORT, "passport": "0"})
    refused(consumer(old, "--check"), "passport")


def test_corrupt_model(consumer, tiny, tmp_path):
    data = tiny.read_bytes()
    broken = tmp_path / "broken.onnx"
    for content in (data[: len(data) // 2], b"\xff" * 40):
        broken.write_bytes(content)
        refused(consumer(broken, "--check"), "broken.onnx")


def test_missing_files(consumer, tiny, tmp_path):
    refused(consumer(tmp_path / "nothing.onnx", "--check"), "nothing.onnx")
    absent = tmp_path / f"absent{consumer.suffix}"
    refused(consumer(tiny, absent, tmp_path / "out.png", "--sigma", "5"), absent.name)
    tiny.with_suffix(".reference.safetensors").unlink()
    refused(consumer(tiny, "--check"), "reference.safetensors")


def test_the_reference_of_another_file(consumer, tiny):
    path = tiny.with_suffix(".reference.safetensors")
    stored = path.read_bytes()
    model = tiny.read_bytes()
    assert hashlib.sha256(model).hexdigest().encode() in stored
    longer = tiny_prior(tiny, {**PASSPORT, "title": "Tiny, changed"}).read_bytes()
    refused(consumer(tiny, "--check"), "another file")
    path.write_bytes(
        stored.replace(*(hashlib.sha256(each).hexdigest().encode() for each in (model, longer)))
    )
    assert consumer(tiny, "--check").returncode == 0


def test_damaged_reference(consumer, tiny):
    path = tiny.with_suffix(".reference.safetensors")
    whole = path.read_bytes()
    for content in (whole[:-5], b"\x08" + 7 * b"\0" + b"{broken}"):
        path.write_bytes(content)
        refused(consumer(tiny, "--check"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: np.where(x == x.max(), np.nan, x), "NaN"),
        (lambda x: x[0], "shape"),
        (lambda x: x[:, :, :0], "shape"),
        (lambda x: np.repeat(x, 2, axis=1), "2 channels"),
    ],
    ids=["NaN", "three axes", "empty", "two channels"],
)
def test_unfit_pictures(consumer, tmp_path, change, word):
    model = tiny_prior(tmp_path / "gray.onnx", {**PASSPORT, "channels": "1"})
    tensors = {name: value for name, value in cases().items() if name.startswith("0/")}
    tensors["0/x"] = change(tensors["0/x"]).astype(np.float32)
    write_reference(model, tensors)
    refused(consumer(model, "--check"), word)


def test_unfit_picture_files(consumer, tiny, tmp_path):
    broken = tmp_path / f"broken{consumer.suffix}"
    broken.write_bytes(b"P6\n4 4\n255\nshort" if consumer.suffix == ".ppm" else b"\x89PNG\r\n")
    done = consumer(tiny, broken, tmp_path / f"o{consumer.suffix}", "--sigma", "5")
    refused(done, broken.name)


def test_usage(consumer, tiny):
    refused(consumer(tiny, "one.png"), "usage")
    refused(consumer(tiny, "--nonsense"), "--nonsense")


@pytest.mark.parametrize("sigma", ["abc", "25x", ""])
def test_sigma_that_is_no_number(consumer, tiny, tmp_path, sigma):
    before, after = (tmp_path / f"{name}{consumer.suffix}" for name in ("in", "out"))
    picture(before)
    refused(consumer(tiny, before, after, "--sigma", sigma), "--sigma", sigma)
    assert not after.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 1\nnan 1 0\n0 0 0\n", ("",)),
        ("0 0 1\ninf 1 0\n0 0 0\n", ("infinity",)),
        ("0 0 1\n1e40 1 0\n0 0 0\n", ("infinity",)),
        ("0 0 1\n0 one 0\n0 0 0\n", ("one",)),
        ("0 0 1\n0 1 -\n0 0 0\n", ("-",)),
        ("0 0 1\n0 1\n0 0 0\n", ("rows of different lengths",)),
        ("1 2 3\n4\n", ("rows of different lengths",)),
        ("\n", ("no numbers",)),
    ],
)
def test_rows_that_are_not_numbers(consumer, tmp_path, text, words):
    """Whatever is no number is said: what follows it is not dropped."""
    model = tiny_restoration(tmp_path / "blur.onnx", {**PASSPORT, "kind": "restoration"})
    before, after = (tmp_path / f"{name}{consumer.suffix}" for name in ("in", "out"))
    picture(before)
    (tmp_path / "kernel.txt").write_text(text)
    kernel = f"kernel={tmp_path / 'kernel.txt'}"
    done = consumer(
        model, before, after, "--sigma", "5", "--with", kernel, "--with", "iterations=2"
    )
    refused(done, "kernel.txt", *words)
    assert not after.exists()


@pytest.mark.parametrize("count", ["abc", "-1", "2.5", "", "99999999999999999999"])
def test_iterations_that_are_no_number(consumer, tmp_path, count):
    model = tiny_restoration(tmp_path / "blur.onnx", {**PASSPORT, "kind": "restoration"})
    before, after = (tmp_path / f"{name}{consumer.suffix}" for name in ("in", "out"))
    picture(before)
    refused(
        consumer(model, before, after, "--sigma", "5", "--with", f"iterations={count}"),
        f"iterations={count}",
        "no whole number",
    )


@pytest.mark.parametrize("shape", [(5, 8), (9, 8), (8, 7)])
def test_tables_that_are_none(consumer, tmp_path, shape):
    model = tiny_tables(tmp_path / "jpeg.onnx", {**PASSPORT, "sigma_range": ""})
    before, after = (tmp_path / f"{name}{consumer.suffix}" for name in ("in", "out"))
    picture(before)
    np.savetxt(tmp_path / "tables.txt", np.ones(shape), "%d")
    done = consumer(model, before, after, "--with", f"tables={tmp_path / 'tables.txt'}")
    refused(done, "tables.txt", f"{shape[0]} x {shape[1]} numbers are no tables")


def test_tables_one_below_the_other(consumer, tmp_path):
    model = tiny_tables(tmp_path / "jpeg.onnx", {**PASSPORT, "sigma_range": ""})
    before, after = (tmp_path / f"{name}{consumer.suffix}" for name in ("in", "out"))
    Image.new("RGB", (4, 3), (51, 51, 51)).save(before)
    rows = np.arange(24)[:, None] + np.zeros(8)
    np.savetxt(tmp_path / "tables.txt", rows, "%d", footer="\n", comments="")
    done = consumer(model, before, after, "--with", f"tables={tmp_path / 'tables.txt'}")
    assert done.returncode == 0, done.stderr
    assert np.abs(pixels_of(after) - (51 + 255 * 17 / 256)).max() <= 0.501


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sigma_range", "[0.0, 0.2"),
        ("sigma_range", "abc"),
        ("sigma_range", "0.2"),
        ("sigma_range", "[0.2]"),
        ("sigma_range", "[0.2, 0.1]"),
        ("sigma_range", "[0, NaN]"),
        ("sigma_range", '["a", "b"]'),
        ("tolerance", "abc"),
        ("tolerance", ""),
        ("tolerance", "-1"),
        ("tolerance", "NaN"),
    ],
)
def test_damaged_passport(consumer, tmp_path, key, value):
    model = tiny_prior(tmp_path / "tiny.onnx", {**PASSPORT, key: value})
    write_reference(model, cases())
    refused(consumer(model, "--check"), "passport", key)


def test_a_released_prior(consumer, ffdnet, tmp_path, psnr):
    import torch

    done = consumer(ffdnet, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    random = np.random.default_rng(0)
    clean = np.clip(np.add.outer(np.arange(40) * 3, np.arange(48) * 3), 0, 255)
    noisy = np.clip(np.round(clean + 25 * random.standard_normal(clean.shape)), 0, 255)
    before = tmp_path / f"in{consumer.suffix.replace('ppm', 'pgm')}"
    after = tmp_path / f"out{consumer.suffix.replace('ppm', 'pgm')}"
    Image.fromarray(noisy.astype(np.uint8)).save(before)
    done = consumer(ffdnet, before, after, "--sigma", "25")
    assert done.returncode == 0, done.stderr
    restored = pixels_of(after)
    truth, *others = (torch.tensor(each / 255.0)[None, None] for each in (clean, noisy, restored))
    assert psnr(others[1], truth) > psnr(others[0], truth) + 8
