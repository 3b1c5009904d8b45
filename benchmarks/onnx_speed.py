"""Exported priors in ONNX Runtime against the same priors in eager torch, on the CPU.

Both on the same image, machine and number of threads, in one run, taking turns; the ratio is of the
best times. ``pnp-priors verify`` checks that they agree. With ``--precision int8`` (calibrated on
images, see ``pnp-priors export``) or ``float16`` also that file against the one in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import arguments, best_and_median, interleaved, machine, show

from pnp_priors import registry
from pnp_priors.export import export
from pnp_priors.export.graphs.priors import graph_of
from pnp_priors.export.inputs import in_torch, inputs_of
from pnp_priors.runtime.passport import Precision
from pnp_priors.runtime.session import open_session

#: what the project wants of each, one thread
GOALS = {"genericdp": 0.6, "ffdnet-gray": 0.9, "dncnn-s25": 0.8}

Action = Callable[[], object]


#: of files in int8 against those in float32
GOAL_OF_INT8 = 2.5


def actions(
    name: str, size: int, threads: int, folder: Path, precision: Precision | None
) -> dict[str, Action]:
    """A prior in torch, in ONNX Runtime and there in another precision, on a square image."""
    prior = registry.load(name)
    inputs = inputs_of(graph_of(prior), (1, prior.channels, size, size), seed=0, level=25 / 255)
    found: dict[str, Action] = {"torch": partial(in_torch, prior, inputs)}
    for key, wanted in (("onnx", "float32"), ("other", precision)):
        if wanted is None:
            continue
        path = folder / (f"{name}.onnx" if wanted == "float32" else f"{name}-{wanted}.onnx")
        if not path.exists():
            export(name, path, precision=wanted)
        found[key] = partial(open_session(path, threads=threads), inputs, outside=True)
    return found


def main() -> None:
    """Print a line for each prior and size."""
    parser = arguments(__doc__ or "", repeats=7)
    parser.add_argument("priors", nargs="*", default=list(GOALS), help="names; those with a goal")
    parser.add_argument("--size", type=int, action="append", help="side, repeatable (256, 512)")
    parser.add_argument("--files", type=Path, help="folder of exported files, used or written")
    parser.add_argument("--precision", choices=["float16", "int8"], help="also of these files")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.files or Path(temporary)
        for name in options.priors:
            for size in options.size or [256, 512]:
                ways = actions(name, size, options.threads, folder, options.precision)
                seconds = interleaved(ways, options.repeats, torch.device("cpu"))
                ratio = min(seconds["onnx"]) / min(seconds["torch"])
                goal = f"{GOALS[name]:.2f}" if name in GOALS else ""
                times = [best_and_median(seconds[key]) for key in ("torch", "onnx")]
                rows.append([name, f"{size}×{size}", *times, f"{ratio:.2f}", goal])
                if options.precision:
                    faster = min(seconds["onnx"]) / min(seconds["other"])
                    least = f"{GOAL_OF_INT8}" if options.precision == "int8" else ""
                    rows[-1] += [best_and_median(seconds["other"]), f"{faster:.2f}", least]
    headings = ["prior", "image", "torch ms", "ONNX Runtime ms", "ratio", "goal"]
    if options.precision:
        headings += [f"{options.precision} ms", "times faster", "goal"]
    show(
        "Exported priors in ONNX Runtime against eager torch, CPU",
        headings,
        rows,
        f"best / median of {options.repeats}; ratio of the best.\n{machine(torch.device('cpu'))}",
    )


if __name__ == "__main__":
    main()
