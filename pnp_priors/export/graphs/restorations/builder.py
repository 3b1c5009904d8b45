"""Writes an ONNX graph node by node: values with arithmetic, loops, and other graphs put in.

A :class:`Graph` is written in program order: what is computed before a loop is outside of it. Equal
nodes are written once. Numbers and arrays become constants of the type of the other operand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from pnp_priors.export.graphs.restorations.values import TYPES, Number, Operand, Value

__all__ = ["OPSET", "Graph", "Value"]

OPSET = 18
#: the version of the file format that belongs to the opset
IR_VERSION = 8
_NUMPY = {number: kind for kind, number in TYPES.items()}
_TRUTH = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or"}


class Graph:
    """A graph in the making; :meth:`model` ends it.

    :param half: networks compute in float16, and trained weights are stored in it.
    """

    OPSET = OPSET

    def __init__(self, half: bool = False) -> None:
        self.half = half
        self.network_dtype = np.float16 if half else np.float32
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._tensors: list[TensorProto] = []
        # The innermost last: nodes, what was computed there, and weights.
        self._scopes: list[GraphProto] = [GraphProto()]
        self._known: list[dict[tuple[Any, ...], tuple[Value, ...]]] = [{}]
        self._count = 0

    # --- what goes in ----------------------------------------------------------------------------

    def input(self, name: str, sizes: Sequence[int | str], dtype: Any = np.float32) -> Value:
        kind = np.dtype(dtype)
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[kind], list(sizes)))
        return Value(self, name, kind)

    def optional(self, name: str, default: np.ndarray) -> Value:
        """An input with a value for those who do not give it: runtimes do not list it."""
        value = self.input(name, list(default.shape), default.dtype)
        self._tensors.append(numpy_helper.from_array(default, name))
        return value

    def constant(self, value: Number, dtype: Any) -> Value:
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._tensors.append(numpy_helper.from_array(array, name))
            self._constants[key] = Value(self, name, array.dtype)
        return self._constants[key]

    def stored(self, weights: np.ndarray) -> Value:
        """Weights for float32 arithmetic, which the file may have in float16.

        Runtimes compute constants from constants once, on opening a file.
        """
        if not self.half:
            return self.constant(weights, np.float32)
        return self.constant(weights, np.float16).cast(np.float32)

    def sizes(self, parts: Sequence[Value | int]) -> Value:
        """A list of sizes, as ``Reshape`` and others want it."""
        if all(not isinstance(part, Value) for part in parts):
            return self.constant(np.array(parts, np.int64).reshape(-1), np.int64)
        one = self.constant([1], np.int64)
        pieces = [
            self.op("Reshape", part, one)
            if isinstance(part, Value)
            else self.constant([part], np.int64)
            for part in parts
        ]
        return pieces[0] if len(pieces) == 1 else self.op("Concat", *pieces, axis=0)

    def range(self, count: Value | int) -> Value:
        """0, 1, … below the count, int64."""
        number = [self._promoted(number, np.dtype(np.int64)) for number in (0, count, 1)]
        return self.op("Range", *number)

    # --- nodes -----------------------------------------------------------------------------------

    def op(self, kind: str, *operands: Operand, dtype: Any = None, **attributes: Any) -> Value:
        """One node with one output, of the type of its first value unless stated."""
        return self._node(kind, operands, 1, dtype, attributes)[0]

    def where(self, condition: Value, yes: Operand, no: Operand) -> Value:
        like = next(v for v in (yes, no) if isinstance(v, Value))
        parts = [self._promoted(v, like.dtype) for v in (yes, no)]
        return self.op("Where", condition, *parts, dtype=like.dtype)

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=axis)

    def nearest(self, distances: Value, count: Value | int) -> Value:
        """Where the smallest numbers of each row (of the last axis) are, the smallest first."""
        attributes = {"axis": -1, "largest": 0, "sorted": 1}
        _, found = self._node("TopK", (distances, self.sizes([count])), 2, None, attributes)
        return Value(self, found.name, np.dtype(np.int64))

    def pad(self, x: Value, begin: Sequence[Value | int], end: Sequence[Value | int]) -> Value:
        """With zeros; a size for each axis."""
        return self.op("Pad", x, self.sizes([*begin, *end]))

    def loop(
        self,
        count: Value | int,
        start: Sequence[Value],
        body: Callable[..., Sequence[Value]],
        ranks: Sequence[int] | None = None,
        goes_on: Value | None = None,
    ) -> list[Value]:
        """The state after ``count`` times ``state = body(index, *state)``.

        :param ranks: how many axes each state has; 4 by default.
        :param goes_on: whether there is a first time; ``body`` then returns whether there is a
            next one before the new state.
        """
        ranks = [4] * len(start) if ranks is None else ranks
        self._count += 1
        name = f"loop_{self._count}"
        times = self._promoted(count, np.dtype(np.int64))
        scope = GraphProto(name=name)
        self._scopes.append(scope)
        self._known.append({})
        index = Value(self, f"{name}_index", np.dtype(np.int64))
        states = [Value(self, f"{name}_in_{i}", value.dtype) for i, value in enumerate(start)]
        result = list(body(index, *states))
        condition = result.pop(0) if goes_on is not None else self.constant(True, np.bool_)
        # An output of a body is a value of its own, even if it is one from outside.
        for i, value in enumerate([condition, *result]):
            node = helper.make_node("Identity", [value.name], [f"{name}_out_{i}"])
            scope.node.append(node)
        self._known.pop()
        self._scopes.pop()
        given = helper.make_tensor_value_info(f"{name}_condition", TensorProto.BOOL, [])
        counter = helper.make_tensor_value_info(index.name, TensorProto.INT64, [])
        scope.input.extend([counter, given])
        scope.output.append(helper.make_tensor_value_info(f"{name}_out_0", TensorProto.BOOL, []))
        for i, (state, rank) in enumerate(zip(states, ranks, strict=True)):
            unknown = [None] * rank
            kind = TYPES[state.dtype]
            scope.input.append(helper.make_tensor_value_info(state.name, kind, unknown))
            scope.output.append(helper.make_tensor_value_info(f"{name}_out_{i + 1}", kind, unknown))
        names = [f"{name}_{i}" for i in range(len(start))]
        first = "" if goes_on is None else goes_on.name
        node = helper.make_node(
            "Loop", [times.name, first, *(v.name for v in start)], names, body=scope
        )
        self._scopes[-1].node.append(node)
        return [Value(self, n, v.dtype) for n, v in zip(names, start, strict=True)]

    def inline(self, model: ModelProto, **given: Value) -> Value:
        """The only output of another graph of this opset, put in here with its weights.

        In a loop's body its weights are there too: what a runtime does once with constant weights
        it does only for those of the same graph.
        """
        self._count += 1
        prefix = f"inline_{self._count}_"
        names = {value.name: given[value.name].name for value in model.graph.input}
        (output,) = model.graph.output

        def renamed(name: str) -> str:
            return names.get(name, prefix + name) if name else ""

        for tensor in model.graph.initializer:
            copy = self._scopes[-1].initializer.add()
            copy.CopyFrom(tensor)
            copy.name = renamed(tensor.name)
        for node in model.graph.node:
            self._scopes[-1].node.append(_renamed(node, renamed))
        kind = _NUMPY[output.type.tensor_type.elem_type]
        return Value(self, renamed(output.name), kind)

    def model(self, name: str, output: str, value: Value, sizes: Sequence[int | str]) -> ModelProto:
        """The graph with one output, not yet checked."""
        (main,) = self._scopes
        main.name = name
        main.node.append(helper.make_node("Identity", [value.name], [output]))
        main.input.extend(self._inputs)
        main.initializer.extend(self._tensors)
        main.output.append(helper.make_tensor_value_info(output, TYPES[value.dtype], list(sizes)))
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(main, opset_imports=[opset], ir_version=IR_VERSION)

    def _promoted(self, operand: Operand, dtype: np.dtype) -> Value:
        return operand if isinstance(operand, Value) else self.constant(operand, dtype)

    def _node(
        self,
        kind: str,
        operands: Sequence[Operand],
        outputs: int,
        dtype: Any,
        attributes: Mapping[str, Any],
    ) -> tuple[Value, ...]:
        like = next(v for v in operands if isinstance(v, Value)).dtype
        inputs = [self._promoted(operand, like).name for operand in operands]
        key = (kind, *inputs, str(sorted(attributes.items())))
        for scope in reversed(self._known):
            if key in scope:
                return scope[key]
        found: np.dtype[Any] = np.dtype(np.bool_ if kind in _TRUTH else dtype or like)
        self._count += 1
        names = [f"{kind.lower()}_{self._count}_{i}" for i in range(outputs)]
        self._scopes[-1].node.append(helper.make_node(kind, inputs, names, **attributes))
        values = tuple(Value(self, name, found) for name in names)
        self._known[-1][key] = values
        return values


def _renamed(node: NodeProto, renamed: Callable[[str], str]) -> NodeProto:
    """A copy with other names of values, in the graphs inside it as well."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    copy.input[:] = [renamed(name) for name in node.input]
    copy.output[:] = [renamed(name) for name in node.output]
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            graph = attribute.g
            inner = [_renamed(part, renamed) for part in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
            for value in [*graph.input, *graph.output, *graph.initializer, *graph.value_info]:
                value.name = renamed(value.name)
    return copy
