import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pnp_priors import registry
from pnp_priors.benchmark import measuring, plan
from pnp_priors.benchmark.command import app
from pnp_priors.benchmark.plan import Plan, jobs
from pnp_priors.benchmark.results import read
from pnp_priors.errors import ConfigError, InputError, MissingFileError
from pnp_priors.schema import parse_as

PLAN = {
    "entries": [
        {"task": "denoising", "sets": ["BSD68"], "channels": 1, "levels": [15, 50, 75]},
        {"task": "denoising", "sets": ["CBSD68"], "priors": ["be*"], "levels": [25]},
        {"task": "deblocking", "sets": ["classic5"], "levels": [10, 20]},
        {
            "task": "deconvolution",
            "sets": ["set12"],
            "methods": ["hqs"],
            "blur": "circular",
            "priors": ["alpha"],
            "levels": [7.65],
        },
    ]
}


class Machine:
    """Two priors in a data folder and a plan; counts what is measured."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.out, self.data = folder / "docs", data
        self.measured: list[tuple[str, str, float]] = []
        self.stop_after: int | None = None

    @property
    def path(self) -> Path:
        return self.out / "results.json"

    def run(self, *words: str) -> list[tuple[str, str, float]]:
        """Runs ``bench all``; what it has measured."""
        self.measured.clear()
        arguments = ["all", "--out", str(self.out), "--data", str(self.data), *words]
        result = CliRunner(env={"PNP_PRIORS_DATA": None}).invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return list(self.measured)


@pytest.fixture
def machine(
    tmp_path: Path,
    data: Path,
    smoother,
    cards: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Machine:
    cards("alpha")
    cards("beta", sigma_range=[0.0588235, 0.0588235], tasks=["gaussian", "jpeg"])
    there = Machine(tmp_path, data)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN))
    monkeypatch.setattr(plan, "PLAN", path)
    monkeypatch.setattr(smoother, "blind", True)
    name = ""

    def load(asked: str, device: str) -> object:
        nonlocal name
        name = asked
        return smoother

    real = measuring.measure

    def measure(prior, problems, setting, level, device, done):
        if len(there.measured) == there.stop_after:
            raise KeyboardInterrupt
        there.measured.append((name, setting.dataset, level))
        return real(prior, problems, setting, level, device, done)

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr("pnp_priors.benchmark.results.measure", measure)
    return there


ALL = [
    ("alpha", "BSD68", 15),
    ("alpha", "BSD68", 50),
    ("alpha", "set12", 7.65),
    ("beta", "BSD68", 15),
    ("beta", "classic5", 10),
    ("beta", "classic5", 20),
]


def test_a_plan_asks_each_prior_what_it_was_trained_for(machine: Machine) -> None:
    found = jobs(parse_as(Plan, PLAN, "plan"))
    assert sorted((j.card.name, j.setting.dataset, j.level) for j in found) == sorted(ALL)
    entry = PLAN["entries"][0] | {"levels": [50], "without": ["alp*"]}
    with pytest.raises(ConfigError, match="asks for nothing"):
        jobs(parse_as(Plan, {"entries": [entry]}, "plan"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"task": "denosing"}, r"entries\.0\.task"),
        ({"levels": [0.1]}, "0..1 units"),
        ({"task": "deblocking"}, "unknown deblocking set 'BSD68'"),
        ({"task": "super-resolution", "sets": ["Set5"], "levels": [2]}, "method"),
        ({"prior": ["x"]}, "priors"),
    ],
)
def test_a_wrong_plan_is_one_line(changes: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parse_as(Plan, {"entries": [PLAN["entries"][0] | changes]}, "plan.yaml")
    assert "\n" not in str(caught.value)


def test_the_shipped_plan_is_valid_and_covers_the_released_priors() -> None:
    found = jobs(plan.plan())
    assert {job.card.name for job in found} == set(registry.available())
    assert len({job.key for job in found}) == len(found)


def test_the_shipped_plan_measures_a_network_of_three_tasks_in_all(
    cards: Callable[..., Path],
) -> None:
    cards(
        "dncnn-3",
        sigma_range=[0.0, 55 / 255],
        blind=True,
        tasks=["gaussian", "jpeg", "super-resolution"],
        quality_range=[5, 99],
        scales=[2, 3, 4],
    )
    cards("half", tasks=["jpeg", "super-resolution"], quality_range=[15, 30], scales=[3])
    found: dict[tuple[str, str, str | None], list[float]] = {}
    for job in jobs(plan.plan()):
        key = job.card.name, job.setting.dataset, job.setting.method
        found.setdefault(key, []).append(job.level)
    scales = [2, 3, 4]
    qualities = [10, 20, 30, 40]
    assert found == {
        ("dncnn-3", "BSD68", None): [15, 25, 50],
        ("dncnn-3", "BSD68-half", None): qualities,
        ("dncnn-3", "classic5", None): qualities,
        ("dncnn-3", "LIVE1", None): qualities,
        ("dncnn-3", "Set5", "direct"): scales,
        ("dncnn-3", "Set14", "direct"): scales,
        **{("half", name, None): [20, 30] for name in ("BSD68-half", "classic5", "LIVE1")},
        **{("half", name, "direct"): [3] for name in ("Set5", "Set14")},
    }


def test_nothing_is_measured_twice(machine: Machine, cards: Callable[..., Path]) -> None:
    assert machine.run() == ALL
    first = machine.path.read_text()
    assert machine.run() == []
    assert machine.path.read_text() == first
    # New weights: this prior alone.
    weights = {"file": "a.safetensors", "sha256": "1" * 64, "bytes": 1}
    cards("alpha", weights=weights)
    assert machine.run() == ALL[:3]
    assert {c.weights for c in read(machine.path) if c.prior == "alpha"} == {"1" * 64}


def test_a_new_protocol_measures_its_task_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run()
    monkeypatch.setitem(measuring.PROTOCOL_VERSIONS, "deblocking", 99)
    assert machine.run() == ALL[4:]
    assert len(read(machine.path)) == len(ALL)


def test_a_new_version_of_one_method_measures_it_alone_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run()
    monkeypatch.setitem(measuring.METHOD_VERSIONS, ("deblocking", "another"), 99)
    assert machine.run() == []
    monkeypatch.setitem(measuring.METHOD_VERSIONS, ("deblocking", None), 99)
    assert machine.run() == ALL[4:]


def test_a_stopped_run_keeps_what_it_had(machine: Machine) -> None:
    machine.stop_after = 2
    machine.run()
    assert [(c.prior, c.dataset, c.level) for c in read(machine.path)] == ALL[:2]
    machine.stop_after = None
    assert sorted(machine.run()) == sorted(ALL[2:])


def test_only_some_priors_and_what_is_no_longer_asked_for(
    machine: Machine, cards: Callable[..., Path]
) -> None:
    assert machine.run("--only", "be*") == ALL[3:]
    assert machine.run("--only", "alpha") == ALL[:3]
    with pytest.raises(InputError, match=r"gamma.*alpha, beta"):
        machine.run("--only", "gamma")
    (registry.CARDS / "beta.yaml").unlink()
    cards("gamma", sigma_range=[0.0, 0.1])
    assert machine.run() == [("gamma", "BSD68", 15)]
    assert {c.prior for c in read(machine.path)} == {"alpha", "gamma"}


def test_numbers_are_those_of_the_single_commands(machine: Machine, tmp_path: Path) -> None:
    machine.run("--only", "alpha")
    words = ["denoising", "alpha", "--sigma", "15", "--data", str(machine.data)]
    out = tmp_path / "one.json"
    assert CliRunner().invoke(app, [*words, "--json", str(out)]).exit_code == 0
    level = json.loads(out.read_text())["measured"][0]["levels"]["15"]
    cell = read(machine.path)[0]
    assert cell.psnr == pytest.approx(level["psnr"], abs=1e-6)
    assert cell.degraded_ssim == pytest.approx(level["degraded_ssim"], abs=1e-6)
    assert cell.images["test002.png"][0] == pytest.approx(level["images"][1]["psnr"], abs=1e-4)


def test_the_page_is_made_from_the_file_alone(machine: Machine) -> None:
    machine.run()
    page = machine.out / "results.md"
    text = page.read_text(encoding="utf-8")
    page.unlink()
    for file in (machine.data / "eval").rglob("*.png"):
        file.unlink()
    assert machine.run("--render") == []
    assert page.read_text(encoding="utf-8") == text
    with pytest.raises(InputError, match="nothing"):
        machine.run("--render", "--limit", "1")
    machine.path.unlink()
    with pytest.raises(InputError, match="without it"):
        machine.run("--render")


def test_cards_get_their_rows(machine: Machine) -> None:
    machine.run("--card")
    rows = {(row.task, row.dataset): row for row in registry.describe("beta").results}
    assert list(rows["deblocking", "classic5"].psnr) == ["10", "20"]
    assert list(rows["denoising", "BSD68"].psnr) == ["15"]
    assert rows["denoising", "other"].command == "kept"
    row = next(row for row in registry.describe("alpha").results if row.dataset == "set12, hqs")
    expected = "deconvolution alpha --set set12 --sigma 7.65 --method hqs --blur circular"
    assert row.command == f"pnp-priors bench {expected}"
    assert machine.run() == []


def test_some_images_do_not_replace_whole_sets(machine: Machine) -> None:
    machine.run("--limit", "1", "--only", "beta")
    assert all(len(cell.images) == 1 for cell in read(machine.path))
    assert "the first of the set only" in (machine.out / "results.md").read_text("utf-8")
    with pytest.raises(InputError, match=r"first 1 image.*--out"):
        machine.run()
    with pytest.raises(InputError, match="--limit"):
        machine.run("--card", "--limit", "1")


def test_a_damaged_file_a_missing_set_and_a_wrong_folder_are_one_line(machine: Machine) -> None:
    machine.out.mkdir()
    machine.path.write_text('{"cells": [')
    with pytest.raises(ConfigError, match=r"results\.json: not readable"):
        machine.run()
    machine.path.write_text('{"cells": [{"task": "denoising"}]}')
    with pytest.raises(ConfigError, match=r"missing key 'cells\.0"):
        machine.run()
    machine.path.unlink()
    for file in (machine.data / "eval/classic5").iterdir():
        file.unlink()
    with pytest.raises(MissingFileError, match="classic5"):
        machine.run()
    assert machine.measured == []
    machine.out.rmdir()
    machine.out.write_text("")
    with pytest.raises(InputError, match="this is a file"):
        machine.run()


@pytest.mark.shared_data
def test_one_image_of_every_table_of_a_released_prior(shared: Path, tmp_path: Path) -> None:
    words = ["all", "--limit", "1", "--only", "ffdnet-gray", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*words, "--data", str(shared)])
    assert result.exit_code == 0
    cells = {(c.dataset, c.level): c for c in read(tmp_path / "results.json")}
    assert cells["BSD68", 25].psnr > cells["BSD68", 25].degraded_psnr + 5
    assert cells["set12", 2.55].psnr > cells["set12", 2.55].degraded_psnr + 5
