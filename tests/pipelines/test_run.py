"""Files: restored at their depth, skipped when done, each failure its own, alone or in batches."""

import errno
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pnp_priors import images, pipelines
from pnp_priors.pipelines.inputs import Job, plan
from pnp_priors.pipelines.run import restore_files


def restored(jobs=None, overrides=None, **options):
    jobs = plan(["in"], Path("out")) if jobs is None else jobs
    return list(restore_files(pipelines.load("p.yaml", overrides), jobs, **options))


@pytest.fixture
def many(folder, photo):
    """Five more colour photos, of two sizes in turn: 48×52 three times, then 40×52 twice."""
    for number in range(5):
        pixels = np.roll(photo, 5 * number, axis=2)
        images.write(Path(f"in/c{number}.png"), images.Image(pixels[:, : 48 if number < 3 else 40]))
    return folder


@pytest.fixture
def sizes_of_batches(smoother):
    """How many images the prior was given at each call."""
    seen = []
    hook = smoother.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    yield seen
    hook.remove()


def test_restores_skips_and_overwrites(folder, smoother):
    first = restored()
    assert [done.used[0].noise for done in first] == [0.02, 0.02]
    assert all(done.seconds > 0 for done in first)
    assert images.read(Path("out/a.png")).dtype == "uint8"
    deep = images.read(Path("out/deep/b.tif"))
    assert deep.dtype == "uint16"
    assert np.abs(deep.pixels - images.read(Path("in/deep/b.tif")).pixels).max() > 1e-3
    assert len(np.unique(images.to_stored(deep.pixels, "uint16") % 257)) > 100, "really 16 bit"
    np.testing.assert_allclose(first[1].after[0].pixels, deep.pixels, atol=1 / 65535)

    Path("out/a.png").write_text("mine")
    assert all(done.skipped for done in restored())
    assert Path("out/a.png").read_text() == "mine"
    assert not any(done.skipped for done in restored(overwrite=True))
    assert images.read(Path("out/a.png")).pixels.shape == (3, 48, 52)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_bad_file_is_named_and_does_not_stop_the_others(many, smoother, batch, threads):
    tifffile.imwrite("in/a_nan.tif", np.full((40, 40), np.nan, np.float32))
    images.write(Path("in/a_tiny.png"), images.Image(np.zeros((1, 4, 40))))
    Path("in/c1.png").write_text("some text")
    done = restored(batch=batch, threads=threads)
    errors = [str(d.error) for d in done if d.error]
    assert len(errors) == 3
    assert errors[0].startswith("in/a_nan.tif: 1600 of its values are NaN")
    assert errors[1].startswith("in/a_tiny.png: kernel.file ")
    assert errors[2].startswith("in/c1.png: not an image")
    assert [d.job.target.name for d in done] == [job.target.name for job in plan(["in"], Path("o"))]
    written = sorted(p.name for p in Path("out").rglob("*") if p.is_file())
    assert written == ["a.png", "b.tif", "c0.png", "c2.png", "c3.png", "c4.png"]


def test_batches_and_threads_change_nothing_but_the_time(many, sizes_of_batches):
    alone = restored()
    assert set(sizes_of_batches) == {1}
    expected = {d.job.source: images.read(d.job.target).pixels for d in alone}
    sizes_of_batches.clear()
    for options in ({"batch": 4}, {"threads": 3}, {"batch": 2, "threads": 1}):
        together = restored(overwrite=True, **options)
        assert [d.job for d in together] == [d.job for d in alone]
        for done in together:
            pixels = images.read(done.job.target).pixels
            np.testing.assert_allclose(pixels, expected[done.job.source], atol=1.01 / 255)
        if options == {"batch": 4}:  # a, c0, c1, c2; then c3, c4; then the gray one
            assert sizes_of_batches == [4, 4, 2, 2, 1, 1]


