"""All measures together, their block in a card, their text and their picture."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch import Tensor

from pnp_priors.analysis import assess
from pnp_priors.analysis.model import Assessment
from pnp_priors.analysis.picture import draw, write
from pnp_priors.analysis.summary import summary
from pnp_priors.errors import InputError
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion


@pytest.fixture
def small(scene) -> dict[str, Tensor]:
    return {"scene": scene(32, 32), "other": scene(32, 40, seed=1)}


@pytest.fixture
def found(scaling, small) -> Assessment:
    return assess(scaling(0.9), small, iterations=11)


def test_of_a_multiple_of_the_image_everything_is_known(found, small) -> None:
    assert found.images == ["scene", "other"]
    assert found.trained == pytest.approx((0, 50))
    assert list(found.levels.psnr) == ["5", "15", "25", "50", "75", "100"]
    assert set(found.wrong_sigma or {}) == {"15", "50"}
    assert found.equivariance is not None
    assert found.equivariance.level == "25"
    assert max(found.equivariance.symmetries.values()) == 0
    assert max(found.equivariance.shifts.values()) == 0
    assert found.lipschitz is not None
    assert list(found.lipschitz.denoiser) == ["5", "15", "25", "50", "75"]
    assert list(found.lipschitz.denoiser.values()) == pytest.approx([0.9] * 5, rel=1e-3)
    assert list(found.lipschitz.residual.values()) == pytest.approx([0.1] * 5, rel=1e-2)
    brightest = max(float(image.mean()) for image in small.values())
    assert found.levels.mean_drift["5"] == pytest.approx(-25.5 * brightest, rel=0.01)
    assert found.convergence is not None
    assert found.curves is not None
    assert list(found.convergence) == list(found.curves) == ["hqs", "admm", "pgd"]
    assert len(found.curves["pgd"].relative_change) == found.iterations == 11


def test_it_repeats_itself_and_reports_every_step(scaling, small, found) -> None:
    steps: dict[str, list[tuple[int, int]]] = {}

    def progress(measure: str, done: int, total: int) -> None:
        steps.setdefault(measure, []).append((done, total))

    again = assess(scaling(0.9), small, iterations=11, progress=progress)
    assert again == found
    for measure, calls in steps.items():
        total = calls[0][1]
        assert calls == [(done, total) for done in range(total + 1)], measure
    assert list(steps)[-3:] == ["HQS", "ADMM", "PGD"]
    assert assess(scaling(0.9), small, seed=1, iterations=11) != found


def test_the_block_of_a_card_is_compact_and_reads_back(found) -> None:
    block = found.compact()
    assert "curves" not in block
    assert Assessment.model_validate(block).compact() == block
    assert block["levels"]["psnr"]["25"] == pytest.approx(found.levels.psnr["25"], abs=0.005)
    assert len(json.dumps(block)) < 3000
    whole = found.model_dump(mode="json")
    assert Assessment.model_validate(json.loads(json.dumps(whole, allow_nan=False))) == found


def test_headlines_and_summary_name_the_numbers(found) -> None:
    first, second = found.headlines
    assert first.startswith("Lipschitz constant of D 0.90, of I - D 0.10 or more")
    assert second == "11 iterations: " + ", ".join(
        f"{name.upper()} {end.verdict}" for name, end in (found.convergence or {}).items()
    )
    text = summary(found)
    for part in ("trained for", "σ = 0 to 50", "PSNR over σ", "mean drift", "told wrong", "PGD"):
        assert part in text
    assert "certif" not in text


def test_a_jpeg_prior_gets_what_makes_sense(scene) -> None:
    prior = JpegReactionDiffusion(stages=1, filter_size=3, quality=10).requires_grad_(False)
    found = assess(prior.eval(), {"scene": scene(32, 32)}, iterations=5)
    assert found.task == "jpeg"
    assert found.trained == (10, 10)
    assert {"5", "10", "80"} <= set(found.levels.psnr)
    assert found.levels.input_psnr["80"] > found.levels.input_psnr["5"] + 3
    assert found.wrong_sigma is found.equivariance is found.convergence is None
    assert found.lipschitz is not None
    assert set(found.left_out) == {"wrong sigma", "equivariance", "convergence"}
    assert len(found.headlines) == 1
    assert "not measured          convergence: " in summary(found)
    texts = [text.get_text() for text in draw(found, "jpeg").findobj() if hasattr(text, "get_text")]
    assert sum(text.startswith("not measured: ") for text in texts) == 4
    assert "JPEG quality" in texts


def test_colour_and_blind(formula, scene) -> None:
    prior = formula(lambda x, s: 0.5 * x, channels=3, blind=True)
    found = assess(prior, {"scene": scene(32, 32, channels=3)}, iterations=40)
    assert found.blind
    assert {end.verdict for end in (found.convergence or {}).values()} == {"converged"}
    assert ", blind" in summary(found)


def test_the_page_shows_every_measure(found, tmp_path: Path) -> None:
    figure = draw(found, "scaling, pnp_priors 0")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "restoration",
        "wrong sigma",
        "mean drift",
        "Lipschitz constant",
        "equivariance",
        "convergence",
        "PSNR while solving",
        "in short",
    ]
    assert all(axes.get_xlabel() for axes in figure.axes[:-1])
    assert all(
        axes.get_ylabel() for axes in figure.axes[:-1] if axes.get_title("left") != "equivariance"
    )
    write(tmp_path / "page.png", figure)
    with Image.open(tmp_path / "page.png") as page:
        assert page.size == pytest.approx((1754, 1240), abs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["page.png"]


def test_no_text_of_the_page_covers_another_panel_or_a_curve(found) -> None:
    figure = draw(found, "scaling, pnp_priors 0")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    panels = {axes.get_title("left"): axes for axes in figure.axes}
    outlines = {name: axes.get_tightbbox(canvas.get_renderer()) for name, axes in panels.items()}
    del outlines["in short"]
    for (name, one), (other, two) in itertools.combinations(outlines.items(), 2):
        assert not one.overlaps(two), (name, other)
    for name in ("convergence", "PSNR while solving"):
        box = panels[name].get_legend().get_window_extent()
        assert box.x0 >= panels[name].get_window_extent().x0
        for line in panels[name].lines[: len(found.curves)]:
            assert not box.count_contains(panels[name].transData.transform(line.get_xydata()))


def test_a_diverged_run_can_be_drawn(scaling, scene, tmp_path: Path) -> None:
    found = assess(scaling(2.0), {"scene": scene(32, 32)}, iterations=150)
    assert found.convergence is not None
    assert found.convergence["hqs"].verdict == "diverged"
    json.dumps(found.model_dump(mode="json"), allow_nan=False)
    assert "diverged" in summary(found)
    write(tmp_path / "page.png", draw(found, "scaling"))
    assert (tmp_path / "page.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "at least one image"),
        ({"a": torch.zeros(1, 3, 40, 40)}, r"'a' has shape \[1, 3, 40, 40\]; expected \[1, 1"),
        ({"a": torch.zeros(1, 1, 31, 40)}, "32 or more"),
        ({"a": torch.full((1, 1, 40, 40), 255.0)}, r"in \[0, 1\]"),
        ({"a": torch.zeros(1, 1, 40, 40, dtype=torch.uint8)}, "floating point"),
    ],
)
def test_impossible_images_are_named(scaling, images: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        assess(scaling(1.0), images)


def test_no_iterations_are_refused(scaling) -> None:
    with pytest.raises(InputError, match="iterations must be at least 1"):
        assess(scaling(1.0), iterations=0)
