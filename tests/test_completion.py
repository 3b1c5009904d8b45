"""What Tab completes, asked as a shell asks it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pnp_priors import completion, registry
from pnp_priors.cli import app
from pnp_priors.pipelines import available as pipelines


def complete(words: str) -> list[str]:
    """The answer to Tab behind these words in bash."""
    env = {
        "_PNP_PRIORS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    return CliRunner().invoke(app, [], prog_name="pnp-priors", env=env).stdout.split()


@pytest.mark.parametrize(
    "command", ["info", "show", "assess", "receptive-field", "bench denoising", "tune"]
)
def test_names_of_priors(command) -> None:
    assert complete(f"pnp-priors {command} dncnn-") == [
        name for name in registry.available() if name.startswith("dncnn-")
    ]
    assert complete(f"pnp-priors {command} ") == registry.available()
    assert complete(f"pnp-priors {command} x") == []


def test_lists_of_priors() -> None:
    found = complete("pnp-priors compare photo.png --priors genericdp,foe-s-")
    assert found == [f"genericdp,foe-s-s{level}" for level in (15, 25, 50)]
    again = completion.prior_lists("foe-s-s15,foe-s-")
    assert again == ["foe-s-s15,foe-s-s25", "foe-s-s15,foe-s-s50"]
    assert completion.prior_lists("") == registry.available()


def test_names_of_pipelines() -> None:
    assert completion.pipelines("de") == [name for name in pipelines() if name.startswith("de")]
    assert "denoising" in completion.pipelines("")
    assert complete("pnp-priors run jp") == ["jpeg_deblocking"]


def test_commands_are_completed_too() -> None:
    assert {"show", "schema"} <= set(complete("pnp-priors s"))


def test_completing_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pnp_priors import completion\n"
        "assert completion.priors('gen') and completion.pipelines('')\n"
        "print([m for m in ('torch', 'deepinv', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
