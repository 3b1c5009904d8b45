"""The operators that exported graphs are made of; nothing else gets into a file.

Every target has all of them at opset 18. Left out on purpose: ``DFT`` (inexact on ONNX Runtime's
CPU where the size is no power of two, wrong in OpenVINO, not there on CUDA), complex numbers,
``Col2Im``, which few runtimes have, and ``Pad`` of more than four dimensions (not in OpenCV).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.errors import InputError

if TYPE_CHECKING:
    import onnx

_ARITHMETIC = [
    *("Abs", "Add", "Ceil", "Clip", "Cos", "Div", "Exp", "Floor", "Log", "Max", "Min", "Mod"),
    *("Mul", "Neg", "Pow", "Reciprocal", "Sign", "Sin", "Sqrt", "Sub"),
]
_LOGIC = ["And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Where"]
_SUMS = ["ArgMax", "Gemm", "MatMul", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]
_SHAPES = [
    *("Cast", "Concat", "Constant", "ConstantOfShape", "Expand", "Identity", "Pad", "Range"),
    *("Reshape", "Shape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
]
_LOOKUP = ["Gather", "GatherElements", "ScatterElements", "TopK"]
_NETWORKS = [
    *("AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "MaxPool", "Relu", "Sigmoid"),
    "SpaceToDepth",
]
#: of files in int8
_QUANTISED = ["DequantizeLinear", "QuantizeLinear"]
_EVERYWHERE = frozenset(
    [*_ARITHMETIC, *_LOGIC, *_SUMS, *_SHAPES, *_LOOKUP, *_NETWORKS, *_QUANTISED]
)
#: iterations of a restoration, and blocks of an image that are compared in turn
_LOOPS = frozenset({"Loop"})

#: what each target runs, of what is used here; a graph must be within all of them
TARGETS: dict[str, frozenset[str]] = {
    "onnxruntime-cpu": _EVERYWHERE | _LOOPS,
    "onnxruntime-cuda": _EVERYWHERE | _LOOPS,
    "onnxruntime-web-wasm": _EVERYWHERE | _LOOPS,
    "openvino": _EVERYWHERE | _LOOPS,
}


def operators(model: onnx.ModelProto) -> set[str]:
    """Operators of a model and of the graphs inside it; of another domain as ``domain::name``."""
    found: set[str] = set()

    def collect(graph: onnx.GraphProto) -> None:
        for node in graph.node:
            found.add(f"{node.domain}::{node.op_type}" if node.domain else node.op_type)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    collect(attribute.g)

    collect(model.graph)
    return found


def check_operators(model: onnx.ModelProto) -> None:
    """Refuse a model with an operator that some target lacks.

    :raises InputError: names the operators and the targets.
    """
    used = operators(model)
    for target, known in TARGETS.items():
        if missing := used - known:
            raise InputError(f"operators that {target} lacks: {', '.join(sorted(missing))}")
