"""Exported priors in ONNX Runtime against the same priors in eager torch, on the CPU.

Both on the same image, machine and number of threads, in one run, taking turns; the ratio is of the
best times. ``pnp-priors verify`` checks that they agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import arguments, best_and_median, interleaved, machine, show

from pnp_priors import registry
from pnp_priors.export import export
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.inputs import in_torch, inputs_of
from pnp_priors.runtime.session import open_session

#: what the project wants of each, one thread
GOALS = {"genericdp": 0.6, "ffdnet-gray": 0.9, "dncnn-s25": 0.8}

Action = Callable[[], object]


def actions(name: str, size: int, threads: int, folder: Path) -> tuple[Action, Action]:
    """A prior in torch and in ONNX Runtime, on a square image."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        export(name, path)
    prior, session = registry.load(name), open_session(path, threads=threads)
    inputs = inputs_of(graph_of(prior), (1, prior.channels, size, size), seed=0, level=25 / 255)
    return (lambda: in_torch(prior, inputs)), (lambda: session(inputs, outside=True))


def main() -> None:
    """Print a line for each prior and size."""
    parser = arguments(__doc__ or "", repeats=7)
    parser.add_argument("priors", nargs="*", default=list(GOALS), help="names; those with a goal")
    parser.add_argument("--size", type=int, action="append", help="side, repeatable (256, 512)")
    parser.add_argument("--files", type=Path, help="folder of exported files, used or written")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.files or Path(temporary)
        for name in options.priors:
            for size in options.size or [256, 512]:
                in_eager, in_onnx = actions(name, size, options.threads, folder)
                seconds = interleaved(
                    {"torch": in_eager, "onnx": in_onnx}, options.repeats, torch.device("cpu")
                )
                ratio = min(seconds["onnx"]) / min(seconds["torch"])
                goal = f"{GOALS[name]:.2f}" if name in GOALS else ""
                times = [best_and_median(seconds[key]) for key in ("torch", "onnx")]
                rows.append([name, f"{size}×{size}", *times, f"{ratio:.2f}", goal])
    show(
        "Exported priors in ONNX Runtime against eager torch, CPU",
        ["prior", "image", "torch ms", "ONNX Runtime ms", "ratio", "goal"],
        rows,
        f"best / median of {options.repeats}; ratio of the best.\n{machine(torch.device('cpu'))}",
    )


if __name__ == "__main__":
    main()
