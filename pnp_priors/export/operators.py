"""The operators that exported graphs are made of; nothing else gets into a file.

Every target has all of them at opset 18. Left out on purpose: ``DFT`` (inexact on ONNX Runtime's
CPU where the size is no power of two, wrong in OpenVINO, not there on CUDA), complex numbers,
``Col2Im``, which few runtimes have, and ``Pad`` of more than four dimensions (not in OpenCV; it is
refused wherever the dimensions are known).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pnp_priors.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

#: what each target runs, of what is used here; a graph must be within all of them. Node and C have
#: the CPU's library. What TensorRT lacks ONNX Runtime gives to CUDA, what WebGPU lacks to wasm,
#: within the same session.
TARGETS: dict[str, frozenset[str]] = {
    "onnxruntime-cpu": _EVERYWHERE | _LOOPS,
    "onnxruntime-cuda": _EVERYWHERE | _LOOPS,
    "onnxruntime-tensorrt": _EVERYWHERE | _LOOPS,
    "onnxruntime-node": _EVERYWHERE | _LOOPS,
    "onnxruntime-c": _EVERYWHERE | _LOOPS,
    "onnxruntime-web-wasm": _EVERYWHERE | _LOOPS,
    "onnxruntime-web-webgpu": _EVERYWHERE | _LOOPS,
    "openvino": _EVERYWHERE | _LOOPS,
}
#: axes of what ``Pad`` takes
_PADDED = 4


def operators(model: onnx.ModelProto) -> set[str]:
    """Operators of a model and of the graphs inside it; of another domain as ``domain::name``."""
    return {
        f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        for graph in _graphs(model.graph)
        for node in graph.node
    }


def check_operators(model: onnx.ModelProto) -> None:
    """Refuse a model with an operator that some target lacks.

    :raises InputError: names the operators and the targets.
    """
    used = operators(model)
    for target, known in TARGETS.items():
        if missing := used - known:
            raise InputError(f"operators that {target} lacks: {', '.join(sorted(missing))}")


def check_padding(model: onnx.ModelProto) -> None:
    """Refuse ``Pad`` of more than four dimensions.

    :param model: after shape inference, which says how many there are.
    :raises InputError: says how many.
    """
    axes: dict[str, int] = {}
    for graph in _graphs(model.graph):
        axes |= {tensor.name: len(tensor.dims) for tensor in graph.initializer}
        for value in [*graph.input, *graph.value_info, *graph.output]:
            if value.type.tensor_type.HasField("shape"):
                axes[value.name] = len(value.type.tensor_type.shape.dim)
    for graph in _graphs(model.graph):
        padded = [axes.get(node.input[0], 0) for node in graph.node if node.op_type == "Pad"]
        if max(padded, default=0) > _PADDED:
            raise InputError(
                f"Pad of {max(padded)} dimensions; targets have it of {_PADDED} at most"
            )


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """It and the graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
