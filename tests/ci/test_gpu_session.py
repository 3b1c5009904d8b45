"""What travels to a lent GPU machine, and the session there: both in miniature, on the CPU."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import pnp_priors
from pnp_priors.errors import ConfigError, InputError, MissingFileError, UnknownNameError
from pnp_priors.training import fonts
from pnp_priors.training.command import recipe_path
from pnp_priors.training.recipe import Recipe

SCRIPTS = Path(__file__).parents[2] / ".ci" / "gpu"
TINY: dict[str, Any] = {
    "system": "dncnn",
    "architecture": {"depth": 3, "width": 8, "blind": True, "sigma_range": [0.0, 0.2]},
    "card": {"title": "t", "paper": "p", "licence": "MIT", "iterative_use": "not suited: blind"},
    "data": {
        "sources": [{"folder": "train/some", "hold_out": 1}],
        "patch": 16,
        "batch": 2,
        "sigma": [0.0, 0.2],
    },
    "optimizer": {"lr": {"weights": 1e-3}, "warmup_steps": 2},
    "steps": 3,
    "validate_every": 100,
    "validation_sigmas": [0.1],
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    return importlib.import_module("session")


@pytest.fixture
def pack(session: ModuleType) -> ModuleType:
    return importlib.import_module("pack")


@pytest.fixture
def place(
    tmp_path: Path,
    scene: Callable[..., Tensor],
    session: ModuleType,
    pack: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Images in two folders, tiny recipes ``one`` and ``two`` (starts from one), their budgets."""
    for folder in ("train/some", "train/unused"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for seed in range(3):
            pixels = scene(20 + seed, 24, seed=seed)[0, 0].mul(255).round().byte().numpy()
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{seed}.png")
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    for name, changes in {"one": {}, "two": {"warm_start": "one"}}.items():
        content = {"name": name, **TINY, **changes}
        (recipes / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    budgets = "one: {minutes: 5}\ntwo: {minutes: 5}\n"
    (tmp_path / "budgets.yaml").write_text(budgets, encoding="utf-8")
    monkeypatch.setattr(session, "EXPERIMENTS", recipes)
    # No network in a test, and nothing that the CPU takes long for.
    monkeypatch.setattr(pack, "download", lambda folder: [])
    monkeypatch.setattr(pack, "checkout_bytes", lambda: 1000)
    monkeypatch.setattr(session, "inference", lambda names, deadline: iter([]))
    return tmp_path


def call(session: ModuleType, place: Path, plan: str, *options: str) -> tuple[int, dict, Path]:
    """A session from the packed folder: exit code, ``session.json``, the folder that comes back."""
    out = place / f"out{len(list(place.glob('out*')))}"
    arguments = ["--minutes", "3", "--plan", plan, "--out", str(out)]
    arguments += ["--carried", str(place / "carried"), "--budgets", str(place / "budgets.yaml")]
    code = session.main([*arguments, *options])
    file = out / "session.json"
    return code, json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}, out


def packed(pack: ModuleType, place: Path, plan: str, **options: Any) -> str:
    shares = pack.parse_plan(plan)
    folders = {"carried": place / "carried", "results": place / "results"}
    budgets = place / "budgets.yaml"
    return pack.pack(shares, place / "data", budgets=budgets, **folders, **options)


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


# --- a session, and the next one -----------------------------------------------------------------


def test_three_short_sessions_equal_one_long_one(
    session: ModuleType, pack: ModuleType, place: Path
) -> None:
    """Of three steps, with all that lies between: what came back is unpacked and carried again."""
    for number in range(3):
        packed(pack, place, "one:1")
        # The first call chooses the batch; the others go on with it.
        options = ["--batch", "4", "--lr-factor", "3"] if number == 0 else []
        code, report, out = call(session, place, "one:0.0000001", *options)
        result = report["recipes"]["one"]
        assert code == 0
        assert result["steps"] == 1
        assert result["continued"] is (number > 0)
        assert result["finished"] is (number == 2)
        assert result["pixels_per_second"] > 0
        assert pack.collect(out, place / "results") == ["one"]
    assert sorted(p.name for p in (place / "results").glob("session-*.json")) == [
        f"session-{number}.json" for number in (1, 2, 3)
    ]
    (place / "carried" / "checkpoints" / "one" / "checkpoint.pt").unlink()
    code, report, out = call(session, place, "one:2", "--batch", "4", "--lr-factor", "3")
    assert (code, report["recipes"]["one"]["steps"]) == (0, 3)
    pack.collect(out, place / "whole")
    parts, whole = (checkpoint(place / folder / "one") for folder in ("results", "whole"))
    for part in ("network", "average"):
        assert parts[part].keys() == whole[part].keys()
        assert all(torch.equal(v, whole[part][k]) for k, v in parts[part].items())
    assert parts["progress"]["pixels"] == whole["progress"]["pixels"] == 3 * 4 * 16 * 16


def test_what_is_rendered_there_finds_its_fonts(
    session: ModuleType, pack: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fonts are carried; the machine has no package that holds them."""
    recipe = place / "recipes" / "one.yaml"
    content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    content["data"]["sources"] = [{"rendered": "documents", "count": 3, "hold_out": 1}]
    recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert "images 0.0, fonts " in packed(pack, place, "one:1")
    carried = sorted(file.name for file in (place / "carried" / "fonts").iterdir())
    assert carried == sorted(file.name for file in fonts.files())

    monkeypatch.setattr(fonts, "_PLACES", dict.fromkeys(fonts._PLACES, ("nowhere", "no-package")))
    monkeypatch.setenv("PNP_PRIORS_FONTS", "")  # to be restored; empty is as good as unset
    monkeypatch.delenv("PNP_PRIORS_FONTS")
    fonts.font.cache_clear()
    code, report, _ = call(session, place, "one:1")
    assert (code, report["recipes"]["one"]["finished"]) == (0, True)
    fonts.font.cache_clear()


def test_the_card_says_how_it_was_trained_and_loads(
    session: ModuleType, pack: ModuleType, place: Path
) -> None:
    packed(pack, place, "one:1")
    _, _, out = call(session, place, "one:1")
    pack.collect(out, place / "results")
    card = place / "results" / "one" / "cards" / "one.yaml"
    text = pnp_priors.describe(card).training.recipe_text
    assert text["data"]["batch"] == session.BATCH
    assert text["optimizer"]["lr"]["weights"] == pytest.approx(
        1e-3 * session.LR_SHARE * (session.BATCH / 2) ** 0.5
    )
    assert (
        f"batches of {session.BATCH} instead of 2, learning rates times 4.24" in text["description"]
    )
    prior = pnp_priors.load(card)
    average = checkpoint(place / "results" / "one")["average"]
    assert torch.equal(prior.state_dict()["body.0.weight"], average["module.body.0.weight"])


def test_a_recipe_starts_from_one_of_the_same_session_or_of_an_earlier_one(
    session: ModuleType, pack: ModuleType, place: Path
) -> None:
    packed(pack, place, "one:1,two:1")
    code, report, out = call(session, place, "one:1,two:1")
    assert code == 0
    pack.collect(out, place / "results")
    sha = pnp_priors.describe(place / "results" / "one" / "cards" / "one.yaml").weights.sha256
    assert report["recipes"]["two"]["started_from"].endswith(sha)

    (place / "results" / "two" / "checkpoint.pt").unlink()
    packed(pack, place, "two:1")
    code, report, _ = call(session, place, "two:1")
    assert code == 0
    assert report["recipes"]["two"]["started_from"].endswith(sha)


def test_a_run_folder_of_one_s_own_is_started_from(
    session: ModuleType, pack: ModuleType, place: Path
) -> None:
    with pytest.raises(MissingFileError, match="two starts from one, which is not released"):
        packed(pack, place, "two:1")
    packed(pack, place, "one:1")
    _, _, out = call(session, place, "one:1")
    pack.collect(out, place / "mine")
    packed(pack, place, "two:1", starts=[place / "mine" / "one"])
    assert call(session, place, "two:1")[0] == 0
    with pytest.raises(MissingFileError, match=r"--start: no cards/recipes\.yaml"):
        packed(pack, place, "two:1", starts=[place / "recipes"])


def test_one_that_fails_does_not_cost_the_others(
    session: ModuleType, pack: ModuleType, place: Path, capsys: pytest.CaptureFixture
) -> None:
    packed(pack, place, "one:1")
    recipe = place / "recipes" / "two.yaml"
    content = {"name": "two", **TINY, "data": {**TINY["data"], "patch": 64}}
    recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
    code, report, out = call(session, place, "two:1,one:1")
    assert code == 1
    assert "smaller than a patch of 64" in report["recipes"]["two"]["error"]
    assert report["recipes"]["one"]["finished"] is True
    assert sorted(p.name for p in out.iterdir()) == ["one.tar.gz", "session.json"]
    assert "Traceback" in capsys.readouterr().err


# --- what is refused before the clock runs -------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("one", r"expected NAME:MINUTES, above 0, got 'one'"),
        ("one:0", r"expected NAME:MINUTES, above 0"),
        ("one:much", r"expected NAME:MINUTES"),
        ("one:nan", r"expected NAME:MINUTES"),
        ("one:1,one:1", r"one is there twice"),
        ("one:2,two:2", r"--plan takes 4 of 3 minutes"),
        ("ka-s15:1", r"no budget for ka-s15; there are: one, two"),
        (",".join(f"r{i}:0.1" for i in range(8)), r"7 recipes at most"),
        ("two:1", r"two starts from one, which is not released"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(
    session: ModuleType, place: Path, plan: str, message: str, capsys: pytest.CaptureFixture
) -> None:
    code, report, _ = call(session, place, plan)
    err = capsys.readouterr().err
    assert (code, report) == (2, {})
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_budgets_are_checked(session: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "budgets.yaml"
    for text, message in (
        ("one: {minutes: 0}", "one: minutes"),
        ("one: {minute: 3}", "one: unknown key 'minute'|one: missing key"),
        ("one: 3", "one: expected keys"),
        ("- one", "expected recipes and budgets"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            session.read_budgets(file)


def test_the_shipped_budgets_are_of_recipes(session: ModuleType) -> None:
    for name in session.read_budgets(session.BUDGETS):
        assert Recipe.read(session.find_recipe(name)).name == name
    with pytest.raises(UnknownNameError, match="nearest: dncnn-b"):
        session.find_recipe("dncnn-bb")


def test_a_continued_run_keeps_its_batch(
    session: ModuleType, pack: ModuleType, place: Path, capsys: pytest.CaptureFixture
) -> None:
    packed(pack, place, "one:1")
    _, _, out = call(session, place, "one:0.0000001", "--batch", "4")
    pack.collect(out, place / "results")
    packed(pack, place, "one:1")
    assert call(session, place, "one:1", "--batch", "8")[0] == 2
    assert "--batch: one began with 4, not with 8" in capsys.readouterr().err
    assert call(session, place, "one:1", "--lr-factor", "5")[0] == 2
    began = str(session.LR_SHARE * (4 / 2) ** 0.5)
    assert call(session, place, "one:1", "--batch", "4", "--lr-factor", began)[0] == 0


def test_scaling_changes_batch_rates_and_description_alone(session: ModuleType) -> None:
    recipe = Recipe.read(recipe_path("genericdp"))
    assert session.scaled(recipe, recipe.data.batch, 1.0) == recipe
    changed = session.scaled(recipe, 96, 2.0)
    before, after = recipe.model_dump(), changed.model_dump()
    assert after["data"].pop("batch") == 96
    before["data"].pop("batch")
    rates = before["optimizer"].pop("lr")
    assert after["optimizer"].pop("lr") == {k: 2 * v for k, v in rates.items()}
    before.pop("description"), after.pop("description")
    assert before == after


# --- what travels --------------------------------------------------------------------------------


def test_only_what_the_plan_needs_is_carried(pack: ModuleType, place: Path) -> None:
    (place / "data" / "train" / "some" / "notes.txt").write_text("no image")
    stale = place / "carried" / "checkpoints" / "old" / "checkpoint.pt"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    packed(pack, place, "one:1")
    carried = place / "carried"
    files = sorted(p.relative_to(carried).as_posix() for p in carried.rglob("*") if p.is_file())
    assert files == [f"data/train/some/{i}.png" for i in range(3)]
    for name in files:
        assert (carried / name).read_bytes() == (place / name).read_bytes()


def test_the_checkout_is_what_git_does_not_ignore(
    pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name, content in {".gitignore": "/runs/\n", "new": "12345", "runs/big": "0" * 99}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    assert pack.checkout_bytes() == len("/runs/\n") + 5


def test_too_much_is_refused_and_nothing_left_out(pack: ModuleType, place: Path) -> None:
    sizes = sum(f.stat().st_size for f in (place / "data" / "train" / "some").iterdir())
    with pytest.raises(InputError, match=r"too much to carry, .*checkout 0\.0, images 0\.0"):
        packed(pack, place, "one:1", limit=1000 + sizes - 1)
    assert not (place / "carried" / "data").exists()
    packed(pack, place, "one:1", limit=1000 + sizes)
    assert (place / "carried" / "data").is_dir()
    assert pack.LIMIT < 64 * 2**20


def test_files_that_would_not_come_back_are_split(session: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "name"
    (folder / "weights").mkdir(parents=True)
    noise = torch.randint(256, (50_000,), generator=torch.Generator().manual_seed(0))
    content, weights = bytes(noise[:30_000].tolist()), bytes(noise[30_000:].tolist())
    (folder / "checkpoint.pt").write_bytes(content)
    (folder / "weights" / "w").write_bytes(weights)
    assert [f.name for f in session.bundle(folder, tmp_path, 60_000)] == ["name.tar.gz"]
    files = session.bundle(folder, tmp_path, 40_000)
    assert [f.name for f in files] == ["name.tar.gz", "name.checkpoint.tar.gz"]
    for file in files:
        with tarfile.open(file) as archive:
            archive.extractall(tmp_path / "again", filter="data")
    assert (tmp_path / "again" / "name" / "checkpoint.pt").read_bytes() == content
    assert (tmp_path / "again" / "name" / "weights" / "w").read_bytes() == weights
    with pytest.raises(RuntimeError, match=r"name\.checkpoint\.tar\.gz has .* over 25,000"):
        session.bundle(folder, tmp_path, 25_000)


def test_wheels_come_first_on_the_path_of_the_machine_s_python(
    session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "carried-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("only_in_the_wheel.py", "answer = 42")
    monkeypatch.setattr(session, "PYTHON", (2, 7))
    session.prepare(tmp_path)
    assert importlib.util.find_spec("only_in_the_wheel") is None
    monkeypatch.setattr(session, "PYTHON", sys.version_info[:2])
    session.prepare(tmp_path)
    importlib.invalidate_caches()
    assert importlib.import_module("only_in_the_wheel").answer == 42
    del sys.modules["only_in_the_wheel"]


#: what the machine's image holds (2026-11-17), of all that training may import
ON_THE_MACHINE = {
    *("torch", "torchvision", "torchmetrics", "triton", "numpy", "scipy", "pillow", "pyyaml"),
    *("safetensors", "rich", "markdown-it-py", "mdurl", "pygments", "fsspec", "packaging"),
    *("lightning-utilities", "setuptools", "tqdm", "sympy", "mpmath", "networkx", "jinja2"),
    *("markupsafe", "filelock", "psutil", "requests", "charset-normalizer", "urllib3", "idna"),
    *("certifi", "aiohttp", "matplotlib", "cycler", "contourpy", "fonttools", "kiwisolver"),
    *("pyparsing", "python-dateutil", "six", "einops", "h5py", "tifffile", "typer", "click"),
    *("shellingham", "optree", "onnx", "onnxscript", "ml-dtypes", "pytest", "colorama", "attrs"),
}


def test_everything_that_training_imports_is_there_or_carried(pack: ModuleType) -> None:
    """Found by importing it in a process of its own, as far as a network and its optimizer."""
    code = """
import sys
sys.path[:0] = sys.argv[1:]
import torch, session, measuring
import pnp_priors.training.command, pnp_priors.training.lbfgs, pnp_priors.training.release
from lightning_fabric import Fabric
from pnp_priors import registry
registry.load("ffdnet-gray")
session.read_budgets(session.BUDGETS)
print(*{name.partition(".")[0] for name, m in sys.modules.items() if getattr(m, "__file__", None)})
"""
    paths = [str(SCRIPTS), str(SCRIPTS.parents[1] / "benchmarks")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    owners = packages_distributions()
    found = {
        owner.lower().replace("_", "-")
        for module in done.stdout.split()
        for owner in owners.get(module, [])
    }
    assert {"pydantic", "torch", "lightning-fabric"} <= found
    ours = {"pnp-priors"} | {d for d in found if d.startswith(("nvidia-", "cuda-"))}
    assert found - ours - ON_THE_MACHINE - set(pack.WHEELS.values()) == set()


# --- inference speed -----------------------------------------------------------------------------


def test_every_prior_is_timed_or_says_why_not(
    session: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.prepare(SCRIPTS)
    real = pnp_priors.registry.load

    def load(name: str, **options: Any) -> Any:
        if name == "broken":
            raise RuntimeError("CUDA error:\nno kernel")
        return real(name, **options)

    monkeypatch.setattr(pnp_priors.registry, "load", load)
    names = ["ffdnet-gray", "broken", "genericdp-color"]
    found = dict(session.inference(names, float("inf"), size=16, repeats=2))
    assert list(found) == names
    assert found["broken"] == {"error": "CUDA error: no kernel"}
    for name in ("ffdnet-gray", "genericdp-color"):
        assert 0 < found[name]["best"] <= found[name]["median"]
    late = dict(session.inference(names, float("-inf"), size=16))
    assert all(result == {"skipped": "no time left"} for result in late.values())
