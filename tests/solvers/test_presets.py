"""Presets in one call, and those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

import pnp_priors
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.solvers import dpir
from pnp_priors.solvers import presets as module
from pnp_priors.solvers.deblocking import deblocking_schedule
from pnp_priors.solvers.presets import available, find, preset
from pnp_priors.tuning.schema import parse, read

SHIPPED = available()
NAMES = [str(path.relative_to(module.FOLDER)) for path in SHIPPED]

KNOT = {"level": 2.55, "noise": 0.01, "psnr": 30.0, "default_psnr": 29.0}
TUNED = {
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
}


def test_some_are_shipped() -> None:
    assert SHIPPED
    assert set(SHIPPED) == {p for task in module.MEANINGS for p in available(task)}


@pytest.mark.parametrize("path", SHIPPED, ids=NAMES)
def test_a_shipped_preset_is_where_it_says_and_of_a_prior_there_is(path: Path) -> None:
    found = read(path)
    assert path == module.FOLDER / found.task / found.solver / f"{found.prior}.yaml"
    assert "gaussian" in pnp_priors.describe(found.prior).tasks
    assert find(found.task, found.prior, found.solver) == found
    assert found.tuned.finished
    # Nobody chose parameters on images that results are reported on.
    assert not any(word in found.tuned.data.lower() for word in ("eval", "levin", "68", "classic"))


@pytest.mark.parametrize("path", SHIPPED, ids=NAMES)
def test_a_shipped_preset_was_worth_its_while(path: Path) -> None:
    for knot in read(path).knots:
        assert knot.psnr >= knot.default_psnr - 0.01, knot


@pytest.mark.parametrize("path", SHIPPED, ids=NAMES)
@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01, 0.025, 0.1, 0.3])
def test_a_shipped_preset_gives_a_schedule_at_every_level(path: Path, noise: float) -> None:
    found = read(path)
    tuned = preset(found.task, found.prior, noise, found.solver)
    assert (tuned.solver, tuned.preset) == (found.solver, found)
    assert len(tuned.schedule) == found.iterations
    assert all(0 < sigma < 2 for sigma in tuned.schedule.sigma)
    assert all(0 < step < 1e9 for step in tuned.schedule.stepsize)
    assert (tuned.width is not None) == (found.task == "jpeg-deblocking")


def test_without_a_preset_the_default_is_returned() -> None:
    tuned = preset("deconvolution", "mine.yaml", 0.02)
    assert (tuned.solver, tuned.schedule, tuned.preset) == ("hqs", dpir(0.02), None)
    tuned = preset("deconvolution", "mine.yaml", 0.02, "admm")
    assert (tuned.solver, tuned.schedule, tuned.preset) == ("admm", dpir(0.02, weight=1.0), None)
    tuned = preset("jpeg-deblocking", "mine", 0.02)
    assert (tuned.solver, tuned.schedule) == ("hqs", deblocking_schedule(0.02))
    assert (tuned.width, tuned.preset) == (0.5, None)


def test_what_a_preset_says_is_built() -> None:
    content = {"prior": "p", "solver": "drs", "iterations": 3, "tuned": TUNED}
    knots = [KNOT | {"start": 0.2, "end": 0.5, "weight": 4.0}]
    blur = parse(content | {"task": "deconvolution", "knots": knots}, "here")
    tuned = module.at(blur, 0.1)
    assert tuned.schedule.sigma == pytest.approx((0.2, 0.1, 0.05))
    assert tuned.schedule.stepsize == pytest.approx((4 / 4, 1 / 4, 0.25 / 4))
    assert (tuned.solver, tuned.preset, tuned.width) == ("drs", blur, None)
    knots = [KNOT | {"first": 4.0, "last": 1.0, "width": 0.5}]
    jpeg = parse(content | {"task": "jpeg-deblocking", "knots": knots}, "here")
    tuned = module.at(jpeg, 0.02)
    assert tuned.schedule.sigma == pytest.approx((0.08, 0.04, 0.02))
    assert (tuned.solver, tuned.width) == ("drs", 0.5)


def test_a_preset_is_for_the_prior_of_its_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    path = tmp_path / "deconvolution" / "hqs" / "p.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("task: nonsense")
    assert find("deconvolution", "other/p") is None
    assert find("deconvolution", "../hqs/p") is None
    assert find("deconvolution", "p", "admm") is None
    with pytest.raises(ValueError, match=r"p\.yaml: task"):
        find("deconvolution", "p")


def test_mistakes_are_said() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'denoising'"):
        preset("denoising", "genericdp", 0.1)
    with pytest.raises(UnknownNameError, match=r"solver with presets 'pgd'.*hqs, admm, drs"):
        preset("deconvolution", "genericdp", 0.1, "pgd")
    with pytest.raises(InputError, match="noise level"):
        preset("deconvolution", "genericdp", 25.0)
