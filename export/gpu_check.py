"""Every exported file on a graphics card: is it right, does it stay on the card, how quick is it.

python export/gpu_check.py [FOLDER] [--provider cuda] [--side 256] [--out docs/onnx-gpu.md]

FOLDER holds .onnx files with their references; without it the table of export/targets.yaml is
exported first. Each file is compared with its stored reference and with torch in float64 on the
same card, and is timed in turns with torch in float32, without TF32, inputs and outputs on the
card and all sizes fixed. A profile of one run shows where each operator ran: a convolution,
product or look-up that ran elsewhere is a fault, and so is a provider that was not taken, a file
that cannot be exported or run, and a PSNR that is not what `pnp-priors verify` wants.
`--provider cpu` tries the script without a card. Needs the package's extra `export` and, for a
card, `onnxruntime-gpu`.

Exit code: 0 all is well, 1 a file has a fault, 2 there is no card or nothing to check.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
import torch

from pnp_priors import atomic, registry
from pnp_priors.errors import InputError, PnpPriorsError
from pnp_priors.export.comparisons import comparison
from pnp_priors.export.everything import export_all
from pnp_priors.export.targets import read as read_targets
from pnp_priors.runtime.providers import PROVIDERS, options_of, providers_for
from pnp_priors.runtime.reference import RESTORED
from pnp_priors.runtime.session import Session, open_session
from pnp_priors.runtime.verify import (
    PSNR_LIMITS,
    against_reference,
    psnr_difference,
    psnr_stated,
)

#: operators that are the work; sizes and shapes may be computed on the processor
WORK = {"Conv", "ConvTranspose", "FusedConv", "MatMul", "FusedMatMul", "Gemm", "GatherElements"}
Arrays = dict[str, np.ndarray]


@dataclass
class Row:
    """One file's figures: differences in image units, PSNR in dB, times in seconds (medians).

    :param allowed: of the difference to the reference.
    :param to_torch: difference to torch in float64 on the same device, of which ``torch_allowed``:
        torch in float32, which is timed, may itself be as far from that as a file may.
    :param psnr: minus that of torch; ``psnr_allowed``: by how much it may differ from
        ``psnr_stated``, which files in int8 have in their passports; ``None``: the image is too
        small to tell.
    """

    file: str
    size: str
    to_reference: float
    allowed: float
    to_torch: float
    torch_allowed: float
    psnr: float
    psnr_stated: float
    psnr_allowed: float | None
    torch_seconds: float
    onnx_seconds: float
    elsewhere: dict[str, int]
    kernels: int

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; empty if all is well. NaN is wrong, too."""
        work = sorted(WORK.intersection(self.elsewhere))
        found = [f"ran elsewhere: {', '.join(work)}"] if work else []
        if not self.to_reference <= self.allowed:
            found.append(f"{self.to_reference:.1e} from its reference, {self.allowed:g} allowed")
        if not self.to_torch <= self.torch_allowed:
            found.append(f"{self.to_torch:.1e} from torch, {self.torch_allowed:g} allowed")
        off = abs(self.psnr - self.psnr_stated)
        if self.psnr_allowed is not None and not off < self.psnr_allowed:
            found.append(f"PSNR {off:.4f} dB from what it should be, {self.psnr_allowed:g} allowed")
        return found

    def cells(self) -> list[str]:
        """Of a table, in the order of :data:`COLUMNS`."""
        others = sum(self.elsewhere.values())
        return [
            self.file,
            self.size,
            f"{self.to_reference:.1e} ({self.allowed:g})",
            f"{self.to_torch:.1e} ({self.torch_allowed:g})",
            f"{self.psnr:+.4f}",
            f"{1e3 * self.torch_seconds:.2f}",
            f"{1e3 * self.onnx_seconds:.2f}",
            f"{self.onnx_seconds / self.torch_seconds:.2f}",
            f"{others} of {self.kernels}",
            "; ".join(self.faults) or "ok",
        ]


COLUMNS = [
    *("file", "image", "to the reference (allowed)", "to torch here (allowed)", "PSNR, dB"),
    *("torch, ms", "ONNX, ms", "ratio", "operators elsewhere", ""),
]


@dataclass
class Failure:
    """A file that has no figures."""

    file: str
    reason: str

    @property
    def faults(self) -> list[str]:
        """As a row has them."""
        return [self.reason]

    def cells(self) -> list[str]:
        """Of a table, in the order of :data:`COLUMNS`."""
        return [self.file, *[""] * (len(COLUMNS) - 2), self.reason]


