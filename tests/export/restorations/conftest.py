"""Small graphs that run, and pipelines that are exported once."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from pnp_priors.export.graphs.restorations.builder import Graph, Value


def run(model: onnx.ModelProto, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The only output of a graph that passes the strict checks."""
    import onnxruntime as ort

    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(inputs))[0]


@pytest.fixture
def compute():
    """Runs what a function writes, given values for arrays; sizes stay unknown to the graph."""

    def call(write: Callable[..., Value], *arrays: np.ndarray, axes: int | None = None):
        graph = Graph()
        values = [
            graph.input(f"input_{i}", [f"d{i}_{k}" for k in range(a.ndim)], a.dtype)
            for i, a in enumerate(arrays)
        ]
        found = write(*values)
        rank = arrays[0].ndim if axes is None else axes
        model = graph.model("test", "output", found, [f"o{k}" for k in range(rank)])
        return run(model, {f"input_{i}": a for i, a in enumerate(arrays)})

    return call


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The file of a pipeline with these settings, made once per worker."""
    from pnp_priors.export.restorations import export_pipeline

    folder, made = tmp_path_factory.mktemp("restorations"), {}

    def export(name: str, overrides=None, **options) -> Path:
        settings = {"prior.name": "ffdnet-gray", **(overrides or {})}
        key = (name, str(sorted(settings.items())), str(sorted(options.items())))
        if key not in made:
            made[key] = export_pipeline(name, folder / f"{len(made)}.onnx", settings, **options)
        return made[key]

    return export
