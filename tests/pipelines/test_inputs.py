"""What is restored and where to: mirrored, nothing twice, nothing over an input."""

import os
import tempfile
from pathlib import Path

import pytest

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.pipelines.inputs import Job, check_writable, left_out, plan, tidy


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """Names alone: nothing here reads a file."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/notes.txt", "in/deep/b.tif", "in/deep/c.JPG", "in/[1].png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def planned(*inputs, out="out"):
    return [(job.source.as_posix(), job.target.as_posix()) for job in plan(inputs, Path(out))]


def test_a_folder_is_mirrored_in_order():
    assert planned("in") == [
        ("in/[1].png", "out/[1].png"),
        ("in/a.png", "out/a.png"),
        ("in/deep/b.tif", "out/deep/b.tif"),
        ("in/deep/c.JPG", "out/deep/c.JPG"),
    ]


def test_single_files():
    assert planned("in/a.png") == [("in/a.png", "out/a.png")]
    assert planned("in/a.png", out="x.tif") == [("in/a.png", "x.tif")]
    assert planned("in/[1].png") == [("in/[1].png", "out/[1].png")], "a name, not a pattern"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/**/*.tif", ["deep/b.tif"]),
        ("in/*.png", ["[1].png", "a.png"]),
        ("in/*", ["[1].png", "a.png", "deep/b.tif", "deep/c.JPG"]),
        ("in/**", ["[1].png", "a.png", "deep/b.tif", "deep/c.JPG"]),
        ("in/d*", ["deep/b.tif", "deep/c.JPG"]),
        ("*/deep/?.tif", ["in/deep/b.tif"]),
        ("**/[bc].*", ["in/deep/b.tif", "in/deep/c.JPG"]),
    ],
)
def test_a_pattern_is_mirrored_from_its_first_plain_folder(pattern, expected):
    jobs = plan([pattern], Path("out"))
    assert [job.target.as_posix() for job in jobs] == [f"out/{name}" for name in expected]
    assert all(job.source.is_file() for job in jobs)
    absolute = plan([Path.cwd() / pattern], Path("out"))
    assert [job.target for job in absolute] == [job.target for job in jobs]


def test_results_and_hidden_files_are_no_input():
    unwanted = ("in/out/a.png", "in/.hidden.png", "in/.trash/d.png", "in/a.png.report.png")
    for name in unwanted:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    expected = ["[1].png", "a.png", "b.tif", "c.JPG"]
    for given in ("in", "in/**", "in/*"):
        jobs = plan([given], Path("in/out"))
        assert [job.source.name for job in jobs] == expected


def test_pictures_of_other_kinds_are_known_by_name():
    names = ("in/a.gif", "in/deep/b.HEIC", "in/.hidden.gif", "in/out/d.gif", "in/e.jp2/f.nef")
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    expected = ["a.gif", "b.HEIC", "f.nef"]
    for given in (["in"], ["in/**"], ["in", "in/*.gif", "in/a.png"]):
        assert [path.name for path in left_out(given, Path("in/out"))] == expected
    assert left_out(["in/a.png", "in/*.png", "none"], Path("out")) == []
    with pytest.raises(InputError, match=r"e\.jp2: no images in this folder \(only \.nef, which"):
        plan(["in/e.jp2"], Path("out"))
    with pytest.raises(MissingFileError, match=r"no images match in/\*\.gif \(only \.gif, which"):
        plan(["in/*.gif"], Path("out"))


def test_what_is_named_twice_is_restored_once():
    assert planned("in/a.png", "in/*.png", "in/../in/a.png") == [
        ("in/a.png", "out/a.png"),
        ("in/[1].png", "out/[1].png"),
    ]


def test_bad_plans():
    with pytest.raises(MissingFileError, match="no such file or folder: none"):
        plan(["none"], Path("out"))
    with pytest.raises(MissingFileError, match=r"no images match in/\*\.bmp"):
        plan(["in/*.bmp"], Path("out"))
    with pytest.raises(InputError, match=r"in.notes\.txt: not an image that can be read"):
        plan(["in/notes.txt"], Path("out"))
    with pytest.raises(InputError, match="overwrite the input"):
        plan(["in"], Path("in"))
    Path("other").mkdir()
    Path("other/a.png").touch()
    with pytest.raises(InputError, match=r"would both be written to out.a\.png"):
        plan(["in", "other"], Path("out"))
    Path("empty/x.png").mkdir(parents=True)
    with pytest.raises(InputError, match="empty: no images"):
        plan(["empty"], Path("out"))
    with pytest.raises(InputError, match=r"x\.png: no images in this folder"):
        plan(["empty/x.png"], Path("out"))
    with pytest.raises(InputError, match="must be a folder"):
        plan(["in"], Path("in/a.png"))
    with pytest.raises(InputError, match=r"x\.png: .*must be a folder.* name of a file"):
        plan(["in", "in/a.png"], Path("x.png"))
    Path("out/a.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"out.a\.png is a folder, so in.a\.png cannot be written"):
        plan(["in"], Path("out"))


def test_done_is_a_file_that_is_there():
    job = Job(Path("in/a.png"), Path("out/a.png"))
    assert not job.done
    Path("out").mkdir()
    Path("out/a.png").touch()
    assert job.done


def test_a_file_where_a_folder_is_needed_is_found_before_work():
    with pytest.raises(InputError, match=r"notes\.txt: cannot write there \(Not a directory\)"):
        check_writable(plan(["in"], Path("in/notes.txt/out")))
    check_writable(plan(["in"], Path("new/folder")))
    assert not Path("new").exists()


def test_a_folder_without_permission_is_found_before_work(monkeypatch):
    Path("out/deep").mkdir(parents=True)
    if os.geteuid() == 0:  # who may write anywhere
        real = tempfile.TemporaryFile

        def refuse(dir):
            if Path(dir).name == "deep":
                raise PermissionError(13, "Permission denied")
            return real(dir=dir)

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    else:
        Path("out/deep").chmod(0o500)
    with pytest.raises(InputError, match=r"out.deep: cannot write there \(Permission denied\)"):
        check_writable(plan(["in"], Path("out")))
    check_writable(plan(["in/a.png"], Path("out")))


def test_leftovers_of_a_killed_run_are_tidied_up():
    for folder in ("out", "out/deep"):
        Path(folder).mkdir()
        part = Path(folder, ".pnp_priors-0123.part.png")
        part.touch()
        os.utime(part, (0, 0))
    tidy(plan(["in"], Path("out")))
    assert [path for path in Path("out").rglob("*") if path.is_file()] == []
