import json
import runpy
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pnp_priors import registry
from pnp_priors.benchmark.command import app
from pnp_priors.card import Card
from pnp_priors.errors import (
    ConfigError,
    InputError,
    MissingFileError,
    PnpPriorsError,
    UnknownNameError,
)


def run(*words: str):
    result = CliRunner(env={"COLUMNS": "200", "PNP_PRIORS_DATA": None}).invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_denoising_prints_published_numbers_and_the_difference(data: Path, smoother) -> None:
    result = run("denoising", "genericdp", "--data", str(data), "--sigma", "15", "--sigma", "5")
    assert result.exit_code == 0
    for text in ("σ = 15", "genericDP, BMVC 2018, table 2", "31.35 .8803", "3 images"):
        assert text in result.stdout
    assert "genericdp - [1]" in result.stdout
    assert "ffdnet" not in result.stdout


def test_json_holds_every_image_and_how_to_repeat_it(data: Path, smoother, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    where = ("--data", str(data), "--json", str(out))
    run("denoising", "smoother", *where, "--sigma", "25", "--limit", "2")
    content = json.loads(out.read_text())
    command = "pnp-priors bench denoising smoother --set BSD68 --sigma 25 --limit 2"
    assert content["command"] == command
    level = content["measured"][0]["levels"]["25"]
    assert [image["image"] for image in level["images"]] == ["test001.png", "test002.png"]
    mean = sum(image["psnr"] for image in level["images"]) / 2
    assert level["psnr"] == pytest.approx(mean)
    assert level["psnr"] > level["degraded_psnr"]
    assert "not clipped" in content["protocol"]
    first = out.read_text()
    run("denoising", "smoother", *where, "--sigma", "25", "--limit", "2")
    assert out.read_text() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "numbers.json"]


