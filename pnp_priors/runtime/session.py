"""Opens an exported file and runs it, with what was asked for, after every input is checked.

ONNX Runtime by itself goes on with the CPU where a GPU's libraries are not there, and says so in a
warning at most. Here that is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pnp_priors import kernels
from pnp_priors.errors import InputError, MissingFileError, UnknownNameError
from pnp_priors.extras import need
from pnp_priors.runtime.passport import INT8_LOWEST, Passport
from pnp_priors.runtime.providers import options_of, providers_for
from pnp_priors.runtime.reference import RESTORED

#: inputs that are noise levels
_LEVELS = ("sigma", "noise")
#: a range's own ends, in float32, are inside it
_SLACK = 1e-6
#: inputs that are tables of quantisation steps
_TABLES = ("table", "tables")
#: an input that is a blur kernel, of any scale; one that is a count
_KERNEL, _ITERATIONS = "kernel", "iterations"
_TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class Input(NamedTuple):
    """An input of a graph.

    :param shape: sizes, or names of sizes that are free.
    """

    dtype: type[np.generic]
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{np.dtype(self.dtype)} [{', '.join(map(str, self.shape))}]"


class Session:
    """An exported graph, ready to run.

    :param path: of the file, for messages.
    :param session: ONNX Runtime's.
    :param provider: what runs it: ``cpu``, ``cuda`` or ``tensorrt``.
    """

    def __init__(self, path: Path, session: Any, passport: Passport, provider: str) -> None:
        self.path, self.passport, self.provider = path, passport, provider
        self._session = session
        self.inputs, self.optional = (
            {one.name: Input(_TYPES.get(one.type, np.void), tuple(one.shape)) for one in found}
            for found in (session.get_inputs(), session.get_overridable_initializers())
        )

    def __call__(self, inputs: Mapping[str, np.ndarray], outside: bool = False) -> np.ndarray:
        """Run the graph.

        :param inputs: by name; floats are in [0, 1], noise levels too, tables on 0..255, a kernel
            of any scale. What has the same name in two shapes (``batch``) is of the same size.
        :param outside: also take noise levels outside the passport's range, with which the graph
            does what its passport says; but none of less than 10/255 in int8.
        :returns: the restored image, float32.
        :raises InputError: an input that is missing, unknown, of a wrong shape or type, not finite,
            a noise level outside the passport's range, a kernel that cannot blur, or less than one
            iteration; one line with its name.
        """
        given = {name: self._checked(name, value) for name, value in inputs.items()}
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise InputError(f"{self.path.name}: its input {missing[0]} is missing")
        self._check_sizes(given)
        range_ = self.passport.sigma_range
        if range_ is not None and (not outside or self.passport.precision == "int8"):
            low, high = (min(INT8_LOWEST, range_[0]), inf) if outside else range_
            self._check_levels(given, low, high)
        try:
            if self.provider == "cpu":
                return self._session.run([RESTORED], given)[0]
            return self._bound(given)
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path.name}: running it failed: {reason[:200]}") from error

    def _checked(self, name: str, value: np.ndarray) -> np.ndarray:
        known = self.inputs | self.optional
        if name not in known:
            raise UnknownNameError(f"input of {self.path.name}", name, sorted(known))
        expected, found = known[name], np.asarray(value)
        where = f"{self.path.name}: {name}"
        kinds = "f" if expected.dtype is np.float32 else "iu"
        if found.dtype.kind not in kinds:
            hint = "; divide 8-bit values by 255" if found.dtype == np.uint8 else ""
            raise InputError(f"{where}: expected {expected}, got {found.dtype}{hint}")
        fits = len(found.shape) == len(expected.shape) and all(
            size == wanted if isinstance(wanted, int) else size > 0
            for size, wanted in zip(found.shape, expected.shape, strict=True)
        )
        if not fits:
            raise InputError(f"{where}: expected {expected}, got shape {list(found.shape)}")
        if kinds == "f" and not np.isfinite(found).all():
            raise InputError(f"{where}: it has values that are NaN or infinite")
        if name in _TABLES and not (found.min() >= 1 and found.max() <= 255):
            raise InputError(
                f"{where}: quantisation steps are 1 to 255, got {found.min():g} to {found.max():g}"
            )
        if name == _KERNEL:
            kernels.check(found, where)
        if name == _ITERATIONS and found.min() < 1:
            raise InputError(f"{where}: expected 1 or more, got {found.min()}")
        return np.asarray(found, expected.dtype, order="C")

    def _check_sizes(self, given: Mapping[str, np.ndarray]) -> None:
        """ONNX Runtime itself says of sizes that do not fit in which node it noticed."""
        known: dict[str, int] = {}
        for name, expected in self.inputs.items():
            found = list(given[name].shape)
            axes = list(zip(expected.shape, found, strict=True))
            wanted = [
                known.get(axis, size) if isinstance(axis, str) else size for axis, size in axes
            ]
            if found != wanted:
                raise InputError(
                    f"{self.path.name}: {name}: expected {expected} of shape {wanted}, which fits "
                    f"the other inputs, got shape {found}"
                )
            known |= {axis: size for axis, size in axes if isinstance(axis, str)}

    def _check_levels(self, given: Mapping[str, np.ndarray], low: float, high: float) -> None:
        for name in _LEVELS:
            if name not in given:
                continue
            least, most = float(given[name].min()), float(given[name].max())
            if least < low - _SLACK or most > high + _SLACK:
                wrong = most if most > high + _SLACK else least
                raise InputError(
                    f"{self.path.name}: {name} {wrong:.4g} ({255 * wrong:.4g}/255) is outside its "
                    f"range, {255 * low:g}/255 to {255 * min(high, 1):g}/255"
                )

    def _bound(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """With inputs and output in the GPU's memory: one copy there, one back."""
        import onnxruntime as ort

        binding = self._session.io_binding()
        for name, value in given.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, "cuda", 0))
        binding.bind_output(RESTORED, "cuda", 0)
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()[0]


