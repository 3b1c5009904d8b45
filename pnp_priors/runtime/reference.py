"""Inputs and outputs beside an exported file, by which every runtime can be checked without torch.

``FILE.onnx`` has them in ``FILE.reference.safetensors``: tensors ``<case>/<input>`` and
``<case>/restored`` for the cases "0", "1", …; the header's metadata states the model's SHA-256 and
the largest difference that is allowed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pnp_priors import atomic
from pnp_priors.errors import InputError, MissingFileError

#: name of the output, of a graph and of a case
RESTORED = "restored"


@dataclass(frozen=True)
class Case:
    """Inputs by name, and what torch makes of them."""

    inputs: dict[str, np.ndarray]
    restored: np.ndarray


@dataclass(frozen=True)
class Reference:
    """Cases of one model."""

    cases: list[Case]
    model_sha256: str
    tolerance: float


def reference_path(model: str | Path) -> Path:
    """Where the reference of a model file is."""
    return Path(model).with_suffix(".reference.safetensors")


def sha256(path: str | Path) -> str:
    """Of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_reference(model: str | Path, cases: list[Case], tolerance: float) -> Path:
    """Write the reference of a model file that is there already; the same bytes every time.

    :returns: its path.
    """
    from safetensors.numpy import save

    tensors = {}
    for number, case in enumerate(cases):
        for name, value in {**case.inputs, RESTORED: case.restored}.items():
            tensors[f"{number}/{name}"] = np.asarray(value, order="C")
    metadata = {"model_sha256": sha256(model), "tolerance": f"{tolerance:g}"}
    content = _in_order(save(tensors, metadata))
    path = reference_path(model)
    atomic.whole(path, lambda part: part.write_bytes(content))
    return path


def _in_order(content: bytes) -> bytes:
    """With sorted metadata: safetensors writes them in another order in each process."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that numbers lie where readers can map them
    return len(text).to_bytes(8, "little") + text + content[start:]


def read_reference(model: str | Path) -> Reference:
    """The reference beside a model file.

    :raises MissingFileError: there is none.
    :raises InputError: it is damaged, or of another model than the one beside it; one line.
    """
    from safetensors import SafetensorError, safe_open

    path = reference_path(model)
    if not path.is_file():
        raise MissingFileError(f"no reference beside {Path(model).name}: {path.name} is missing")
    cases: dict[int, dict[str, np.ndarray]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118 (it is no dictionary)
                number, _, name = key.partition("/")
                cases.setdefault(int(number), {})[name] = file.get_tensor(key)
        found = [Case(case, case.pop(RESTORED)) for _, case in sorted(cases.items())]
        reference = Reference(found, metadata["model_sha256"], float(metadata["tolerance"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path.name}: damaged, or no reference of an exported file") from error
    if not found:
        raise InputError(f"{path.name}: no cases in it")
    if reference.model_sha256 != sha256(model):
        raise InputError(f"{path.name} belongs to another file than {Path(model).name}")
    return reference
