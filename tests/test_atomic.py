"""Files appear whole or not at all, also when the process that writes them is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pnp_priors.atomic import remove_leftovers, whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("before")

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        whole(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    whole(tmp_path / "deep" / "a.txt", lambda temporary: temporary.write_text("x"))
    mode = (tmp_path / "deep" / "a.txt").stat().st_mode
    assert mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_write_leaves_a_hidden_part_that_goes_when_it_is_old(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from pnp_priors.atomic import whole\n"
        "def half(temporary):\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
        "whole(Path(sys.argv[1]), half)"
    )
    path = tmp_path / "a.png"
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".")
    assert part.read_bytes() == b"half"

    (tmp_path / ".somebody.part.png").touch()
    os.utime(tmp_path / ".somebody.part.png", (0, 0))
    remove_leftovers(tmp_path)
    assert part.exists(), "another process may be writing it"
    long_ago = time.time() - 3600
    os.utime(part, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [".somebody.part.png"]
