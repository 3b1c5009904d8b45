"""The command line: what a newcomer types, and what each mistake answers."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from pnp_priors import cli, registry
from pnp_priors.pipelines import schema

ERRORS = 2


def test_list_shows_priors_and_pipelines(command):
    code, out, _ = command("list")
    assert code == 0
    assert "deconvolution" in out
    for name in registry.available():
        assert name in out


def test_list_and_info_say_what_is_blind_and_what_suits_a_solver(command):
    _, listed, _ = command("list")
    for name in registry.available():
        card = registry.describe(name)
        (row,) = (line for line in listed.splitlines() if line.startswith(f"{name} "))
        _, shown, _ = command("info", name)
        assert card.iterative_verdict in row
        assert f"  iterative use   {card.iterative_use}" in shown
        if "gaussian" in card.tasks:
            assert (", blind" in row) == (", blind" in shown) == card.blind
            assert (card.iterative_verdict == "not suited") == card.blind


@pytest.mark.parametrize("width", [80, 119, 120])
def test_the_list_can_be_read_on_a_screen_of_any_usual_width(width):
    screen = Console(width=width, file=io.StringIO())
    screen.print(cli._priors(width))
    shown = screen.file.getvalue()
    words = shown.split()
    assert "…" not in shown  # nothing is cut
    for name in registry.available():
        assert name in words
        levels = registry.describe(name).trained_for.split()
        assert set(levels) <= set(words)  # no word is broken


def test_info_shows_a_card_and_an_unknown_name_the_known_ones(command):
    for name in registry.available():
        code, out, _ = command("info", name)
        assert code == 0
        assert out.startswith(f"{name}: ")
    code, out, err = command("info", "genericpd")
    assert (code, out) == (ERRORS, "")
    assert err.startswith("error: unknown prior 'genericpd'")
    assert err.count("\n") == 1


def test_schema_is_json_with_every_key(command):
    code, out, _ = command("schema", "deconvolution")
    keys = json.loads(out)["properties"]
    assert code == 0
    assert {"task", "kernel", "noise", "prior", "solver", "boundary", "color"} <= set(keys)
    assert command("schema", "deblur")[0] == ERRORS
    everything = json.loads(command("schema")[1])
    assert set(everything["discriminator"]["mapping"]) == set(schema.TASKS)


def test_train_passes_its_arguments_on(command, monkeypatch, tmp_path):
    from pnp_priors.training import command as training

    calls = []
    monkeypatch.setattr(training, "train", lambda *given, **named: calls.append((given, named)))
    arguments = ["--data", tmp_path, "--out", tmp_path / "run", "--minutes", 3]
    arguments += ["--start-from", "genericdp"]
    code, _, _ = command("train", "genericdp", *arguments)
    assert code == 0
    expected = ("genericdp", tmp_path, tmp_path / "run", 3.0, None)
    assert calls == [(expected, {"start_from": "genericdp"})]


def test_bench_is_mounted(command):
    code, out, _ = command("bench", "--help")
    assert code == 0
    assert "denoising" in out


@pytest.mark.parametrize("start", ["import pnp_priors", "import pnp_priors.cli"])
def test_importing_does_not_import_torch(start):
    heavy = "[m for m in ('torch', 'deepinv', 'scipy', 'matplotlib') if m in sys.modules]"
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys; {start}; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_list_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['pnp-priors', 'list']\n"
        "from pnp_priors.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
    ],
)
def test_threads_do_not_spin_for_long_unless_somebody_chose_otherwise(chosen, expected):
    """Before torch is imported, which is when OpenMP asks."""
    code = (
        "import os, sys\n"
        "from pnp_priors import cli\n"
        "cli.app = lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)\n"
        "cli.main()"
    )
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {k: v for k, v in os.environ.items() if k not in ours} | chosen
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert answer.stdout.split() == [expected, "False"]
