"""What may run a graph: the CPU, or a GPU through CUDA or TensorRT."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from pnp_priors.errors import InputError, UnknownNameError

#: by the name that a command line takes, what ONNX Runtime calls it
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
#: TF32 rounds to 10 bits, which no tolerance here allows; memory grows by what is asked for
_CUDA = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}


def providers_for(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Providers in order of preference, for ONNX Runtime's ``InferenceSession``.

    :param name: a key of :data:`PROVIDERS`.
    :raises UnknownNameError: lists the names.
    :raises InputError: this ONNX Runtime has no such provider; lists those it has.
    """
    import onnxruntime as ort

    if name not in PROVIDERS:
        raise UnknownNameError("provider", name, list(PROVIDERS))
    there = ort.get_available_providers()
    if PROVIDERS[name] not in there:
        known = [key for key, value in PROVIDERS.items() if value in there]
        raise InputError(
            f"provider {name} is not there (this onnxruntime has {', '.join(known)}); "
            "pip install 'pnp_priors[onnxruntime-gpu]' instead of onnxruntime brings cuda"
        )
    if name == "cpu":
        return [(PROVIDERS["cpu"], {})]
    _find_libraries()
    cuda: tuple[str, dict[str, Any]] = (PROVIDERS["cuda"], dict(_CUDA))
    # What TensorRT does not know runs on CUDA, on the same GPU.
    return [cuda] if name == "cuda" else [(PROVIDERS["tensorrt"], {}), cuda]


def _find_libraries() -> None:
    """Make the CUDA libraries that pip installed known; those missing show when a graph is opened.

    ONNX Runtime's own lines about them, in a log and on stdout, would stand beside our error's.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    if hasattr(ort, "preload_dlls"):  # from 1.21 on
        with redirect_stdout(StringIO()):
            ort.preload_dlls()


def options_of(name: str, threads: int, sizes: Mapping[str, int]) -> Any:
    """ONNX Runtime's ``SessionOptions``.

    :param threads: of the CPU; 0: as many as it has cores.
    :param sizes: of free dimensions, by their names.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    # A damaged file, or a provider that fails, is an error of ours: one line, not two.
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    for dimension, size in sizes.items():
        options.add_free_dimension_override_by_name(dimension, size)
    if name != "cpu" and sizes:
        # With free sizes, what computes shapes belongs on the CPU; with fixed ones nothing does.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options
