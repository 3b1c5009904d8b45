"""Tensors of an ONNX graph in the making, with arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from pnp_priors.export.graphs.restorations.builder import Graph

TYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.bool_): TensorProto.BOOL,
}

Number = int | float | bool | np.ndarray | Sequence[int] | Sequence[float]


class Value:
    """A tensor of a graph; ``+ - * / @`` write nodes. Integers divide without their remainder."""

    __array_priority__ = 1000  # numpy's scalars leave the arithmetic to this class

    def __init__(self, graph: Graph, name: str, dtype: np.dtype) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def __add__(self, other: Operand) -> Value:
        return self.graph.op("Add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.graph.op("Add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.graph.op("Sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.graph.op("Mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.op("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.graph.op("Div", other, self)

    def __mod__(self, other: Operand) -> Value:
        return self.graph.op("Mod", self, other)

    def __matmul__(self, other: Operand) -> Value:
        return self.graph.op("MatMul", self, other)

    def __rmatmul__(self, other: Operand) -> Value:
        return self.graph.op("MatMul", other, self)

    def __neg__(self) -> Value:
        return self.graph.op("Neg", self)

    def __lt__(self, other: Operand) -> Value:
        return self.graph.op("Less", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.graph.op("LessOrEqual", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.graph.op("Greater", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.graph.op("GreaterOrEqual", self, other)

    def __and__(self, other: Operand) -> Value:
        return self.graph.op("And", self, other)

    def equals(self, other: Operand) -> Value:
        return self.graph.op("Equal", self, other)

    def size(self, axis: int) -> Value:
        """Of one axis from the front, as a number (no axes)."""
        shape = self.graph.op("Shape", self, dtype=np.int64, start=axis, end=axis + 1)
        return shape.reshape([])

    def reshape(self, sizes: Sequence[Value | int]) -> Value:
        """-1 for one size that follows from the others."""
        return self.graph.op("Reshape", self, self.graph.sizes(sizes))

    def expand(self, sizes: Sequence[Value | int]) -> Value:
        """To these sizes, or what both broadcast to."""
        return self.graph.op("Expand", self, self.graph.sizes(sizes))

    def transpose(self, *order: int) -> Value:
        return self.graph.op("Transpose", self, perm=list(order))

    def slice(
        self, axis: int, start: Value | int, stop: Value | int | None = None, step: int = 1
    ) -> Value:
        """Like ``[start:stop:step]``."""
        last = np.iinfo(np.int64).max if stop is None else stop
        ends = [self.graph.sizes([end]) for end in (start, last)]
        steps = [] if step == 1 else [self.graph.constant([step], np.int64)]
        return self.graph.op("Slice", self, *ends, self.graph.constant([axis], np.int64), *steps)

    def take(self, index: Value | int, axis: int = 0) -> Value:
        """One entry, without the axis; or one for each entry of an index tensor."""
        where = index if isinstance(index, Value) else self.graph.constant(index, np.int64)
        return self.graph.op("Gather", self, where, axis=axis)

    def cast(self, dtype: Any) -> Value:
        kind = np.dtype(dtype)
        return (
            self if kind == self.dtype else self.graph.op("Cast", self, dtype=kind, to=TYPES[kind])
        )

    def clip(self, low: Operand | None = None, high: Operand | None = None) -> Value:
        found = self if low is None else self.graph.op("Max", self, low)
        return found if high is None else self.graph.op("Min", found, high)

    def sum(self, *axes: int, keep: bool = True) -> Value:
        return self._reduced("Sum", axes, keep)

    def max(self, *axes: int, keep: bool = True) -> Value:
        return self._reduced("Max", axes, keep)

    def min(self, *axes: int, keep: bool = True) -> Value:
        return self._reduced("Min", axes, keep)

    def mean(self, *axes: int, keep: bool = True) -> Value:
        return self._reduced("Mean", axes, keep)

    def _reduced(self, kind: str, axes: Sequence[int], keep: bool) -> Value:
        # Opset 18 has the axes as an input everywhere.
        given = self.graph.constant(list(axes), np.int64)
        return self.graph.op(f"Reduce{kind}", self, given, keepdims=int(keep))


Operand = Value | Number
