"""``pnp-priors run --report`` and ``--reference``."""

import json

import numpy as np
import pytest

from pnp_priors import images


@pytest.fixture(autouse=True)
def work(folder, smoother):
    return folder


def reports(folder):
    return {
        path.relative_to(folder).as_posix().removesuffix(".report.json"): json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in folder.rglob("*.report.json")
    }


def test_reports_of_a_folder(command, work, photo):
    images.write(work / "originals" / "a.png", images.Image(photo))
    code, _, err = command("run", "p.yaml", "in", "-o", "out", "--reference", "originals")
    assert code == 0
    found = reports(work / "out")
    assert sorted(found) == ["a.png", "deep/b.tif"]
    first, second = found["a.png"], found["deep/b.tif"]
    # The original is the very input here.
    assert first["scores"]["psnr"]["input"] is None
    assert 10 < first["scores"]["psnr"]["restored"] < 60
    assert second["scores"] is None
    assert "in/deep/b.tif: no original of this name in originals: not measured" in err
    for report in (first, second):
        assert len(report["iterates"][0]["change"]) == 2
        assert report["residual"]["pixels"] > 1000
        assert report["noise"]["sigma"] == 0.02
        assert report["kernel"]["size"] == [5, 5]
    assert (work / "out" / "deep" / second["picture"]).is_file()
    # A second run neither restores nor takes reports for photos.
    code, out, _ = command("run", "p.yaml", "in", "-o", "out", "--report")
    assert code == 0
    assert "0 restored, 2 skipped" in out


def test_skipped_files_without_a_report_are_said(command, work):
    command("run", "p.yaml", "in/a.png", "-o", "out", "--report")
    command("run", "p.yaml", "in", "-o", "out")
    said = "skipped file has no report: --overwrite restores again, with a report"
    _, _, err = command("run", "p.yaml", "in", "-o", "out", "--report")
    assert f"note: 1 {said}" in err.splitlines()
    for words in (["in"], ["in/a.png", "--report"]):  # not asked for; has one
        _, _, err = command("run", "p.yaml", *words, "-o", "out")
        assert "no report" not in err
    command("run", "p.yaml", "in", "-o", "out", "--report", "--overwrite")
    assert sorted(reports(work / "out")) == ["a.png", "deep/b.tif"]


def test_a_kernel_of_which_a_part_is_missing_is_said(command, work, kernel):
    """Its sum, as the file has it: dividing by it comes later."""
    np.save("part.npy", 0.93 * kernel)
    options = ["--set", "kernel.file=part.npy", "--report"]
    _, _, err = command("run", "p.yaml", "in", "-o", "out", *options)
    line = "the kernel's sum is 0.93, not 1: it was divided by it"
    assert err.count(line) == 1
    found = reports(work / "out")["a.png"]
    assert line in found["warnings"]
    assert found["kernel"]["total"] == pytest.approx(0.93)
    command("run", "p.yaml", "in", "-o", "whole", "--report")
    assert images.read(work / "whole" / "a.png").pixels == pytest.approx(
        images.read(work / "out" / "a.png").pixels
    )


def test_the_settings_are_those_that_made_the_image(command, work):
    example = ["example.input=in/a.png", "example.truth=in/a.png", "solver.iterations=1"]
    options = [part for setting in example for part in ("--set", setting)]
    command("run", "p.yaml", "in/a.png", "-o", "out", "--report", *options)
    settings = reports(work / "out")["a.png"]["pipeline"]
    assert set(settings) == {
        *("task", "prior", "strength", "tiles", "scale", "kernel", "noise", "solver"),
        *("boundary", "color"),
    }


def test_a_batch_has_the_reports_of_its_photos(command, work, photo):
    images.write(work / "in" / "c.png", images.Image(photo[:, ::-1].copy()))
    command("run", "p.yaml", "in/*.png", "-o", "one", "--report")
    command("run", "p.yaml", "in/*.png", "-o", "both", "--report", "--batch", 2)
    one, both = reports(work / "one"), reports(work / "both")
    assert sorted(one) == sorted(both) == ["a.png", "c.png"]
    for name in one:
        (alone,), (together,) = one[name]["iterates"], both[name]["iterates"]
        np.testing.assert_allclose(alone["change"], together["change"], rtol=1e-3)
    assert one["a.png"]["iterates"] != one["c.png"]["iterates"]


def test_a_wrong_level_is_said_without_a_report_too(command, work):
    code, _, err = command("run", "p.yaml", "in/a.png", "-o", "out", "--set", "noise.sigma=0.5")
    assert code == 0
    assert "warning: in/a.png: noise.sigma is" in err
    assert "too high" in err
    assert reports(work / "out") == {}


def test_a_reference_that_is_not_there(command, work):
    code, _, err = command("run", "p.yaml", "in", "-o", "out", "--reference", "nowhere")
    assert code == 2
    assert "--reference: no such file or folder: nowhere" in err
    assert not (work / "out").exists()


def test_what_cannot_be_reviewed_does_not_end_the_run(command, work, monkeypatch):
    def broken(*_):
        raise ValueError("no reason\nat all")

    monkeypatch.setattr("pnp_priors.report.files.check_page", broken)
    code, out, err = command("run", "p.yaml", "in", "-o", "out")
    assert code == 0
    assert "2 restored" in out
    assert "in/a.png: restored, but it could not be reviewed (no reason)" in err