def test_deconvolution_measures_every_method(data: Path, smoother, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    words = ("--set", "set12", "--method", "hqs", "--method", "hqs-genericdp")
    result = run("deconvolution", "ffdnet-gray", *words, "--data", str(data), "--json", str(out))
    assert "ffdnet-gray, hqs-genericdp" in result.stdout
    assert "total variation" in result.stdout
    measured = json.loads(out.read_text())["measured"]
    assert [row["method"] for row in measured] == ["hqs", "hqs-genericdp"]
    assert list(measured[0]["levels"]) == ["2.55", "7.65"]
    assert len(measured[0]["levels"]["2.55"]["images"]) == 2 * 3


def test_card_gets_the_row_and_keeps_the_rest(data: Path, smoother, card: Path) -> None:
    before = yaml.safe_load(card.read_text(encoding="utf-8"))
    run("denoising", "smoother", "--data", str(data), "--sigma", "15", "--card")
    text = card.read_text(encoding="utf-8")
    after = yaml.safe_load(text)
    assert list(after) == list(before)
    assert list(after["training"]["recipe_text"]) == ["zeta", "alpha"]
    assert "naïve" in text
    row = after["results"][0]
    assert row["command"] == "pnp-priors bench denoising smoother --set BSD68 --sigma 15"
    assert row["psnr"]["15"] > 15
    assert 0 < row["ssim"]["15"] < 1
    assert after["results"][1:] == [before["results"][1]]
    assert {k: v for k, v in after.items() if k != "results"} == {
        k: v for k, v in before.items() if k != "results"
    }
    Card.model_validate(after)
    run("deconvolution", "smoother", "--data", str(data), "--sigma", "2.55", "--card")
    rows = registry.describe("smoother").results
    assert [row.dataset for row in rows] == ["BSD68", "other", "levin, hqs"]
    assert rows[2].command.endswith("--set levin --sigma 2.55 --method hqs --blur circular")
    assert [file.name for file in card.parent.iterdir()] == ["smoother.yaml"]


def test_a_broken_card_is_left_alone(data: Path, smoother, card: Path) -> None:
    card.write_text("name: smoother\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"smoother\.yaml"):
        run("denoising", "smoother", "--data", str(data), "--sigma", "15", "--card")
    assert card.read_text(encoding="utf-8") == "name: smoother\n"


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (["--sigma", "0.1"], InputError, "0..1 units"),
        (["--sigma", "300"], InputError, "0..255"),
        (["--sigma", "nan"], InputError, "0..255"),
        (["--limit", "1", "--card"], InputError, "--limit"),
        (["--json", "/no/such/folder/x.json"], InputError, "no such folder"),
        (["--set", "BSD86"], MissingFileError, "BSD68"),
        (["--device", "nonsense"], InputError, "nonsense"),
    ],
)
def test_wrong_options_are_refused_before_measuring(
    data: Path, smoother, words: list[str], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        run("denoising", "smoother", "--data", str(data), *words)
    assert "\n" not in str(caught.value)


def test_each_task_has_its_own_levels_and_inputs(
    data: Path, smoother, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load(card.read_text(encoding="utf-8"))
    tasks = ["gaussian", "jpeg", "super-resolution"]
    content |= {"tasks": tasks, "quality_range": [20, 30], "blind": True}
    card.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setattr(smoother, "blind", True)
    where = ("--data", str(data), "--card")
    result = run("deblocking", "smoother", *where)
    assert "(JPEG)" in result.stdout
    assert "q = 20" in result.stdout
    assert "q = 10" not in result.stdout
    result = run("super-resolution", "smoother", *where, "--method", "direct", "--scale", "2")
    assert "(bicubic)" in result.stdout
    assert "smoother, direct" in result.stdout
    rows = {(row.task, row.dataset): row for row in registry.describe("smoother").results}
    row = rows["deblocking", "classic5"]
    assert list(row.psnr) == ["20", "30"]
    expected = "bench deblocking smoother --set classic5 --quality 20 --quality 30"
    assert row.command == f"pnp-priors {expected}"
    row = rows["super-resolution", "Set5, direct"]
    assert row.command.endswith("--set Set5 --scale 2 --method direct")
    text = str(registry.describe("smoother"))
    assert "q=20:" in text
    assert "scale=2:" in text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["deblocking", "smoother"], "trained for gaussian, not for jpeg"),
        (["deblocking", "smoother", "--quality", "0"], "1 to 100, got 0"),
        (["deblocking", "smoother", "--set", "LIVE"], "nearest: LIVE1"),
        (["super-resolution", "smoother", "--method", "direct"], "not for super-resolution"),
        (["super-resolution", "smoother", "--scale", "5"], "2, 3 or 4, got 5"),
        (["super-resolution", "smoother", "--set", "Set12"], "known: Set14, Set5"),
        (["denoising", "smoother", "--set", "CBSD86"], "CBSD68"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    data: Path, smoother, words: list[str], text: str
) -> None:
    with pytest.raises(PnpPriorsError, match=text) as caught:
        run(*words, "--data", str(data))
    assert "\n" not in str(caught.value)


def test_a_colour_prior_is_refused_on_gray_images(data: Path, smoother, card: Path) -> None:
    content = yaml.safe_load(card.read_text(encoding="utf-8")) | {"channels": 3}
    card.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match="BSD68 is gray"):
        run("denoising", "smoother", "--data", str(data))


def test_a_valid_blur_is_named_in_the_row(data: Path, smoother) -> None:
    words = ("--sigma", "2.55", "--limit", "1", "--blur", "valid", "--data", str(data))
    result = run("deconvolution", "ffdnet-gray", *words, "--set", "set12")
    assert "ffdnet-gray, hqs, valid blur" in result.stdout
    assert "- [1]" not in result.stdout
    circular = (*words[:4], *words[6:])
    assert "- [1]" in run("deconvolution", "ffdnet-gray", *circular, "--set", "set12").stdout
    with pytest.raises(UnknownNameError, match="circular, valid"):
        run("deconvolution", "genericdp", *words, "--blur", "reflect")


def test_unknown_method_lists_the_known(data: Path, smoother) -> None:
    with pytest.raises(UnknownNameError, match="r-denoise"):
        run("deconvolution", "smoother", "--data", str(data), "--method", "rdenoise")


def test_without_data_folder_the_error_says_how_to_name_it(
    smoother, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PNP_PRIORS_DATA", raising=False)
    with pytest.raises(MissingFileError, match="PNP_PRIORS_DATA"):
        run("denoising", "smoother")
    with pytest.raises(MissingFileError, match="nowhere"):
        run("denoising", "smoother", "--data", str(tmp_path / "nowhere"))


def test_run_by_itself_errors_are_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["bench", "denoising", "genericdp", "--data", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.delitem(sys.modules, "pnp_priors.benchmark.command")
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("pnp_priors.benchmark.command", run_name="__main__")
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no evaluation set 'BSD68'")
    assert err.count("\n") == 1
