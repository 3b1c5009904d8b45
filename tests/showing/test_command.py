"""``pnp-priors show`` and ``compare``: files, figures as text, one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pnp_priors import images
from pnp_priors.showing import page


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene) -> Path:
    monkeypatch.chdir(tmp_path)
    images.write(Path("photo.png"), images.Image(scene(48, 64)[0].numpy()))
    images.write(Path("other.png"), images.Image(scene(40, 40)[0].numpy()))
    Path("empty.png").touch()
    return tmp_path


def test_show_writes_a_page(command, work) -> None:
    code, out, err = command("show", "trd-5x5-s25", "--crops", 1, "--stage", 2)
    assert code == 0, err
    assert out == f"wrote {work / 'trd-5x5-s25.png'}\n"
    with Image.open("trd-5x5-s25.png") as picture:
        assert picture.size == tuple(round(page.DPI * length) for length in page.SIZE)


def test_compare_writes_a_sheet_and_its_figures(command, work) -> None:
    words = ("photo.png", "--priors", "trd-5x5-s15, dncnn-b", "--detail", "10,5,32")
    code, out, err = command("compare", *words, "-o", "new/sheet.png")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["prior", "PSNR", "(dB)", "SSIM", "time", "(ms)", "remarks"]
    assert lines[1].startswith("input, sigma 25/255 ")
    assert lines[2].split()[0] == "trd-5x5-s15"
    assert lines[2].rstrip().endswith("rescaled: trained for 15")
    assert lines[3].rstrip().endswith("blind")
    assert lines[4] == f"wrote {work / 'new' / 'sheet.png'}"
    before, after = (
        float(line.replace("25/255", "").split()[k]) for line, k in ((lines[1], 2), (lines[2], 1))
    )
    assert 19 < before < 21.5
    assert after > before + 4
    with Image.open("new/sheet.png") as picture:
        assert picture.format == "PNG"


def test_the_noise_is_that_of_the_seed(command, work) -> None:
    words = ("compare", "photo.png", "--priors", "trd-5x5-s25", "--sigma", 25)
    figures = [command(*words, "--seed", seed)[1].splitlines()[1:3] for seed in (0, 0, 1)]
    without_time = [[line.split()[:5] for line in lines[:1]] for lines in figures]
    assert without_time[0] == without_time[1] != without_time[2]
    assert Path("photo-compared.png").is_file()


def test_a_noisy_photo_with_and_without_its_original(command, work, scene) -> None:
    noisy = scene(48, 64)[0].numpy() + np.random.default_rng(0).normal(0, 0.1, (1, 48, 64))
    images.write(Path("noisy.png"), images.Image(noisy.astype(np.float32)))
    words = ("compare", "noisy.png", "--priors", "trd-5x5-s25", "--no-noise", "--sigma", "25.5")
    code, out, _ = command(*words)
    assert code == 0
    assert out.splitlines()[1].split() == ["input,", "sigma", "25.5/255"]
    code, same, _ = command(*words[:-1], "25.5/255")
    assert code == 0
    assert same.splitlines()[1] == out.splitlines()[1]
    code, out, _ = command(*words, "--reference", "photo.png")
    assert code == 0
    assert 19 < float(out.splitlines()[1].split()[3]) < 21.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "ffdnet-gry"], "unknown prior 'ffdnet-gry': nearest: ffdnet-gray"),
        (["show", "ffdnet-gray", "-o", "a.gif"], "--out a.gif: a picture is .png or .pdf or .svg"),
        (["show", "ffdnet-gray", "-o", "folder.png"], "--out folder.png: is a folder"),
        (["show", "trd-5x5-s25", "--stage", "9"], "stage 9: this prior has stages 1 to 5"),
        (["show", "ffdnet-gray", "--stage", "1"], "--stage: FFDNet has no stages"),
        (["compare", "none.png", "--priors", "dncnn-b"], "no such file: none.png"),
        (["compare", "empty.png", "--priors", "dncnn-b"], "empty.png: the file is empty"),
        (["compare", "photo.png", "--priors", "dncnn-b,dnccn"], "unknown prior 'dnccn': nearest:"),
        (["compare", "photo.png", "--priors", " , "], "--priors: expected names"),
        (["compare", "photo.png", "--priors", "ka-s15,ka-s15"], "ka-s15 is named twice"),
        (["compare", "photo.png", "--priors", "trd-jpeg-q10"], "is trained for jpeg"),
        (
            ["compare", "photo.png", "--priors", "cbdnet", "-o", "a.pdf"],
            "--out a.pdf: a picture is",
        ),
    ],
)
def test_each_mistake_is_one_line(command, work, words, message) -> None:
    Path("folder.png").mkdir()
    before = sorted(work.rglob("*"))
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--sigma", "25/0", "expected a number from 1 to 255, such as 25, or a fraction, 25/255"),
        ("--sigma", "0.098", "--sigma 0.098: expected a number from 1 to 255"),
        ("--sigma", "25/2", "--sigma 25/2: expected a number from 1 to 255"),
        ("--sigma", "nan", "--sigma nan: expected a number"),
        ("--sigma", "256", "--sigma 256: expected a number"),
        ("--detail", "1,2", "--detail 1,2: expected column, row and side"),
        ("--detail", "a,b,c", "--detail a,b,c: expected column, row and side"),
        ("--detail", "40,0,32", "lie inside the photo, 64 pixels wide and 48 high"),
        ("--reference", "photo.png", "--reference: without --no-noise"),
        ("--device", "abacus", "device abacus"),
    ],
)
def test_each_wrong_option_is_one_line(command, work, option, value, message) -> None:
    words = ("compare", "photo.png", "--priors", "trd-5x5-s25", option, value)
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("photo-compared.png").exists()


def test_an_original_of_another_size(command, work) -> None:
    words = ("compare", "photo.png", "--priors", "ka-s15", "--no-noise", "--reference", "other.png")
    code, _, err = command(*words)
    assert code == 2
    assert "--reference other.png: is [1, 40, 40], photo.png [1, 48, 64]" in err
