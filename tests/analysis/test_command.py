"""``pnp-priors assess``: its files, its text, and what each mistake answers."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from pnp_priors import images, registry
from pnp_priors.analysis.command import add_to_card
from pnp_priors.analysis.model import Assessment
from pnp_priors.card import Card


@pytest.fixture
def command(command):
    """Run ``pnp-priors assess`` in this process: exit code, stdout, stderr."""
    return partial(command, "assess")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaling) -> Path:
    """A folder with small images, and D(x) = x / 2 in the place of every prior."""
    load = registry.load

    def half(name, device=None, dtype=None, weights=None, base=None, equivariant=False):
        load(name) if name == "none" else None
        return scaling(0.5, sigma_range=(0.0, 75 / 255))

    monkeypatch.setattr(registry, "load", half)
    monkeypatch.chdir(tmp_path)
    ramp = np.linspace(0, 1, 32 * 40, dtype=np.float32).reshape(1, 32, 40)
    images.write(Path("in/a.png"), images.Image(ramp))
    return tmp_path


def test_it_writes_a_picture_and_all_numbers(command, work: Path) -> None:
    words = ("ffdnet-gray", "--images", "in", "--iterations", 12, "--out", "out")
    code, out, err = command(*words)
    assert code == 0, err
    assert sorted(path.name for path in (work / "out").iterdir()) == [
        "ffdnet-gray-assessment.json",
        "ffdnet-gray-assessment.png",
    ]
    text = (work / "out" / "ffdnet-gray-assessment.json").read_text(encoding="utf-8")
    found = Assessment.model_validate(json.loads(text))
    assert found.images == ["a.png"]
    assert found.iterations == 12
    assert found.curves is not None
    assert found.weights == registry.fingerprint(registry.describe("ffdnet-gray"))
    assert found.command == "pnp-priors assess ffdnet-gray --images in --iterations 12"
    assert set(found.versions) == {"pnp_priors", "torch", "deepinv"}
    assert out.startswith("ffdnet-gray: ")
    assert "PSNR over σ" in out
    assert "wrote out/ffdnet-gray-assessment.png" in out
    assert "Lipschitz bounds" in err
    assert "Lipschitz bounds" not in out


def test_the_averaged_prior_has_files_of_its_own(command, work: Path) -> None:
    words = ("ffdnet-gray", "--images", "in", "--iterations", 2, "--equivariant")
    assert command(*words)[0] == 0
    assert (work / "ffdnet-gray-equivariant-assessment.json").is_file()
    assert (work / "ffdnet-gray-equivariant-assessment.png").is_file()


def test_the_card_gets_the_block_and_keeps_the_rest(
    command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "CARDS", work / "cards")
    (work / "cards").mkdir()
    source = registry.PACKAGE / "cards" / "ffdnet-gray.yaml"
    card = shutil.copy(source, work / "cards")
    before = yaml.safe_load(Path(card).read_text(encoding="utf-8"))
    code, out, err = command("ffdnet-gray", "--card", "--out", "out")
    assert code == 0, err
    assert f"wrote {card}" in out
    found = registry.describe("ffdnet-gray").assessment
    assert found is not None
    assert found.weights == registry.fingerprint(registry.describe("ffdnet-gray"))
    assert found.images == ["photo", "dead leaves"]
    later = found.model_copy(update={"iterations": 7})
    for assessment in (found, later):
        add_to_card(Path(card), assessment)
        after = yaml.safe_load(Path(card).read_text(encoding="utf-8"))
        assert {k: v for k, v in after.items() if k != "assessment"} == {
            k: v for k, v in before.items() if k != "assessment"
        }
        read = Card.model_validate(after)
        assert read.assessment is not None
        assert read.assessment.compact() == after["assessment"] == assessment.compact()
        assert all(line in str(read) for line in assessment.headlines)
    assert "assessed        Lipschitz constant of D 0.50" in str(read)
    assert "assessed        7 iterations: HQS " in str(read)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "unknown prior 'none'"),
        (["none.yaml"], "no such file: none.yaml"),
        (["ffdnet-gray", "--images", "nowhere"], "no such folder of images: nowhere"),
        (["ffdnet-gray", "--images", "in/a.png"], "no such folder of images"),
        (["ffdnet-gray", "--out", "in/a.png"], "--out in/a.png: the output is a folder"),
        (["ffdnet-gray", "--device", "abacus"], "--device abacus"),
        (["ffdnet-gray", "--card", "--iterations", "5"], "--card records the usual assessment"),
        (["ffdnet-gray", "--card", "--images", "in"], "--card records the usual assessment"),
        (["ffdnet-gray", "--card", "--equivariant"], "--card records the usual assessment"),
    ],
)
def test_each_mistake_is_one_line(command, work: Path, words: list[str], message: str) -> None:
    before = sorted(work.rglob("*"))
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(work.rglob("*")) == before


def test_help_says_what_is_written(command) -> None:
    code, out, _ = command("--help")
    assert code == 0
    assert "assessment.png" in out
