"""What presets may say, and what they mean between the noise levels that were tuned for."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from pnp_priors.errors import ConfigError, MissingFileError, UnknownNameError
from pnp_priors.tuning.schema import PRESETS, check_task, parse, read

CONTENT: dict[str, Any] = {
    "task": "deconvolution",
    "prior": "genericdp",
    "solver": "hqs",
    "iterations": 6,
    "knots": [
        {"level": 2.55, "noise": 0.01, "start": 0.1, "end": 1.0, "weight": 0.2}
        | {"psnr": 30.0, "default_psnr": 29.0},
        {"level": 10.2, "noise": 0.04, "start": 0.4, "end": 4.0, "weight": 0.2}
        | {"psnr": 25.0, "default_psnr": 24.0},
    ],
    "tuned": {
        "data": "folder",
        "images": ["a.png"],
        "side": 96,
        "seed": 0,
        "evaluations": 3,
        "finished": True,
        "weights": "0" * 64,
        "date": "2026-11-21",
        "version": "0.1.0",
        "command": "pnp-priors tune",
    },
}


def content(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(CONTENT) | changes


def test_logarithms_are_interpolated_and_the_ends_hold() -> None:
    preset = parse(content(), "here")
    assert preset.at(0.01) == pytest.approx({"start": 0.1, "end": 1.0, "weight": 0.2})
    # Half way between the logarithms of the noise: geometric means.
    assert preset.at(0.02) == pytest.approx({"start": 0.2, "end": 2.0, "weight": 0.2})
    assert preset.at(0.03)["start"] == pytest.approx(0.1 * 4 ** (math.log(3) / math.log(4)))
    assert preset.at(0.001) == preset.at(0.01)
    assert (
        preset.at(0.9)
        == preset.at(0.04)
        == pytest.approx({"start": 0.4, "end": 4.0, "weight": 0.2})
    )


def test_one_knot_is_for_every_level() -> None:
    preset = parse(content(knots=CONTENT["knots"][:1]), "here")
    assert preset.at(0.001) == preset.at(0.01) == preset.at(0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "hqq"}, r"here: solver: .*'hqs', 'admm' or 'drs'.*'hqq'"),
        ({"iterations": 0}, r"here: iterations: .*greater than or equal to 1"),
        (
            {"iteration": 8},
            r"here: unknown key 'iteration'; nearest: iterations; allowed: task, prior",
        ),
        ({"task": "denoising"}, r"here: task: .*'denoising'; allowed: deconvolution, jpeg-debl"),
        ({"knots": []}, r"here: .*knots: at least one"),
        ({"knots": CONTENT["knots"][::-1]}, r"here: .*noise must grow .*\[0.04, 0.01\]"),
        ({"knots": [CONTENT["knots"][0] | {"weight": 0}]}, r"here: knots.0.weight: .*than 0"),
        ({"knots": [CONTENT["knots"][0] | {"start": math.nan}]}, r"here: knots.0.start: "),
        ({"knots": [CONTENT["knots"][0] | {"width": 0.5}]}, r"unknown key 'knots.0.width'"),
        ({"tuned": {}}, r"here: missing key 'tuned.data'"),
    ],
)
def test_each_mistake_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(content(**changes), "here")
    assert "\n" not in str(caught.value)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(CONTENT), "utf-8")
    assert read(path) == parse(CONTENT, "here")
    path.write_text("[1, 2]", "utf-8")
    with pytest.raises(ConfigError, match=r"p\.yaml: not a preset"):
        read(path)
    with pytest.raises(MissingFileError, match=r"q\.yaml"):
        read(tmp_path / "q.yaml")


def test_tasks() -> None:
    assert [check_task(task) for task in PRESETS] == list(PRESETS)
    with pytest.raises(UnknownNameError, match="nearest: deconvolution"):
        check_task("deconvolutoin")
