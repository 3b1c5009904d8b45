"""The data step of a deconvolution in ONNX Runtime, by products of matrices, and torch's by FFT.

    python benchmarks/onnx_fourier.py [--sides 256 512 1024]

prints, per side of a square photo: a transform there and back, and the closed-form data step; on
one thread of the CPU, each the least CPU time of several runs that take turns, and the ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnxruntime as ort
import torch

from pnp_priors.export.graphs.restorations import boundary
from pnp_priors.export.graphs.restorations.builder import Graph, Value
from pnp_priors.export.graphs.restorations.deconvolution import Blurred
from pnp_priors.export.graphs.restorations.dft import Fourier
from pnp_priors.export.tasks.deconvolution import kernel
from pnp_priors.physics.blur import Blur

GAMMA = 300.0
ROUNDS, REPEATS = 7, 8


def session(write: Callable[[Graph], Value]) -> ort.InferenceSession:
    """A graph on one thread, as quick as the runtime makes it."""
    graph = Graph()
    found = write(graph)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = graph.model("benchmark", "y", found, ["a", "b", "c", "d"]).SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def image(graph: Graph) -> Value:
    return graph.input("x", [1, 1, "height", "width"])


def repeated(step: Callable[[Value], Value], x: Value) -> Value:
    """In a loop, as in a solver: matrices are made once."""
    return x.graph.loop(REPEATS, [x], lambda _, v: [step(v)])[0]


def there_and_back(graph: Graph) -> Value:
    x = image(graph)
    fourier = Fourier(graph, x.size(2), x.size(3))
    sizes = [1, 1, x.size(2), x.size(3)]
    return repeated(lambda v: fourier.inverse(fourier.forward(v)).reshape(sizes), x)


def data_steps(graph: Graph) -> Value:
    x, blur = image(graph), graph.input("kernel", ["rows", "columns"])
    photos = x.reshape([1, x.size(2), x.size(3)])
    data = Blurred(x, boundary.circular(photos, blur))
    inverse = graph.constant(1 / GAMMA, np.float32)
    return repeated(lambda v: data.prox(v, inverse), x)


def quickest(*runs: Callable[[], object]) -> list[float]:
    """Least CPU seconds of each; they take turns."""
    found = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            start = time.process_time()
            run()
            found[number] = min(found[number], time.process_time() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 320, 512, 1024, 1080])
    sides = parser.parse_args().sides
    torch.set_num_threads(1)
    transform, step = session(there_and_back), session(data_steps)
    blur = kernel()
    print("side   there and back, ms        data step, ms")
    print("       graph  torch  ratio       graph  torch  ratio")
    for side in sides:
        x = np.random.default_rng(0).random((1, 1, side, side)).astype(np.float32)
        photo = torch.from_numpy(x)
        physics = Blur((1, side, side), torch.from_numpy(blur)[None, None])

        def in_torch(photo: torch.Tensor = photo, side: int = side) -> None:
            for _ in range(REPEATS):
                torch.fft.irfft2(torch.fft.rfft2(photo), s=(side, side))

        def step_in_torch(photo: torch.Tensor = photo, physics: Blur = physics) -> None:
            for _ in range(REPEATS):
                physics.prox_l2(photo, photo, GAMMA)

        times = quickest(
            lambda x=x: transform.run(None, {"x": x}),
            in_torch,
            lambda x=x: step.run(None, {"x": x, "kernel": blur}),
            step_in_torch,
        )
        a, b, c, d = (1000 * t / REPEATS for t in times)
        print(f"{side:5d} {a:7.2f}{b:7.2f}{a / b:7.2f}     {c:7.2f}{d:7.2f}{c / d:7.2f}")


if __name__ == "__main__":
    main()
