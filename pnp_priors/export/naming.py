"""Short names for the values of a graph.

A graph that is put into another one brings long names along, and every name is in the file at each
place that reads it: in a restoration they would take more room than the weights.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import count, product

import onnx

#: the first character of a name, and the others: names in C, as ONNX asks for
_FIRST = string.ascii_letters
_OTHERS = string.ascii_letters + string.digits


def shorten(graph: onnx.GraphProto) -> None:
    """Name the values of a graph, and of the graphs inside it: a, b, …, in order of appearance.

    Names of the graph's own inputs and outputs stay; different names stay different, wherever they
    are, so that what a graph inside reads from outside is still what it was.
    """
    kept = {value.name for value in [*graph.input, *graph.output]}
    free = (name for name in _names() if name not in kept)
    _rename(graph, {"": ""} | {name: name for name in kept}, free)


def _names() -> Iterator[str]:
    """Shorter ones first."""
    for more in count():
        for characters in product(_FIRST, *[_OTHERS] * more):
            yield "".join(characters)


def _rename(graph: onnx.GraphProto, names: dict[str, str], free: Iterator[str]) -> None:
    def renamed(name: str) -> str:
        if name not in names:
            names[name] = next(free)
        return names[name]

    for value in [*graph.input, *graph.initializer]:
        value.name = renamed(value.name)
    for node in graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names, free)
        node.output[:] = [renamed(name) for name in node.output]
    for value in [*graph.output, *graph.value_info]:
        value.name = renamed(value.name)
