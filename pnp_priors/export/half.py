"""What float16 makes of a graph where it is computed, on any processor.

ONNX Runtime's CPU computes in float32 what a file has in float16 and leaves out the rounding in
between; GPUs and other runtimes round after every operator. What a file may differ by is measured
with that rounding.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_HALF, _SINGLE = TensorProto.FLOAT16, TensorProto.FLOAT
#: times which a float32 number leaves the 11 binary digits of float16 (Dekker's splitting)
_SPLIT = 2.0**13 + 1


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same in float32, with every result that is of float16 rounded to its 11 binary digits.

    Of numbers below 6e-5, which float16 has with fewer digits, more are kept.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    half = {v.name for v in typed.graph.value_info if v.type.tensor_type.elem_type == _HALF}
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.graph.node[:], found.graph.initializer[:]
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        wide = values.astype(np.float32) if tensor.data_type == _HALF else values
        found.graph.initializer.append(numpy_helper.from_array(wide, tensor.name))
    found.graph.initializer.append(numpy_helper.from_array(np.float32(_SPLIT), "split"))
    for node in model.graph.node:
        copy = NodeProto()
        copy.CopyFrom(node)
        for attribute in copy.attribute:
            if attribute.name == "to" and attribute.i == _HALF:
                attribute.i = _SINGLE
        outputs = [name for name in node.output if name in half]
        copy.output[:] = [f"{name}_exact" if name in half else name for name in node.output]
        found.graph.node.append(copy)
        for name in outputs:
            found.graph.node.extend(_rounding(name))
    return found


def _rounding(name: str) -> list[NodeProto]:
    exact, large, rest = f"{name}_exact", f"{name}_large", f"{name}_rest"
    return [
        helper.make_node("Mul", [exact, "split"], [large]),
        helper.make_node("Sub", [large, exact], [rest]),
        helper.make_node("Sub", [large, rest], [name]),
    ]
