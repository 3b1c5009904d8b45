"""A graph that a page of code makes: what runs graphs is tested without exporting a prior."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pnp_priors.runtime.passport import Passport


def passport(**changes):
    """Of a prior that takes sigma from 5/255 to 50/255."""
    plain = {
        "kind": "prior",
        "name": "toy",
        "prior": "toy",
        "title": "adds sigma",
        "task": "gaussian",
        "prior_version": "0" * 12,
        "package_version": "1",
        "channels": "any",
        "channel_order": "any",
        "sigma_range": (5 / 255, 50 / 255),
        "sigma_outside": "rescaled",
        "receptive_field": 1,
        "halo": 0,
        "size_multiple": 1,
        "licence": "MIT",
        "training_data": [],
        "weights_sha256": "0" * 64,
        "tolerance": 1e-6,
        "opset": 18,
        "precision": "float32",
    }
    return Passport(**plain | changes)


def toy_graph(path, metadata=None):
    """``restored = x + sigma``, of ``x`` [batch, channels, height, width], ``sigma`` [batch]."""
    image = ["batch", "channels", "height", "width"]
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], np.array([-1, 1, 1, 1]))
    nodes = [
        helper.make_node("Reshape", ["sigma", "shape"], ["level"]),
        helper.make_node("Add", ["x", "level"], ["restored"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, image),
            helper.make_tensor_value_info("sigma", TensorProto.FLOAT, ["batch"]),
        ],
        [helper.make_tensor_value_info("restored", TensorProto.FLOAT, image)],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, passport().metadata() if metadata is None else metadata)
    onnx.save(model, path)
    return path


@pytest.fixture
def toy(tmp_path):
    return toy_graph(tmp_path / "toy.onnx")


@pytest.fixture
def write_toy():
    return toy_graph


@pytest.fixture
def make_passport():
    return passport
