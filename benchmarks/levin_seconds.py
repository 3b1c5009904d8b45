"""Seconds to deconvolve a gray image of 255×255 pixels, the size of Levin's, on the CPU.

    python benchmarks/levin_seconds.py [--data DIR] [--out docs/levin-seconds.md]

HQS as pipelines run it, with the preset of the prior, and R_denoise; in eager torch and, where it
is installed, as one exported graph in ONNX Runtime. Times do not depend on what the image shows:
without data a bundled photo and kernel stand in for Levin's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from deepinv.physics import BlurFFT
from measuring import arguments, interleaved, machine, page, show
from torch import Tensor

from pnp_priors import kernels, pipelines, registry, samples
from pnp_priors.benchmark.data import evaluation_files, load_image, load_kernels
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.benchmark.report import write_atomically
from pnp_priors.errors import exit_code
from pnp_priors.pipelines import files
from pnp_priors.solvers import r_denoise

SIDE = 255
#: of the noise, on the 0..255 scale
LEVEL = 2.55
PRIORS = ("genericdp", "ffdnet-gray")
#: ``circular``: the published protocol; ``extend``: photos as cameras take them
BOUNDARIES = ("circular", "extend")
#: seconds in table 3 of the paper on genericDP (BMVC 2018), on its own machine
PUBLISHED = {"R_denoise": 1.6, "FoE": 2740.0}

Action = Callable[[], Any]


class Problem(NamedTuple):
    """A blurred photo ``[1, 1, H, W]``, noise included, and its kernel ``[h, w]``."""

    photo: Tensor
    kernel: np.ndarray
    words: str


class Way(NamedTuple):
    """How the problem is solved: in torch, and by ONNX Runtime where there is a graph."""

    words: str
    torch: Action
    onnx: Action | None
    published: float | None = None


def problem(data: Path | None) -> Problem:
    """Levin's first image and kernel; without data those that are bundled.

    :raises MissingFileError: the data folder lacks them.
    """
    if data is not None:
        clean = load_image(evaluation_files(data, "levin", "im*")[0], channels=1)
        kernel, words = load_kernels(data, (0,))[0][0, 0].numpy(), "Levin's first image and kernel"
    else:
        clean = samples.load("photo").mean(dim=1, keepdim=True)
        kernel = kernels.read(files.folder() / "examples" / "deconvolution_kernel.png")
        words = "a bundled image and kernel"
    clean = clean[..., :SIDE, :SIDE]
    kernel = np.ascontiguousarray(kernel, np.float32)
    blur = BlurFFT(tuple(clean.shape[1:]), filter=torch.from_numpy(kernel)[None, None])
    return Problem(add_noise(blur.A(clean), LEVEL, "seconds"), kernel, words)


def ways(given: Problem, folder: Path, threads: int, onnx: bool) -> Iterator[Way]:
    """All that is measured, one after the other.

    Each is made when its turn comes, so that nothing else is in memory.

    :param folder: to export graphs into.
    :param onnx: whether ONNX Runtime is there.
    """
    np.save(folder / "kernel.npy", given.kernel)
    for prior in PRIORS:
        for boundary in BOUNDARIES:
            settings = {
                "prior.name": prior,
                "boundary": boundary,
                "kernel.file": str(folder / "kernel.npy"),
            }
            restore = partial(
                pipelines.load("deconvolution", settings), given.photo, noise=LEVEL / 255
            )
            graph = None
            if onnx:
                graph = _graph(given, folder / f"{prior}-{boundary}.onnx", settings, threads)
            yield Way(f"{prior}, HQS, {boundary}", restore, graph)
            del restore, graph
    solver = r_denoise(registry.load("genericdp"), LEVEL / 255)  # type: ignore[arg-type]
    kernel = torch.from_numpy(given.kernel)[None, None]
    physics = BlurFFT(tuple(given.photo.shape[1:]), filter=kernel)
    paper = PUBLISHED["R_denoise"]
    plain = torch.no_grad()(partial(solver, given.photo, physics))
    yield Way("genericdp, R_denoise, circular", plain, None, paper)


def _graph(given: Problem, path: Path, settings: dict[str, Any], threads: int) -> Action:
    from pnp_priors.export.restorations import export_pipeline
    from pnp_priors.runtime.session import open_session

    export_pipeline("deconvolution", path, settings)
    noise = np.array([LEVEL / 255], np.float32)
    inputs = {"x": given.photo.numpy(), "kernel": given.kernel, "noise": noise}
    return partial(open_session(path, threads=threads), inputs)


def measure(given: Problem, folder: Path, threads: int, repeats: int, onnx: bool) -> list[Any]:
    """Rows of the table: best times in seconds, and ONNX Runtime's share of torch's."""
    rows = []
    for way in ways(given, folder, threads, onnx):
        actions = {"torch": way.torch} | ({} if way.onnx is None else {"onnx": way.onnx})
        times = interleaved(actions, repeats, torch.device("cpu"))
        seconds = {key: min(values) for key, values in times.items()}
        eager, graph = seconds["torch"], seconds.get("onnx")
        cells = ["–", "–"] if graph is None else [f"{graph:.2f}", f"{graph / eager:.2f}"]
        paper = "–" if way.published is None else f"{way.published:g}"
        rows.append([way.words, f"{eager:.2f}", *cells, paper])
        del way, actions
    return [*rows, ["fields of experts (FoE)", "–", "–", "–", f"{PUBLISHED['FoE']:g}"]]


def main(given: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = arguments((__doc__ or "").splitlines()[0], repeats=9, threads=2)
    parser.add_argument("--data", type=Path, help="folder that holds eval/levin and kernels/")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file, too")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: _table(options.data, options.threads, options.repeats, options.out))


def _table(data: Path | None, threads: int, repeats: int, out: Path | None) -> None:
    load = os.getloadavg()[0]
    onnx = all(find_spec(name) for name in ("onnx", "onnxruntime"))
    chosen = problem(data)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(chosen, Path(folder), threads, repeats, onnx)
    title = f"Seconds for a gray image of {SIDE}×{SIDE} pixels"
    columns = ("", "torch, s", "ONNX Runtime, s", "ratio", "published, s")
    notes = [
        f"Deconvolution of {chosen.words}, noise of {LEVEL}/255, 8 iterations",
        f"Wall time, the best of {repeats} runs that take turns; the ratio is to torch",
        "The goal is less than 1 s with genericdp on two cores",
        "Published: genericDP's paper, table 3, on its own machine",
        f"{machine(torch.device('cpu'))}; load before: {load:.1f}",
    ]
    show(title, columns, rows, "\n".join(notes))
    if out is not None:
        where = "" if data is None else "--data DIR "
        command = f"python benchmarks/levin_seconds.py {where}--threads {threads} --out {out}"
        write_atomically(out, page(title, command, columns, rows, ". ".join(notes)))


if __name__ == "__main__":
    sys.exit(main())