def open_session(
    path: str | Path,
    provider: str = "cpu",
    threads: int | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Session:
    """Open an exported file.

    :param provider: ``cpu``; ``cuda`` or ``tensorrt`` with onnxruntime-gpu on an Nvidia GPU.
    :param threads: of the CPU; by default those of ``OMP_NUM_THREADS``, or as many as it has cores.
    :param sizes: of free dimensions by their names (``height``), where they will always be the
        same. On a GPU with all of them fixed every operator must run there, or it is an error.
    :raises MissingFileError: no such file.
    :raises InputError: not an ONNX model, a damaged one, one without a passport; a provider that is
        not there or could not be loaded: names those that are.
    :raises MissingExtraError: onnxruntime is not installed.
    """
    need("onnxruntime")
    import onnxruntime as ort

    path = Path(path)
    chosen = providers_for(provider)
    if not path.is_file():
        raise MissingFileError(f"no such file: {path}")
    options = options_of(provider, threads or _threads(), sizes or {})
    try:
        session = ort.InferenceSession(path, options, providers=chosen)
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        reason = " ".join(str(error).split())[:200]
        on = "" if provider == "cpu" else f" with {provider}"
        raise InputError(f"{path.name}: ONNX Runtime cannot open it{on}: {reason}") from error
    used, wanted = session.get_providers()[0], chosen[0][0]
    if used != wanted:
        raise InputError(
            f"provider {provider}: ONNX Runtime could not load {wanted} and would use {used}; "
            "are the GPU, its driver and the CUDA libraries there?"
        )
    metadata = session.get_modelmeta().custom_metadata_map
    return Session(path, session, Passport.from_metadata(metadata, path.name), provider)


def session_of(content: bytes, threads: int = 1) -> Any:
    """ONNX Runtime's own session of a model in memory, on the CPU, with nothing checked."""
    need("onnxruntime")
    import onnxruntime as ort

    chosen = [provider for provider, _ in providers_for("cpu")]
    return ort.InferenceSession(content, options_of("cpu", threads, {}), providers=chosen)


def _threads() -> int:
    """0: as many as there are cores."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() else 0
