"""``pnp-priors receptive-field``: its lines, its picture, and one line for each mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

import pnp_priors
from pnp_priors import cli
from pnp_priors.analysis import receptive_field
from pnp_priors.benchmark.data import load_image

Answer = tuple[int, str, str]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Answer]:
    """Run the command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Answer:
        words = ["pnp-priors", "receptive-field", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.mark.parametrize("where", ["photos", "photos/a.png"])
def test_it_prints_what_is_measured(
    command: Callable[..., Answer], scene: Callable[..., Tensor], tmp_path: Path, where: str
) -> None:
    pixels = scene(90, 95)[0, 0].mul(255).round().byte().numpy()
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "notes.txt").touch()
    options = ["--images", where, "--crops", 4, "--sigma", 15, "--sigma", 50]
    code, out, err = command("ffdnet-gray", *options, "--out", "new/f.png")
    assert (code, err) == (0, "")
    prior, image = pnp_priors.load("ffdnet-gray"), load_image(tmp_path / "photos" / "a.png", 1)
    for sigma in (15, 50):
        field = receptive_field(prior, sigma / 255, [image], 4)
        part = out[out.index(f"ffdnet-gray, sigma {sigma}/255, 4 crops") :]
        assert f"theoretical  62 pixels; gradients reached {field.support}" in part
        assert f"effective    {field.effective:.1f} pixels ({field.share:.0%} of it)" in part
        assert f"95.45 % in   {field.enclosing} pixels square" in part
        assert f"spread       {field.spread:.2f} pixels" in part
    picture = tmp_path / "new" / "f.png"
    assert f"wrote {picture}" in out
    with Image.open(picture) as image_file:
        assert min(image_file.size) > 400


def test_without_options_it_needs_no_data(command: Callable[..., Answer]) -> None:
    code, out, _ = command("trd-5x5-s15", "--crops", 1)
    assert code == 0
    assert out.startswith("trd-5x5-s15, sigma 15/255, 1 crops\n  theoretical  41 pixels; ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ffdnet-gry"], "unknown prior 'ffdnet-gry': nearest: ffdnet-gray"),
        (["ffdnet-gray", "--sigma", "300"], "sigma = 1.17647: expected 0 to 1"),
        (["trd-jpeg-q10", "--sigma", "5"], "it takes no sigma"),
        (["ffdnet-gray", "--images", "none.png"], "none.png: not readable as an image"),
        (["ffdnet-gray", "--images", "empty"], "no images in empty (.bmp, "),
        (["ffdnet-gray", "--images", "small.png"], "image 1 of 1 is [1, 1, 9, 9]"),
        (["ffdnet-gray", "--out", "f.gif"], "--out f.gif: a picture is .png, .pdf or .svg"),
    ],
)
def test_each_mistake_is_one_line(
    command: Callable[..., Answer], tmp_path: Path, arguments: list[str], message: str
) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