def test_a_bad_one_among_a_batch_fails_alone(folder, smoother, photo, monkeypatch):
    restorer = pipelines.load("p.yaml")
    for name in "bcd":
        dark = name == "c"
        images.write(Path(f"in/{name}.png"), images.Image(photo * (0 if dark else 1)))
    real = restorer.noise_level

    def level(y):
        if y.max() == 0:
            raise images.InputError("too plain")
        return real(y)

    monkeypatch.setattr(restorer, "noise_level", level)
    jobs = plan(["in/*.png"], Path("out"))
    done = list(restore_files(restorer, jobs, batch=4))
    assert [str(d.error) for d in done] == ["None", "None", "in/c.png: too plain", "None"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png", "d.png"]


def test_memory_that_does_not_suffice_is_an_error_of_that_file(folder, smoother, monkeypatch):
    restorer = pipelines.load("p.yaml")
    real = restorer.restore_image

    def restore(image, *rest):
        if len(image.pixels) == 3:
            raise RuntimeError("not enough memory: tried\nmany lines")
        return real(image, *rest)

    monkeypatch.setattr(restorer, "restore_image", restore)
    first, second = restore_files(restorer, plan(["in"], Path("out")))
    assert str(first.error) == "in/a.png: restoring it failed (not enough memory: tried)"
    assert second.error is None


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", [ValueError, IndexError, KeyError, TypeError, MemoryError])
def test_whatever_a_file_raises_the_others_are_restored(many, smoother, monkeypatch, kind, batch):
    restorer = pipelines.load("p.yaml")
    real = restorer._restore

    def restore(y, *rest):
        if y.shape[-2] == 40:
            raise kind("of nothing\nmany lines")
        return real(y, *rest)

    monkeypatch.setattr(restorer, "_restore", restore)
    found = list(restore_files(restorer, plan(["in"], Path("out")), batch=batch))
    failed = {done.job.source.name: str(done.error) for done in found if done.error}
    assert sorted(failed) == ["c3.png", "c4.png"]
    assert failed["c3.png"].startswith("in/c3.png: restoring it failed (")
    assert kind.__name__ in failed["c3.png"]
    assert "\n" not in failed["c3.png"]
    assert len(list(Path("out").rglob("*.*"))) == 5


def test_progress_counts_files_and_parts_of_them(many, smoother):
    for batch in (1, 3):
        seen = []
        count = len(restored(overwrite=True, progress=seen.append, batch=batch))
        assert count == 7
        assert seen == sorted(seen)
        assert seen[-1] == count
        # Two iterations for each batch.
        assert len(seen) == 2 * (7 if batch == 1 else 4)


@pytest.mark.parametrize("batch", [1, 2])
def test_each_page_of_a_stack_is_restored(folder, smoother, photo, batch, sizes_of_batches):
    stack = images.to_stored(np.stack([photo[0], photo[1], photo[2]]), "uint16")
    tifffile.imwrite("in/s.tif", stack, imagej=True, metadata={"axes": "ZYX", "spacing": 2.0})
    (done,) = restored([Job(Path("in/s.tif"), Path("out/s.tif"))], batch=batch)
    assert done.error is None
    assert len(done.used) == 3
    assert sizes_of_batches == ([1] * 6 if batch == 1 else [2, 2, 1, 1])
    with tifffile.TiffFile("out/s.tif") as file:
        assert file.imagej_metadata["spacing"] == 2
        values = file.asarray()
    restorer = pipelines.load("p.yaml")
    for page, before in zip(values, stack, strict=True):
        expected = restorer(images.to_unit(before)[None])[0]
        # Pages alone are rounded otherwise than two together.
        np.testing.assert_allclose(page / 65535, expected, atol=1e-4)


def test_counts_are_restored_as_a_share_of_white(folder, smoother, photo):
    counts = (4000 * photo[:1]).astype(np.float32)
    tifffile.imwrite("in/f.tif", counts[0])
    job = Job(Path("in/f.tif"), Path("out/f.tif"))
    (refused,) = restored([job])
    assert "say which value is white with scale: NUMBER" in str(refused.error)
    (done,) = restored([job], {"scale": 4000})
    assert done.error is None
    expected = 4000 * pipelines.load("p.yaml")(counts / np.float32(4000))
    np.testing.assert_allclose(tifffile.imread("out/f.tif"), expected[0], rtol=1e-4)


def test_opacity_stays(folder, smoother, photo):
    alpha = np.arange(48 * 52, dtype=np.uint16).reshape(48, 52)
    images.write(Path("in/c.png"), images.Image(photo, "uint16", alpha))
    restored([Job(Path("in/c.png"), Path("out/c.png"))])
    np.testing.assert_array_equal(images.read(Path("out/c.png")).alpha, alpha)


@pytest.mark.parametrize("threads", [0, 2])
def test_interrupted_it_leaves_whole_files_and_goes_on_where_it_was(many, smoother, threads):
    def interrupt(files):
        if files > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restored(progress=interrupt, threads=threads)
    left = [path for path in Path("out").rglob("*") if path.is_file()]
    assert 0 < len(left) <= 3
    assert all(images.read(path).pixels.ndim == 3 for path in left)
    again = restored()
    assert [done.job.target for done in again if done.skipped] == sorted(left)
    assert not any(done.error for done in again)
    assert len(again) == 7


def test_a_full_disk_stops_and_a_refused_file_does_not(many, smoother, monkeypatch):
    real = images.codecs.encode
    reasons = [None, errno.EACCES, None, errno.ENOSPC]

    def encode(path, stored):
        reason = reasons.pop(0)
        if reason is not None:
            raise OSError(reason, "what the system says")
        real(path, stored)

    monkeypatch.setattr(images.codecs, "encode", encode)
    seen = []
    with pytest.raises(OSError, match="what the system says") as caught:  # noqa: PT012
        for done in restore_files(pipelines.load("p.yaml"), plan(["in"], Path("out"))):
            seen.append(str(done.error))
    assert caught.value.errno == errno.ENOSPC
    assert seen == ["None", "out/c0.png: what the system says", "None"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c1.png"]