class Bound:
    """A session of fixed sizes, whose inputs and output stay where it runs.

    :param folder: for the profile of the first run.
    :raises InputError: ONNX Runtime took another provider.
    """

    def __init__(self, session: Session, inputs: Arrays, threads: int, folder: str) -> None:
        provider, path = session.provider, session.path
        options = options_of(provider, threads, {})
        for name, stated in session.inputs.items():
            for axis, size in zip(stated.shape, inputs[name].shape, strict=True):
                if isinstance(axis, str):
                    options.add_free_dimension_override_by_name(axis, size)
        self._place = "cpu" if provider == "cpu" else "cuda"
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        self._session = ort.InferenceSession(path, options, providers=providers_for(provider))
        self.wanted = PROVIDERS[provider]
        if (taken := self._session.get_providers()[0]) != self.wanted:
            raise InputError(f"{path.name}: {taken} was taken, not {self.wanted}")
        self._binding = self._session.io_binding()
        for name, array in inputs.items():
            self._binding.bind_ortvalue_input(name, self._stored(array))
        self._binding.bind_output(RESTORED, self._place, 0)

    def _stored(self, array: np.ndarray) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self._place, 0)

    def first(self) -> tuple[np.ndarray, Counter[tuple[str, str]]]:
        """The result, and how often each (provider, operator) ran; timed runs come after it."""
        self._session.run_with_iobinding(self._binding)
        (restored,) = self._binding.copy_outputs_to_cpu()
        # From now on into memory of its own, which is not allocated again.
        self._binding.bind_ortvalue_output(RESTORED, self._stored(np.empty_like(restored)))
        with open(self._session.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
        ran = [event["args"] for event in events if event.get("cat") == "Node"]
        return restored, Counter((a["provider"], a["op_name"]) for a in ran if "provider" in a)

    def again(self) -> None:
        """One more run, finished on return."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()


def checked(path: Path, provider: str, side: int, repeats: int, threads: int = 1) -> Row:
    """One file's figures."""
    device = torch.device("cpu" if provider == "cpu" else "cuda")
    session = open_session(path, provider, threads)
    verdict = against_reference(session).worst
    problem, by_torch = comparison(session, side, device)
    assert problem.clean is not None
    with tempfile.TemporaryDirectory() as folder:
        bound = Bound(session, problem.inputs, threads, folder)
        restored, ran = bound.first()
    tensors = {name: torch.from_numpy(value).to(device) for name, value in problem.inputs.items()}

    def in_torch() -> torch.Tensor:
        with torch.no_grad():
            found = by_torch(tensors)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return found

    exact = problem.exact()
    in_torch()  # the first one allocates
    times: dict[str, list[float]] = {"torch": [], "onnx": []}
    for _ in range(repeats):
        for name, action in (("torch", in_torch), ("onnx", bound.again)):
            began = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - began)
    elsewhere = Counter({op: n for (by, op), n in ran.items() if by != bound.wanted})
    return Row(
        file=path.name,
        size="×".join(map(str, problem.inputs["x"].shape)),
        to_reference=verdict.difference,
        allowed=verdict.allowed,
        to_torch=float(np.abs(restored.astype(np.float64) - exact).max()),
        torch_allowed=session.passport.tolerance,
        psnr=psnr_difference(restored, exact, problem.clean),
        psnr_stated=psnr_stated(session.passport, problem.level),
        psnr_allowed=PSNR_LIMITS[session.passport.precision] if problem.psnr_counts else None,
        torch_seconds=median(times["torch"]),
        onnx_seconds=median(times["onnx"]),
        elsewhere=dict(elsewhere),
        kernels=sum(ran.values()),
    )


def each(paths: Iterable[Path], provider: str, side: int, repeats: int) -> Iterator[Row | Failure]:
    """All files' figures, one after the other; what cannot be run does not stop the rest."""
    for path in paths:
        try:
            yield checked(path, provider, side, repeats)
        except Exception as error:  # ONNX Runtime's and CUDA's have no base of their own
            reason = " ".join(str(error).split()) or type(error).__name__
            yield Failure(path.name, reason[:300].replace("|", "/"))


# --- the table ---------------------------------------------------------------------------------


def table(rows: Sequence[Row | Failure]) -> str:
    """As Markdown."""
    lines = [COLUMNS, ["---"] * 2 + ["---:"] * 7 + ["---"], *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def report(rows: Sequence[Row | Failure], provider: str, repeats: int) -> str:
    """The table with what it was measured on, as Markdown."""
    where = "this processor" if provider == "cpu" else torch.cuda.get_device_name()
    faults = sum(bool(row.faults) for row in rows)
    return f"""# Exported files on {PROVIDERS[provider]}

Written by `export/gpu_check.py --provider {provider}` on {where}: ONNX Runtime {ort.__version__},
torch {torch.__version__}, Python {platform.python_version()}, pnp_priors {registry.version()}.

Differences are the largest ones, image in [0, 1]: to the stored reference, and to torch in float64
on the same device. PSNR: ONNX Runtime's minus torch's. Times are medians of {repeats} runs in turns
with torch in float32, inputs and output on the device, sizes fixed, TF32 off. "Operators elsewhere"
ran on another provider; sizes and shapes may, convolutions, products and look-ups may not.
{len(rows)} files, {faults} with a fault.

{table(rows)}
"""


def _folder_of(given: Path | None, temporary: str) -> tuple[Path, list[Failure]]:
    """A folder of files, and what could not be exported."""
    if given is None:
        failed = export_all(read_targets(), Path(temporary))
        lines = [line.partition(": ") for line in failed]
        return Path(temporary), [Failure(file, f"not exported: {why}") for file, _, why in lines]
    if not any(given.glob("*.onnx")):
        raise InputError(f"{given}: holds no .onnx file")
    return given, []


def main(words: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of .onnx files; by default all")
    parser.add_argument("--provider", choices=list(PROVIDERS), default="cuda")
    parser.add_argument("--side", type=int, default=256, help="of the square image (256)")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each (15)")
    parser.add_argument("--out", type=Path, help="Markdown file to write the table to")
    options = parser.parse_args(words)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows: list[Row | Failure] = []
    try:
        if options.provider != "cpu" and not torch.cuda.is_available():
            raise InputError(
                "no graphics card here that torch could use (--provider cpu tries out)"
            )
        with tempfile.TemporaryDirectory() as temporary:
            folder, failures = _folder_of(options.folder, temporary)
            found = each(
                sorted(folder.glob("*.onnx")), options.provider, options.side, options.repeats
            )
            for row in chain(failures, found):
                rows.append(row)
                print(" | ".join(row.cells()), flush=True)
    except PnpPriorsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.out is not None:
        text = report(rows, options.provider, options.repeats)
        atomic.whole(options.out, lambda part: part.write_text(text, encoding="utf-8"))
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
