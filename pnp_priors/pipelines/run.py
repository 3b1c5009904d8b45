"""Restores files with a pipeline, one after the other or in batches of equal size."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pnp_priors import images
from pnp_priors.errors import InputError, PnpPriorsError
from pnp_priors.images import Image
from pnp_priors.pipelines.inputs import Job

if TYPE_CHECKING:
    from pnp_priors.pipelines.bases.restorer import RestorerBase
    from pnp_priors.pipelines.outcome import Used

#: the next file would meet the same, so that going on only wastes time
_NO_MORE_FILES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Done:
    """What came of a job.

    :param used: how it was restored, one for each page.
    :param seconds: that restoring took, without reading and writing; of a batch, an equal share.
    :param before: what was read; large, so a collector of results should not hold on to it.
    :param after: what was written, before clipping and rounding.
    """

    job: Job
    skipped: bool = False
    used: tuple[Used, ...] = ()
    error: PnpPriorsError | None = None
    seconds: float = 0.0
    before: tuple[Image, ...] = field(default=(), repr=False)
    after: tuple[Image, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Loaded:
    job: Job
    pages: list[Image]


def restore_files(
    restorer: RestorerBase,
    jobs: Iterable[Job],
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
    batch: int = 1,
    threads: int = 0,
) -> Iterator[Done]:
    """Restore files; one that cannot be restored, for whatever reason, does not stop the others.

    What is finished comes first. Order and results do not depend on ``batch`` and ``threads``.

    :param overwrite: also restore what has its output already.
    :param progress: called after each step with the number of files restored in this call; a file
        that is being restored counts as the part that is done.
    :param batch: so many photos of one size in a row (pages of a stack too) are restored together,
        where the task can.
    :param threads: that read and write files meanwhile; 0: everything in turn. As many files are
        in memory besides those being restored, read and restored ones each.
    :raises OSError: the disk is full or cannot be written to.
    """
    todo = []
    for job in jobs:
        if job.done and not overwrite:
            yield Done(job, skipped=True)
        else:
            todo.append(job)
    finished = 0
    with _pool(threads) as pool:
        writing: deque[tuple[Done, Future[None]]] = deque()
        for group in _groups(_loaded(restorer, todo, pool, threads), batch):
            for done in _restored(restorer, group, batch, finished, progress):
                written = pool.submit(_write, done)
                writing.append((done, written))
                while len(writing) > threads:
                    yield _written(*writing.popleft())
            finished += len(group)
        while writing:
            yield _written(*writing.popleft())


def _loaded(
    restorer: RestorerBase, jobs: Iterable[Job], pool: Executor, ahead: int
) -> Iterator[_Loaded | Done]:
    """Files in order, so many read ahead."""
    scale = restorer.pipeline.scale
    reading: deque[tuple[Job, Future[list[Image]]]] = deque()

    def oldest() -> _Loaded | Done:
        job, pages = reading.popleft()
        try:
            return _Loaded(job, pages.result())
        except Exception as error:
            return Done(job, error=_about(job.source, error))

    for job in jobs:
        reading.append((job, pool.submit(images.read_pages, job.source, scale)))
        while len(reading) > ahead:
            yield oldest()
    while reading:
        yield oldest()


def _groups(files: Iterable[_Loaded | Done], batch: int) -> Iterator[list[_Loaded | Done]]:
    """Neighbours of one size, together at most ``batch`` pages; others by themselves."""
    group: list[_Loaded | Done] = []
    size: Any = None
    pages = 0
    for file in files:
        alike = isinstance(file, _Loaded) and file.pages[0].pixels.shape == size
        more = len(file.pages) if isinstance(file, _Loaded) else 0
        if group and not (alike and pages + more <= batch):
            yield group
            group, pages = [], 0
        group.append(file)
        pages += more
        size = file.pages[0].pixels.shape if isinstance(file, _Loaded) else None
    if group:
        yield group


def _restored(
    restorer: RestorerBase,
    group: list[_Loaded | Done],
    batch: int,
    finished: int,
    progress: Callable[[float], None] | None,
) -> Iterator[Done]:
    files = [file for file in group if isinstance(file, _Loaded)]
    yield from (file for file in group if isinstance(file, Done))
    if not files:
        return
    start = time.perf_counter()
    pages = [page for file in files for page in file.pages]
    paths = [file.job.source for file in files for _ in file.pages]
    results: list[tuple[Image, Used]] = []
    try:
        for first in range(0, len(pages), batch):
            part = slice(first, first + batch)
            here = len(pages[part])

            def step(done: int, total: int, first: int = first, here: int = here) -> None:
                if progress is not None:
                    share = (first + here * done / total) / len(pages)
                    progress(finished + len(files) * share)

            results += restorer.restore_images(pages[part], paths[part], step)
    except Exception as error:
        if len(files) == 1:
            yield Done(files[0].job, error=_about(files[0].job.source, error))
            return
        # One of them is bad, which one shows by itself.
        for position, file in enumerate(files):
            yield from _restored(restorer, [file], batch, finished + position, progress)
        return
    seconds = (time.perf_counter() - start) / len(files)
    rest = iter(results)
    for file in files:
        own = [next(rest) for _ in file.pages]
        after, used = tuple(image for image, _ in own), tuple(how for _, how in own)
        yield Done(file.job, False, used, None, seconds, tuple(file.pages), after)


def _write(done: Done) -> None:
    if done.after:
        images.write_pages(done.job.target, done.after)


def _written(done: Done, writing: Future[None]) -> Done:
    try:
        writing.result()
    except OSError as error:
        if error.errno in _NO_MORE_FILES:
            raise
        return Done(done.job, error=_about(done.job.target, error))
    except Exception as error:
        return Done(done.job, error=_about(done.job.target, error))
    return done


def _about(path: Path, error: BaseException) -> PnpPriorsError:
    """The error in one line with the file's name in front, where it does not have it already."""
    if isinstance(error, PnpPriorsError):
        text = str(error)
        return error if str(path) in text else InputError(f"{path}: {text}")
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{path}: {error.strerror}")
    reason = next(iter(str(error).splitlines()), "")
    # Of what nobody foresaw, the kind says more than the words: KeyError: 3.
    kind = "" if isinstance(error, RuntimeError) and reason else type(error).__name__
    reason = ": ".join(part for part in (kind, reason) if part)
    return InputError(f"{path}: restoring it failed ({reason})")


class _InTurn(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _pool(threads: int) -> Iterator[Executor]:
    pool = ThreadPoolExecutor(threads) if threads else _InTurn()
    try:
        yield pool
    finally:
        # What is being written is finished; what waits to be read is not begun.
        pool.shutdown(wait=True, cancel_futures=True)
